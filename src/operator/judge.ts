import type { Millis } from '../core/clock.ts';
import { FirstbootError, type Refusal } from '../core/errors.ts';
import type { Uuid } from '../core/ids.ts';
import { silentLog } from '../core/log.ts';
import { explainPath } from '../pki/explain-path.ts';
import type { PeerChain } from '../pki/path.ts';
import { type Attestation, attest, isPinned } from '../provision/attest.ts';
import { withNearestGroup } from '../provision/handshake.ts';
import { type Match, match } from '../provision/match.ts';
import { compilePolicy, type Policy } from '../provision/policy.ts';
import type { Trust } from '../secure/association.ts';
import { verifyPath } from '../secure/engine.ts';
import type { Device, EnrollmentGroup, Stage } from '../store/model.ts';

/** What the door (handshake, attest and match) makes of a peer. */
export type DoorJudgement =
  | { readonly ok: true; readonly attestation: Attestation; readonly match: Match }
  | {
      readonly ok: false;
      readonly stage: Extract<Stage, 'attest' | 'match'>;
      readonly refusal: Refusal;
      readonly keyId: Uuid | undefined;
    };

export type Purpose = Trust['purpose'];

/**
 * The path check that the handshake makes, with everything it finds; a leaf that is no certificate has a finding, too.
 * @param presented DER, leaf first.
 */
export function checkPath(
  presented: readonly Uint8Array[],
  policy: Policy,
  at: Millis,
  purpose: Purpose = 'client',
): PeerChain {
  const [leaf = new Uint8Array(), ...untrusted] = presented;
  try {
    return verifyPath({ leaf, untrusted, trust: trustOf(policy, purpose), at });
  } catch (error) {
    if (!(error instanceof FirstbootError) || error.code !== 'der.malformed') throw error;
    const finding = { depth: 0, code: 'UNSPECIFIED', text: 'no certificate', certificate: leaf };
    return { presented: [leaf, ...untrusted], path: [], errors: [finding] };
  }
}

/**
 * Judges a checked chain as the handshake and the stages after it do.
 * @param device its record: a known device may stay with its group.
 */
export function judgeChain(chain: PeerChain, policy: Policy, at: Millis, device?: Device): DoorJudgement {
  const { tolerate, pinned } = policy.trust;
  const passes = isPinned(chain, policy) ? [...tolerate, ...pinned.tolerate] : tolerate;
  if (chain.errors.some(({ code }) => !passes.includes(code))) {
    const path = explainPath(chain, at, policy.known);
    if (!path.ok) return atAttest(withNearestGroup(path.refusal, chain, policy));
  }
  return judge({ chain }, policy, at, device);
}

/** The same for a peer that has proved a pre-shared key: here it is the identity alone that is judged. */
export const judgePsk = (identity: Uint8Array, policy: Policy, at: Millis, device?: Device): DoorJudgement =>
  judge({ pskIdentity: identity }, policy, at, device);

function judge(
  { chain, pskIdentity }: { readonly chain?: PeerChain; readonly pskIdentity?: Uint8Array },
  policy: Policy,
  at: Millis,
  device: Device | undefined,
): DoorJudgement {
  const peer = { version: '', cipherSuite: '', chain, pskIdentity, handshakeTime: 0 };
  const attested = attest(peer, policy, at);
  if (!attested.ok) return atAttest(chain ? withNearestGroup(attested.refusal, chain, policy) : attested.refusal);
  const matched = match(attested.value, policy, at, device);
  if (matched.ok) return { ok: true, attestation: attested.value, match: matched.value };
  return { ok: false, stage: 'match', refusal: matched.refusal, keyId: attested.value.keyId };
}

/** The same policy with other groups. Fetched revocation lists are not in a group: all of them stay. */
export function withGroups(policy: Policy, groups: readonly EnrollmentGroup[]): Policy {
  const other = compilePolicy(groups, [...policy.hubs.values()], silentLog);
  return { ...other, trust: { ...other.trust, crls: policy.trust.crls } };
}

const atAttest = (refusal: Refusal): DoorJudgement => ({ ok: false, stage: 'attest', refusal, keyId: undefined });

/** The engine prepares what is trusted once for each object that says it. */
function trustOf(policy: Policy, purpose: Purpose): Trust {
  const known = trusts.get(policy)?.get(purpose);
  if (known) return known;
  const trust: Trust = { ...policy.trust, purpose };
  trusts.set(policy, (trusts.get(policy) ?? new Map<Purpose, Trust>()).set(purpose, trust));
  return trust;
}

const trusts = new WeakMap<Policy, Map<Purpose, Trust>>();
