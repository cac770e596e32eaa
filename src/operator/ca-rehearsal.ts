import { decodeCertificates } from '../codec/pem.ts';
import { toHex } from '../core/bytes.ts';
import type { Millis } from '../core/clock.ts';
import { failure } from '../core/errors.ts';
import type { Uuid } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import { type Certificate, fingerprint, parseCertificate } from '../pki/certificate.ts';
import type { Issuer } from '../pki/issuer.ts';
import type { AuthorityState } from '../pki/roll-over.ts';
import { pinOf } from '../provision/pins.ts';
import type { Policy } from '../provision/policy.ts';
import type { Device, EnrollmentGroup } from '../store/model.ts';
import type { Store } from '../store/store.ts';
import { heldCredentials, isBelow, knows } from './ca-credentials.ts';
import { presentedIn } from './explain.ts';
import { checkPath, judgeChain, withGroups } from './judge.ts';
import { everyDevice } from './scan.ts';

export interface RehearsalDeps {
  readonly store: Store;
  readonly authority: AuthorityState;
  readonly policy: Policy;
  readonly now: Millis;
}

/** Who is cut off if an anchor goes on a day. */
export interface Rehearsal {
  readonly anchor: {
    readonly kind: 'own' | 'manufacturer';
    readonly subject: string;
    readonly fingerprint: string;
    /** Its own end: it goes by itself then. */
    readonly notAfter: Millis;
  };
  readonly on: Millis;
  /** Devices that were looked at: those with an identity certificate of ours, or in a group with the anchor. */
  readonly devices: number;
  readonly cutOff: readonly CutOff[];
  /** Devices that will have got by themselves, before that day, what does not depend on it. */
  readonly renewing: number;
  /** Devices whose manufacturer certificate has ended by that day, anchor or not. */
  readonly expired: number;
}

export interface CutOff {
  readonly keyId: Uuid;
  readonly deviceId: Uuid | undefined;
  readonly subject: string;
  readonly reason: CutOffReason;
  /** End of the certificate it is about. */
  readonly until: Millis;
}

/**
 * signed-under-it: gateways refuse its certificate. renewals-under-it: that ends before the day, but the next ones are signed
 * under the same root. knows-no-other: it does not trust hubs any more. no-other-anchor: its manufacturer certificate does
 * not verify without it.
 */
export type CutOffReason = 'signed-under-it' | 'renewals-under-it' | 'knows-no-other' | 'no-other-anchor';

/**
 * @param anchor SHA-256 fingerprint or key id (8 hex digits or more of either) of a root of ours or of a group's anchor, or
 *   `root` for our present root
 * @throws FirstbootError operator.not-found, operator.ambiguous, service.store
 */
export async function rehearseAnchor(
  deps: RehearsalDeps,
  { anchor, on }: { readonly anchor: string; readonly on: Millis },
): Promise<Rehearsal> {
  const { certificate, own } = findAnchor(deps, anchor);
  const { notAfter, der, subject } = certificate;
  const kind = own ? 'own' : 'manufacturer';
  const found = own ? await withoutOwn(deps, own, on) : await withoutManufacturer(deps, certificate, on);
  return { anchor: { kind, subject: subject.text, fingerprint: fingerprint(der), notAfter }, on, ...found };
}

type Findings = Pick<Rehearsal, 'devices' | 'cutOff' | 'renewing' | 'expired'>;

/** Without one of our roots: gateways refuse what is below it, and devices refuse gateways that they have no other root for. */
async function withoutOwn({ store, authority, now }: RehearsalDeps, gone: Issuer, on: Millis): Promise<Findings> {
  const { inUse } = await heldCredentials(store, now);
  const others = [authority.root, authority.next, authority.previous].filter((each) => each && each !== gone);
  const cutOff: CutOff[] = [];
  let renewing = 0;
  for (const credential of inUse.values()) {
    const { keyId, deviceId, notAfter } = credential;
    const below = isBelow(authority, gone, credential);
    const dependent = below || !others.some((other) => other && knows(other, credential));
    const ends = notAfter <= on;
    // What ends before is renewed, below the root that signs now.
    const renewedBelow = ends && gone === authority.root;
    if (ends && dependent && !renewedBelow) renewing++;
    if (ends ? !renewedBelow : !dependent) continue;
    const reason = renewedBelow ? 'renewals-under-it' : below ? 'signed-under-it' : 'knows-no-other';
    const device = await store.device(keyId);
    cutOff.push({ keyId, deviceId, subject: device?.manufacturer.subject ?? '', reason, until: notAfter });
  }
  return { devices: inUse.size, cutOff, renewing, expired: 0 };
}

/** Without a manufacturer's anchor: devices that a group takes now, and none on that day. Judged as when they come. */
async function withoutManufacturer(
  { store, policy, now }: RehearsalDeps,
  gone: Certificate,
  on: Millis,
): Promise<Findings> {
  const print = fingerprint(gone.der);
  const groups = new Set(
    policy.anchors.flatMap((each) => (fingerprint(each.certificate.der) === print ? each.groupId : [])),
  );
  const left = withGroups(
    policy,
    [...policy.groups.values()].map((group) => withoutAnchor(group, print)),
  );
  const cutOff: CutOff[] = [];
  let [devices, expired] = [0, 0];
  for await (const device of everyDevice(store)) {
    const { keyId, deviceId, groupId, manufacturer, state } = device;
    if (!groups.has(groupId) || manufacturer.certificate === undefined || state === 'decommissioned') continue;
    devices++;
    const [leaf] = decodeCertificates(manufacturer.certificate);
    if (!leaf) continue;
    const { notAfter, spki } = parseCertificate(leaf);
    // A pinned key comes in whoever signed its certificate.
    if (policy.pins.has(pinOf(spki))) continue;
    const grace = policy.groups.get(groupId)?.attestation.x509?.expiredGrace ?? 0;
    if (notAfter + grace <= on) {
      expired++;
      continue;
    }
    const presented = await acceptedChain(store, policy, device, leaf, now);
    if (!presented || comesIn(presented, left, device, on)) continue;
    cutOff.push({ keyId, deviceId, subject: manufacturer.subject, reason: 'no-other-anchor', until: notAfter });
  }
  return { devices, cutOff, renewing: 0, expired };
}

/** Every list has run out on a day that is far enough: that is not held against a device. What is revoked stays so. */
function comesIn(presented: readonly Uint8Array[], policy: Policy, device: Device, at: Millis): boolean {
  const chain = checkPath(presented, policy, at);
  const errors = chain.errors.filter(({ code }) => code !== 'CRL_HAS_EXPIRED');
  const door = judgeChain({ ...chain, errors }, policy, at, device);
  return door.ok && door.match.group.enabled;
}

/** What it can come in with now: its certificate alone, or the chain of one of its last attempts. Undefined: it cannot. */
async function acceptedChain(
  store: Store,
  policy: Policy,
  device: Device,
  leaf: Uint8Array,
  now: Millis,
): Promise<readonly Uint8Array[] | undefined> {
  if (comesIn([leaf], policy, device, now)) return [leaf];
  for (const { id } of await store.attempts({ keyId: device.keyId, limit: limits.operator.shownAttempts })) {
    const attempt = await store.attempt(id);
    const presented = attempt ? presentedIn(attempt) : [];
    if (presented.length > 0) return comesIn(presented, policy, device, now) ? presented : undefined;
  }
  return undefined;
}

function withoutAnchor(group: EnrollmentGroup, print: string): EnrollmentGroup {
  const { x509 } = group.attestation;
  if (!x509) return group;
  const anchors = x509.anchors.filter((pem) => decodeCertificates(pem).every((der) => fingerprint(der) !== print));
  return { ...group, attestation: { ...group.attestation, x509: { ...x509, anchors } } };
}

/** `own`: it is a root of ours. */
function findAnchor(
  { authority, policy }: RehearsalDeps,
  text: string,
): { readonly certificate: Certificate; readonly own?: Issuer } {
  const wanted = text.toLowerCase().replaceAll(':', '');
  const { root, next, previous } = authority;
  if (wanted === 'root') return { certificate: root.certificate, own: root };
  const theirs = new Map(policy.anchors.map(({ certificate }) => [fingerprint(certificate.der), { certificate }]));
  const ours = [root, next, previous].flatMap((own) => (own ? [{ certificate: own.certificate, own }] : []));
  const found = [...ours, ...theirs.values()].filter(
    ({ certificate: { der, subjectKeyId } }) =>
      wanted.length >= limits.operator.idPrefix &&
      (fingerprint(der).startsWith(wanted) || toHex(subjectKeyId ?? new Uint8Array()).startsWith(wanted)),
  );
  const [first] = found;
  if (found.length === 1 && first) return first;
  const evidence = { anchor: text.slice(0, limits.policy.text), found: found.length };
  const fix = 'name it by fingerprint or key id, 8 digits or more; `firstboot ca status` shows them';
  throw failure(first ? 'operator.ambiguous' : 'operator.not-found', evidence, fix);
}
