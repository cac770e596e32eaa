import { X509Certificate } from 'node:crypto';
import { decodeCertificates } from '../codec/pem.ts';
import { equalBytes } from '../core/bytes.ts';
import { FirstbootError, failure } from '../core/errors.ts';
import { type Certificate, parseCertificate } from '../pki/certificate.ts';
import type { Name } from '../pki/name.ts';
import type { EnrollmentGroup } from '../store/model.ts';

/**
 * Refuses a group that would take devices which come to somebody else's groups now: by an authority of theirs (its key, in
 * whatever certificate) or one that it issued, by a pinned key, by a PSK identity or pattern; and an authority that only calls
 * itself as one of theirs or the issuer of one, or that has no key id: either can keep their devices out. It does not say whose
 * they are.
 * @param others groups of other owners
 * @throws FirstbootError operator.conflict
 */
export function refuseForeignClaims(group: EnrollmentGroup, others: readonly EnrollmentGroup[]): void {
  const theirs = others.flatMap(authoritiesOf);
  const mine = authoritiesOf(group);
  const authority = mine.find((each) => theirs.some((one) => rivals(each, one)));
  if (authority) throw taken(group, 'authority', authority.subject.text);
  const unmarked = theirs.length > 0 ? mine.find(({ subjectKeyId }) => subjectKeyId === undefined) : undefined;
  if (unmarked) throw foundByName(group, unmarked);
  const pins = new Set(others.flatMap(({ attestation }) => attestation.pins));
  const pin = group.attestation.pins.find((each) => pins.has(each));
  if (pin !== undefined) throw taken(group, 'pin', pin);
  const identities = others.flatMap(({ attestation }) => attestation.psk.map(({ identity }) => identity));
  for (const { identity } of group.attestation.psk) {
    if (identities.some((other) => overlap(identity, other))) throw taken(group, 'identity', identity);
  }
}

/** Intermediates too: one that is certified by two roots leads devices to both. */
function authoritiesOf({ attestation: { x509 } }: EnrollmentGroup): readonly Certificate[] {
  return (['anchors', 'leads', 'intermediates'] as const).flatMap((part) => (x509?.[part] ?? []).flatMap(readable));
}

/** A group with damaged material takes nobody by it. */
function readable(pem: string): readonly Certificate[] {
  try {
    return decodeCertificates(pem).map(parseCertificate);
  } catch (error) {
    if (error instanceof FirstbootError) return [];
    throw error;
  }
}

/** A path check takes it for every authority of its name, those that devices of others bring along included. */
function foundByName({ name }: EnrollmentGroup, { subject }: Certificate): FirstbootError {
  const fix = 'issue it again with a subjectKeyIdentifier, or ask an admin of the whole service';
  return failure('operator.conflict', { group: name, authority: subject.text, subjectKeyId: 'none' }, fix);
}

function rivals(mine: Certificate, theirs: Certificate): boolean {
  if (equalBytes(mine.spki, theirs.spki) || sameName(mine.subject, theirs.subject)) return true;
  if (sameName(mine.issuer, theirs.subject) && signed(theirs, mine) !== false) return true;
  return sameName(mine.subject, theirs.issuer) && signed(mine, theirs) !== true;
}

/** As a path check compares names, and more loosely (RFC 5280 §7.1): neither case, nor spaces, nor the kind of string count. */
const sameName = (a: Name, b: Name): boolean => equalBytes(a.der, b.der) || folded(a) === folded(b);

const folded = ({ rdns }: Name): string =>
  JSON.stringify(
    rdns.map((rdn) =>
      rdn.map(({ oid, value }) => `${oid}=${value.trim().replace(/\s+/g, ' ').toLowerCase()}`).toSorted(),
    ),
  );

/** Undefined: OpenSSL cannot judge, as with a key of a kind that it does not take. */
function signed(issuer: Certificate, subject: Certificate): boolean | undefined {
  try {
    return new X509Certificate(subject.der).verify(new X509Certificate(issuer.der).publicKey);
  } catch {
    return undefined;
  }
}

/** Whether some identity fits both: each is a whole one, or with a trailing * the beginning of any. */
function overlap(a: string, b: string): boolean {
  const [open, other] = [a.endsWith('*'), b.endsWith('*')];
  const [start, otherStart] = [open ? a.slice(0, -1) : a, other ? b.slice(0, -1) : b];
  return start === otherStart || (open && otherStart.startsWith(start)) || (other && start.startsWith(otherStart));
}

function taken({ name }: EnrollmentGroup, claim: string, value: string): FirstbootError {
  const fix = 'somebody else’s group has it, or what is above it: ask who runs the service';
  return failure('operator.conflict', { group: name, [claim]: value }, fix);
}
