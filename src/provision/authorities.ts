import { hash, X509Certificate } from 'node:crypto';
import { concatBytes, toHex } from '../core/bytes.ts';
import type { Millis } from '../core/clock.ts';
import type { Uuid } from '../core/ids.ts';
import type { Certificate } from '../pki/certificate.ts';
import { organizationsOf } from '../pki/known-authorities.ts';
import type { Name } from '../pki/name.ts';
import type { EnrollmentGroup } from '../store/model.ts';

/** A certificate that a group has registered. */
export interface GroupAuthority {
  readonly groupId: Uuid;
  readonly certificate: Certificate;
}

/** What groups take devices by, found by the key and the name of an authority: a path of n certificates takes n look-ups. */
export interface Authorities {
  /** Groups that an authority leads to: as an anchor of one without lead certificates, or as a lead. Enabled ones first, then by id. */
  readonly entrances: ReadonlyMap<string, readonly Entrance[]>;
  /** The anchors of a group. */
  readonly anchorsOf: ReadonlyMap<Uuid, ReadonlySet<string>>;
  /** The first group that has an anchor with a mark (marksOf): the nearest to a chain that none takes. */
  readonly marked: ReadonlyMap<string, Uuid>;
  /** Anchors that have issued an anchor, the nearest first: a path check stops at the first anchor that it comes to. */
  readonly above: ReadonlyMap<string, readonly Certificate[]>;
}

interface Entrance {
  readonly group: EnrollmentGroup;
  readonly as: 'anchor' | 'lead';
}

/** The same key under the same name: an authority, whichever of its certificates it is (renewed, cross-signed). */
export const authorityKey = ({ spki, subject }: Certificate): string =>
  hash('sha256', concatBytes(spki, subject.der), 'base64');

/** @param groups in the order of their ids */
export function authoritiesOf(
  groups: readonly EnrollmentGroup[],
  anchors: readonly GroupAuthority[],
  leads: readonly GroupAuthority[],
): Authorities {
  const byGroup = (authorities: readonly GroupAuthority[]): Map<Uuid, Set<string>> => {
    const keys = new Map<Uuid, Set<string>>();
    for (const { groupId, certificate } of authorities)
      keys.set(groupId, (keys.get(groupId) ?? new Set()).add(authorityKey(certificate)));
    return keys;
  };
  const [anchorsOf, leadsOf] = [byGroup(anchors), byGroup(leads)];
  const entrances = new Map<string, Entrance[]>();
  for (const group of groups.toSorted((a, b) => Number(b.enabled) - Number(a.enabled))) {
    // A group whose leads cannot be read takes nobody, rather than everybody below its anchors.
    const as = (group.attestation.x509?.leads.length ?? 0) > 0 ? 'lead' : 'anchor';
    for (const key of (as === 'lead' ? leadsOf : anchorsOf).get(group.id) ?? []) {
      const known = entrances.get(key);
      if (known) known.push({ group, as });
      else entrances.set(key, [{ group, as }]);
    }
  }
  const marked = new Map<string, Uuid>();
  for (const { groupId, certificate } of anchors)
    for (const mark of marksOf(certificate.subjectKeyId, certificate.subject).keys())
      if (!marked.has(mark)) marked.set(mark, groupId);
  return { entrances, anchorsOf, marked, above: issuersOf(anchors.map(({ certificate }) => certificate)) };
}

/** What an authority is recognized by, the surest first, with a word for it: its key id, its name, its organizations. */
export const marksOf = (
  keyId: Uint8Array | undefined,
  name: Name,
): ReadonlyMap<string, 'key id' | 'name' | 'organization'> =>
  new Map([
    ...(keyId ? ([[`key ${toHex(keyId)}`, 'key id']] as const) : []),
    [`name ${toHex(name.der)}`, 'name'] as const,
    ...organizationsOf(name).map((organization) => [`organization ${organization}`, 'organization'] as const),
  ]);

/** A verified path with the registered authorities above its end that are valid now. */
export function wholePath(path: readonly Certificate[], { above }: Authorities, now: Millis): readonly Certificate[] {
  const top = path.at(-1);
  const more = (top && above.get(authorityKey(top))) ?? [];
  const over = more.findIndex(({ notBefore, notAfter }) => now < notBefore || now > notAfter);
  return [...path, ...(over < 0 ? more : more.slice(0, over))];
}

function issuersOf(anchors: readonly Certificate[]): ReadonlyMap<string, readonly Certificate[]> {
  const byName = new Map<string, Certificate[]>();
  for (const anchor of anchors) {
    const name = toHex(anchor.subject.der);
    const known = byName.get(name);
    if (known) known.push(anchor);
    else byName.set(name, [anchor]);
  }
  const issuerOf = (certificate: Certificate): Certificate | undefined =>
    certificate.selfIssued
      ? undefined
      : byName.get(toHex(certificate.issuer.der))?.find((issuer) => hasIssued(issuer, certificate));
  const above = new Map<string, readonly Certificate[]>();
  for (const anchor of anchors) {
    const key = authorityKey(anchor);
    if (above.has(key)) continue;
    const chain: Certificate[] = [];
    for (let at = issuerOf(anchor); at && !chain.includes(at) && at !== anchor; at = issuerOf(at)) chain.push(at);
    if (chain.length > 0) above.set(key, chain);
  }
  return above;
}

function hasIssued(issuer: Certificate, certificate: Certificate): boolean {
  try {
    const child = new X509Certificate(certificate.der);
    const parent = new X509Certificate(issuer.der);
    return child.checkIssued(parent) && child.verify(parent.publicKey);
  } catch {
    // A key of a kind that OpenSSL does not take.
    return false;
  }
}
