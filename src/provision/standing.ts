import type { Millis } from '../core/clock.ts';
import { type Decision, decided, type Refusal, refused } from '../core/errors.ts';
import type { Uuid } from '../core/ids.ts';
import type { EnrollmentGroup } from '../store/model.ts';
import type { AccessFacts } from './access.ts';
import { admitAgain } from './admit.ts';
import type { Attestation } from './attest.ts';
import type { DeviceRecord } from './device-record.ts';
import { match } from './match.ts';
import type { Policy } from './policy.ts';

/** What has come of a session's peer so far. */
export type Standing =
  | { readonly state: 'unknown' }
  | { readonly state: 'refused'; readonly refusal: Refusal }
  | Admitted;

export interface Admitted {
  readonly state: 'admitted';
  readonly groupId: Uuid;
  readonly device: DeviceRecord;
  readonly attestation: Attestation;
  /** The policy it was last judged by. */
  readonly policy: Policy;
}

/**
 * Whether a peer may (still) be served. A session may outlive the policy that let it in, and the state its device was in: it
 * is matched again by a new policy, and its state and the lists are judged each time. Its chain is not checked again: a new
 * CRL counts from the next handshake on.
 * @param access what the lists of its group say now.
 */
export function judgeAgain(
  standing: Admitted,
  access: AccessFacts,
  policy: Policy,
  now: Millis,
): Decision<{ readonly group: EnrollmentGroup; readonly standing: Admitted }> {
  const { groupId, device, attestation } = standing;
  const group = policy.groups.get(groupId);
  if (group === undefined) {
    const { subject } = device.present.manufacturer;
    return refused(
      'match.no-group',
      { groupId, subject },
      'the enrollment group has been deleted: let another one take the device, or make it again',
    );
  }
  if (policy !== standing.policy) {
    const matched = match(attestation, policy, now, device.present);
    if (!matched.ok) return matched;
    if (matched.value.group.id !== groupId) {
      return refused('request.out-of-order', { groupId }, 'the device belongs to another group now; it starts anew');
    }
  }
  const admitted = admitAgain(group, device.present, access);
  return admitted.ok ? decided({ group, standing: { ...standing, policy } }) : admitted;
}
