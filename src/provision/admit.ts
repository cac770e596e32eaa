import { isoTime } from '../core/clock.ts';
import { type Decision, decided, type Evidence, type Refusal, refused, unreachable } from '../core/errors.ts';
import type { AccessList, Device, DeviceSelector, EnrollmentGroup } from '../store/model.ts';
import { type AccessFacts, accessSubject, type ListedSubject, listedEvidence } from './access.ts';
import { ownerOf } from './owner.ts';

/** How a device comes in: known, new, or from another group or owner (its group's anchors decide, so it may move). */
export interface Admission {
  readonly known: boolean;
  readonly moved: 'group' | 'owner' | undefined;
  /** What let it in just now; undefined for a device that this group has let in already. */
  readonly by: 'auto' | 'preauthorized' | undefined;
  /** For the record. */
  readonly facts: Evidence;
}

/** The refusal of a device that has to be approved: it `waits`, so that it gets a record to be approved by. */
export type AdmitDecision =
  | { readonly ok: true; readonly value: Admission }
  | { readonly ok: false; readonly refusal: Refusal; readonly waits: boolean };

/**
 * Stage admit: may the device of this group in now? Asked in this order: is the group enabled, is the device held, is it on
 * the deny list, is it on the allow list if there is one, has it been approved. An active device is not asked the last again,
 * unless it comes from another group: that one's leave is none to enter here.
 * @param device its record, if there is one.
 */
export function admit(
  group: EnrollmentGroup,
  device: Device | undefined,
  access: AccessFacts,
  subject: Named,
): AdmitDecision {
  const barred = judgeGroup(group) ?? judgeState(device) ?? judgeLists(group, access, subject);
  if (barred) return { ok: false, refusal: barred, waits: false };
  const moved = device && movement(device, group);
  const come = (by: Admission['by'], facts: Evidence = {}): AdmitDecision => {
    const known = device !== undefined;
    return {
      ok: true,
      value: { known, moved, by, facts: { known, ...(moved && { moved }), ...(by && { admission: by }), ...facts } },
    };
  };
  if (!asksAdmission(group, device)) return come(undefined);
  if (group.admission === 'auto') return come('auto');
  if (access.preauthorized) return come('preauthorized', listedEvidence(access.preauthorized));
  const { keyId } = subject;
  if (group.admission === 'preauthorized') {
    return {
      ...refused(
        'admit.not-preauthorized',
        { ...evidenceOf(group, subject), admission: group.admission },
        `if it is yours: ${accessCommand('add', group, 'preauthorized', { by: 'key', value: keyId })}`,
      ),
      waits: false,
    };
  }
  return { ...pending(group, device, subject), waits: true };
}

/** Whether a device still has to be let in by this group: it is new, it waits, or another group has let it in. */
export const asksAdmission = (group: EnrollmentGroup, device: Device | undefined): boolean =>
  device?.state !== 'active' || device.groupId !== group.id;

/** The same for a device in the middle of a session: what was asked of it then is not asked again, but it may be held now. */
export function admitAgain(group: EnrollmentGroup, device: Device, access: AccessFacts): Decision<undefined> {
  const subject = accessSubject(device);
  const barred = judgeGroup(group) ?? judgeState(device) ?? judgeLists(group, access, subject);
  if (barred) return { ok: false, refusal: barred };
  return device.state === 'pending' ? pending(group, device, subject) : decided(undefined);
}

function judgeGroup(group: EnrollmentGroup): Refusal | undefined {
  if (group.enabled) return undefined;
  return {
    code: 'admit.group-disabled',
    evidence: { group: group.name, groupId: group.id },
    fix: `enable the enrollment group to let its devices in: firstboot group enable ${shellWord(group.name)}`,
  };
}

/** A device that waits is not held: whether it may come in is what the lists and the admission say. */
function judgeState(device: Device | undefined): Refusal | undefined {
  if (device === undefined) return undefined;
  const { keyId, state, stateSince, stateReason, alarms, successor } = device;
  const evidence: Evidence = {
    keyId,
    since: isoTime(stateSince),
    ...(stateReason !== undefined && { reason: stateReason }),
  };
  switch (state) {
    case 'active':
    case 'pending':
      return undefined;
    case 'quarantined': {
      const alarm = alarms.at(-1);
      return {
        code: 'admit.quarantined',
        evidence: alarm ? { ...evidence, alarm: alarm.kind, alarmedAt: isoTime(alarm.at) } : evidence,
        fix: `find out why it is held (firstboot device show ${keyId}), then: firstboot device release ${keyId}`,
      };
    }
    case 'disabled':
      return { code: 'admit.disabled', evidence, fix: `to let it in again: firstboot device enable ${keyId}` };
    case 'decommissioned':
      return {
        code: 'admit.decommissioned',
        evidence: successor === undefined ? evidence : { ...evidence, successor },
        fix:
          successor === undefined
            ? `if it shall live again: firstboot device approve ${keyId}`
            : `another manufacturer key has taken its place: firstboot device show ${successor}`,
      };
    default:
      return unreachable(state);
  }
}

function judgeLists(
  group: EnrollmentGroup,
  { deny, allow, allowsOnlyListed }: AccessFacts,
  subject: Named,
): Refusal | undefined {
  const evidence = evidenceOf(group, subject);
  if (deny) {
    const { by, value } = deny.device;
    const fix =
      deny.in === 'list'
        ? `if it may come: ${accessCommand('remove', group, 'deny', deny.device)}`
        : `if it may come, take ${by} ${value} off the deny list of the enrollment group`;
    return { code: 'admit.denied', evidence: { ...evidence, list: 'deny', ...listedEvidence(deny) }, fix };
  }
  if (!allowsOnlyListed || allow) return undefined;
  return {
    code: 'admit.not-allowed',
    evidence: { ...evidence, list: 'allow' },
    fix: `if it is yours: ${accessCommand('add', group, 'allow', { by: 'key', value: subject.keyId })}`,
  };
}

function pending(
  group: EnrollmentGroup,
  device: Device | undefined,
  subject: Named,
): { readonly ok: false; readonly refusal: Refusal } {
  const evidence: Evidence = {
    ...evidenceOf(group, subject),
    admission: group.admission,
    ...(device && { since: isoTime(device.stateSince), firstSeen: isoTime(device.createdAt) }),
  };
  return refused('admit.pending', evidence, `if it is yours: firstboot device approve ${subject.keyId}`);
}

function movement(device: Device, group: EnrollmentGroup): 'group' | 'owner' | undefined {
  if (device.groupId !== group.id)
    return device.ownerId === (device.assignedOwner ?? group.owner).id ? 'group' : 'owner';
  return ownerOf(device, group).id === device.ownerId ? undefined : 'owner';
}

type Named = Pick<ListedSubject, 'keyId' | 'subject' | 'unverified'>;

const evidenceOf = (group: EnrollmentGroup, { keyId, subject, unverified }: Named): Evidence => ({
  group: group.name,
  groupId: group.id,
  keyId,
  subject,
  ...(unverified === true && { subjectIs: 'unverified: only a pin vouches for the key' }),
});

const accessCommand = (
  verb: 'add' | 'remove',
  group: EnrollmentGroup,
  list: AccessList,
  { by, value }: DeviceSelector,
): string => `firstboot group access ${verb} ${shellWord(group.name)} --list ${list} --${by} ${shellWord(value)}`;

/** As a shell takes it for one word. */
const shellWord = (text: string): string => (/^[\w.:/-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
