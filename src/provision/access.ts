import type { Evidence } from '../core/errors.ts';
import type { Uuid } from '../core/ids.ts';
import { matchesPattern } from '../core/pattern.ts';
import type { AccessList, Device, DeviceSelector, EnrollmentGroup } from '../store/model.ts';
import type { AccessSubject, Store } from '../store/store.ts';
import type { Attestation } from './attest.ts';

/** The entry of a list that names a device: where it is written, and what it says. */
interface Listed {
  /** In the group itself, or in its long list. */
  readonly in: 'group' | 'list';
  readonly device: DeviceSelector;
  readonly note: string | undefined;
}

/** What the lists of a group say of one device. */
export interface AccessFacts {
  readonly deny: Listed | undefined;
  readonly allow: Listed | undefined;
  /** Whether the group has an allow entry of any kind: then nobody else may come. */
  readonly allowsOnlyListed: boolean;
  readonly preauthorized: Listed | undefined;
}

/** A group without lists. */
export const nobodyListed: AccessFacts = {
  deny: undefined,
  allow: undefined,
  allowsOnlyListed: false,
  preauthorized: undefined,
};

/** What a device is looked for by in lists. */
export interface ListedSubject extends AccessSubject {
  /** Nothing but a pin vouches for its key: it says itself what its subject and its serial are. */
  readonly unverified?: boolean;
}

/** Whether a selector names the device. Subjects are compared with their case; `*` is any text. */
export function selectorMatches(selector: DeviceSelector, { keyId, serial, subject }: AccessSubject): boolean {
  switch (selector.by) {
    case 'key':
      return selector.value === keyId;
    case 'serial':
      return selector.value === serial;
    case 'subject':
      return matchesPattern(selector.value, subject);
  }
}

/** Whether a selector gives the device something: what nobody vouches for can keep it out, but gets it nothing. */
export const selectorGrants = (selector: DeviceSelector, subject: ListedSubject): boolean =>
  (selector.by === 'key' || subject.unverified !== true) && selectorMatches(selector, subject);

export const accessSubject = ({ keyId, manufacturer }: Pick<Device, 'keyId' | 'manufacturer'>): ListedSubject => ({
  keyId,
  serial: manufacturer.serial,
  subject: manufacturer.subject,
  unverified: manufacturer.unverified === true,
});

/** The same of one that has just attested. */
export const attestedSubject = (attestation: Attestation): ListedSubject => ({
  keyId: attestation.keyId,
  serial: attestation.mechanism === 'x509' ? attestation.serial : undefined,
  subject: attestation.subject,
  unverified: attestation.mechanism === 'x509' && attestation.onlyByPin,
});

/**
 * Reads what the lists of a group say of a device: a fixed number of look-ups, however long they are.
 * @param waiting whether it may still have to be approved: only then the preauthorized list counts.
 * @throws FirstbootError service.store
 */
export async function readAccess(
  store: Pick<Store, 'findAccess' | 'hasAccess'>,
  group: EnrollmentGroup,
  subject: ListedSubject,
  waiting: boolean,
): Promise<AccessFacts> {
  const asksPreauthorized = waiting && group.admission !== 'auto';
  const [deny, allow, allowsOnlyListed, preauthorized] = await Promise.all([
    findListed(store, group.id, 'deny', group.deny, subject),
    findListed(store, group.id, 'allow', group.allow, subject),
    group.allow.length > 0 || store.hasAccess(group.id, 'allow'),
    asksPreauthorized ? findListed(store, group.id, 'preauthorized', [], subject) : undefined,
  ]);
  return { deny, allow, allowsOnlyListed, preauthorized };
}

/** For the record: which entry it was. */
export const listedEvidence = ({ in: where, device, note }: Listed): Evidence => ({
  writtenIn: where === 'group' ? 'the group' : 'the list',
  by: device.by,
  value: device.value,
  ...(note !== undefined && { note }),
});

/** The group's own entries come first. Most groups have no long list, and a store knows that without looking. */
async function findListed(
  store: Pick<Store, 'findAccess' | 'hasAccess'>,
  groupId: Uuid,
  list: AccessList,
  own: readonly DeviceSelector[],
  subject: ListedSubject,
): Promise<Listed | undefined> {
  const counts = list === 'deny' ? selectorMatches : selectorGrants;
  const device = own.find((selector) => counts(selector, subject));
  if (device) return { in: 'group', device, note: undefined };
  const entry = (await store.hasAccess(groupId, list)) ? await store.findAccess(groupId, list, subject) : undefined;
  // A store looks by key first: an entry of another kind says that there is none by key.
  return entry && counts(entry.device, subject) ? { in: 'list', device: entry.device, note: entry.note } : undefined;
}
