import { decodeCertificates } from '../codec/pem.ts';
import { equalBytes, toHex } from '../core/bytes.ts';
import type { Millis } from '../core/clock.ts';
import { type Evidence, FirstbootError, type Refusal } from '../core/errors.ts';
import type { Uuid } from '../core/ids.ts';
import { type Certificate, fingerprint, tryParseCertificate } from '../pki/certificate.ts';
import type { PathError, PeerChain } from '../pki/path.ts';
import { spanText } from '../pki/path-evidence.ts';
import { describeKind, manufacturerKeyId } from '../pki/public-key.ts';
import { type AccessFacts, attestedSubject, nobodyListed, readAccess } from '../provision/access.ts';
import { admit, asksAdmission } from '../provision/admit.ts';
import type { Policy } from '../provision/policy.ts';
import type { Attempt, Device, EnrollmentGroup, Stage } from '../store/model.ts';
import type { Store } from '../store/store.ts';
import { checkPath, type DoorJudgement, judgeChain, type Purpose, withGroups } from './judge.ts';

/** What comes of a chain and why: one answer for the command line, the API and the dashboard. Plain data. */
export interface Explanation {
  readonly verdict: 'accepted' | 'refused';
  /** The time that it was judged for. */
  readonly at: Millis;
  /** The stage that refused it, or the last one that was asked. */
  readonly stage: Stage;
  readonly refusal: Refusal | undefined;
  readonly group: { readonly id: Uuid; readonly name: string } | undefined;
  /** What the group knows it by. */
  readonly by: Evidence | undefined;
  readonly keyId: Uuid | undefined;
  /** The path as far as it could be built, the device's certificate first. Empty for what is only on record. */
  readonly path: readonly ExplainedCertificate[];
  /** The chain as it came. */
  readonly presented: readonly ExplainedCertificate[];
  /** The chain as it would have to be, one certificate a line, where it is not that. */
  readonly needed: readonly string[];
}

export interface ExplainedCertificate {
  /** Undefined: it cannot be read. */
  readonly subject: string | undefined;
  readonly issuer: string | undefined;
  readonly serial: string | undefined;
  readonly notBefore: Millis | undefined;
  readonly notAfter: Millis | undefined;
  /** In words: `valid for another 12 days`, `expired 3 hours ago`. */
  readonly dates: string;
  readonly key: string | undefined;
  /** Hex. */
  readonly subjectKeyId: string | undefined;
  readonly authorityKeyId: string | undefined;
  /** SHA-256 of the DER, hex. */
  readonly fingerprint: string;
  /** Whether the device sent it. */
  readonly presented: boolean;
  /** Whether it is a registered trust anchor. */
  readonly anchor: boolean;
  /** What the path check found on it (X509_V_ERR_* without the prefix). */
  readonly findings: readonly string[];
}

export interface ExplainOptions {
  /** Judge as if there were this group only. */
  readonly group?: Uuid | undefined;
  readonly purpose?: Purpose;
  /** Who it is and what the lists say of it; without it nobody is asked but the group: is it enabled. */
  readonly standing?: { readonly device: Device | undefined; readonly access: AccessFacts };
}

/**
 * Judges a chain as the service would: the handshake's path check, then the stages attest, match and admit.
 * @param presented DER, the device's certificate first.
 */
export function explainChain(
  presented: readonly Uint8Array[],
  policy: Policy,
  at: Millis,
  options: ExplainOptions = {},
): Explanation {
  const judged = options.group === undefined ? policy : only(policy, options.group);
  const chain = checkPath(presented, judged, at, options.purpose);
  const door = judgeChain(chain, judged, at, options.standing?.device);
  const views = { path: viewPath(chain, judged, at), presented: viewPresented(chain, judged, at) };
  if (!door.ok) {
    const { stage, refusal } = door;
    const keyId = door.keyId ?? keyIdOf(presented[0]);
    const needed = neededChain(chain, refusal, judged);
    return { verdict: 'refused', at, stage, refusal, group: undefined, by: undefined, keyId, ...views, needed };
  }
  const { group, by } = door.match;
  const refusal = admission(door, options.standing);
  return {
    verdict: refusal ? 'refused' : 'accepted',
    at,
    stage: 'admit',
    refusal,
    group: { id: group.id, name: group.name },
    by,
    keyId: door.attestation.keyId,
    ...views,
    needed: [],
  };
}

/** The same with what a store knows of the device and says in its lists. @throws FirstbootError service.store */
export async function explainChainIn(
  store: Pick<Store, 'device' | 'findAccess' | 'hasAccess'>,
  presented: readonly Uint8Array[],
  policy: Policy,
  at: Millis,
  options: Omit<ExplainOptions, 'standing'> = {},
): Promise<Explanation> {
  const judged = options.group === undefined ? policy : only(policy, options.group);
  const door = judgeChain(checkPath(presented, judged, at, options.purpose), judged, at);
  if (!door.ok) return explainChain(presented, policy, at, options);
  const { group } = door.match;
  const device = await store.device(door.attestation.keyId);
  const access = await readAccess(store, group, attestedSubject(door.attestation), asksAdmission(group, device));
  return explainChain(presented, policy, at, { ...options, standing: { device, access } });
}

/** What was decided on an attempt, from its record alone. */
export function explainAttempt(attempt: Attempt): Explanation {
  const { entries } = attempt;
  const at = entries[0]?.at ?? 0;
  const closed = entries.findLast((entry) => entry.type === 'closed');
  const refused = entries.findLast((entry) => entry.type === 'stage' && entry.result === 'refused');
  const stages = entries.filter((entry) => entry.type === 'stage');
  const refusal = closed ? closed.refusal : refused?.type === 'stage' ? refused.refusal : undefined;
  const matched = stages.findLast(({ stage, result }) => stage === 'match' && result === 'ok')?.facts;
  const { group: name, groupId: id, ...by } = matched ?? {};
  const keyId = stages.findLast(({ stage, result }) => stage === 'attest' && result === 'ok')?.facts.keyId;
  const presented = presentedIn(attempt);
  return {
    verdict: refusal ? 'refused' : 'accepted',
    at,
    stage: stages.findLast(({ result }) => result === (refusal ? 'refused' : 'ok'))?.stage ?? 'attest',
    refusal,
    group: typeof name === 'string' && typeof id === 'string' ? { id, name } : undefined,
    by: matched && by,
    keyId: typeof keyId === 'string' ? keyId : keyIdOf(presented[0]),
    path: [],
    presented: presented.map((der) => view(der, at, { presented: true, anchor: false, findings: [] })),
    needed: [],
  };
}

/** The chain that the peer of an attempt has shown last, DER; empty when there was none, or it cannot be read any more. */
export function presentedIn({ entries }: Attempt): readonly Uint8Array[] {
  const entry = entries.findLast((one) => one.type === 'chain');
  if (entry?.type !== 'chain') return [];
  return entry.certificates.flatMap((pem) => {
    try {
      return decodeCertificates(pem);
    } catch (error) {
      if (error instanceof FirstbootError) return [];
      throw error;
    }
  });
}

function admission(
  door: Extract<DoorJudgement, { ok: true }>,
  standing: ExplainOptions['standing'],
): Refusal | undefined {
  const { group } = door.match;
  const asked = standing ?? { device: undefined, access: nobodyListed };
  const rules: EnrollmentGroup = standing ? group : { ...group, admission: 'auto' };
  const admitted = admit(rules, asked.device, asked.access, attestedSubject(door.attestation));
  return admitted.ok ? undefined : admitted.refusal;
}

function only(policy: Policy, groupId: Uuid): Policy {
  const group = policy.groups.get(groupId);
  return withGroups(policy, group ? [group] : []);
}

function viewPath({ path, presented, errors }: PeerChain, policy: Policy, at: Millis): ExplainedCertificate[] {
  return path.map((der) =>
    view(der, at, {
      presented: has(presented, der),
      anchor: has(policy.trust.anchors, der),
      findings: findingsOn(der, errors),
    }),
  );
}

function viewPresented({ presented, errors }: PeerChain, policy: Policy, at: Millis): ExplainedCertificate[] {
  return presented.map((der) =>
    view(der, at, { presented: true, anchor: has(policy.trust.anchors, der), findings: findingsOn(der, errors) }),
  );
}

function view(
  der: Uint8Array,
  at: Millis,
  place: Pick<ExplainedCertificate, 'presented' | 'anchor' | 'findings'>,
): ExplainedCertificate {
  const certificate = tryParseCertificate(der);
  const id = (octets: Uint8Array | undefined): string | undefined => octets && toHex(octets);
  return {
    subject: certificate?.subject.text,
    issuer: certificate?.issuer.text,
    serial: certificate?.serial,
    notBefore: certificate?.notBefore,
    notAfter: certificate?.notAfter,
    dates: certificate ? datesText(certificate, at) : 'cannot be read',
    key: certificate && describeKind(certificate.publicKey),
    subjectKeyId: id(certificate?.subjectKeyId),
    authorityKeyId: id(certificate?.authorityKeyId),
    fingerprint: fingerprint(der),
    ...place,
  };
}

function datesText({ notBefore, notAfter }: Certificate, at: Millis): string {
  if (at < notBefore) return `valid in ${spanText(notBefore - at)}`;
  return at > notAfter ? `expired ${spanText(at - notAfter)} ago` : `valid for another ${spanText(notAfter - at)}`;
}

/** What the device has, then what is missing between that and an authority of the nearest group. */
function neededChain({ path, presented }: PeerChain, refusal: Refusal, policy: Policy): string[] {
  const { issuer, authorityKeyId, nearestGroup } = refusal.evidence;
  const stops = ['attest.unknown-issuer', 'attest.issuer-key', 'attest.incomplete-chain', 'attest.self-signed'];
  if (!stops.includes(refusal.code)) return [];
  const built = (path.length > 0 ? path : presented.slice(0, 1))
    .map((der) => tryParseCertificate(der)?.subject.text)
    .filter((subject) => subject !== undefined);
  const missing = refusal.code === 'attest.self-signed' ? 'a certificate of a registered authority' : issuer;
  const key = authorityKeyId === undefined ? '' : `, key id ${authorityKeyId}`;
  const group = [...policy.groups.values()].find(({ name }) => name === nearestGroup);
  const anchors = policy.anchors.filter(({ groupId }) => groupId === group?.id);
  const end = anchors.map(({ certificate }) => certificate.subject.text).join(' or ');
  return [...built, `missing: ${missing}${key}`, ...(end === '' ? [] : [`registered with ${nearestGroup}: ${end}`])];
}

const findingsOn = (der: Uint8Array, errors: readonly PathError[]): string[] =>
  errors.filter(({ certificate }) => equalBytes(certificate, der)).map(({ code }) => code);

const has = (list: readonly Uint8Array[], der: Uint8Array): boolean => list.some((other) => equalBytes(other, der));

function keyIdOf(leaf: Uint8Array | undefined): Uuid | undefined {
  const certificate = leaf && tryParseCertificate(leaf);
  return certificate && manufacturerKeyId(certificate.spki);
}
