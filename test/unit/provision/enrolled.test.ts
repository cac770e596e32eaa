import { describe, expect, test } from 'vitest';
import type { Attestation } from '../../../src/provision/attest.ts';
import { enrolled, seen } from '../../../src/provision/devices.ts';
import type { EnrollmentGroup } from '../../../src/store/model.ts';
import { someDevice, someGroup, someUuid } from '../../support/store-records.ts';

const now = Date.UTC(2026, 5, 1);
const group = (changes: Partial<EnrollmentGroup> = {}) => someGroup(1, { name: 'lamps', ...changes });
const attestation: Attestation = {
  mechanism: 'psk',
  keyId: someUuid(1),
  subject: 'lamp-1',
  identity: 'lamp-1',
  groupId: group().id,
  sharedKey: false,
};
const entry = (changes: Partial<Parameters<typeof enrolled>[1]> = {}) => ({
  attestation,
  group: group(),
  by: undefined,
  peer: '192.0.2.1:4711',
  ...changes,
});
const newOwner = { id: someUuid(50), name: 'anna' };

describe('the record of a device that has come to its group', () => {
  test('begins with how it came in, and for whom', () => {
    expect(enrolled(undefined, entry({ by: 'auto' }), now)).toMatchObject({
      keyId: attestation.keyId,
      state: 'active',
      ownerId: group().owner.id,
      lastPeer: '192.0.2.1:4711',
      lastSeenAt: now,
      createdAt: now,
      lineage: [
        { at: now, event: 'enrolled', facts: { group: 'lamps', owner: 'somebody', state: 'active', by: 'auto' } },
      ],
    });
    expect(enrolled(undefined, entry(), now)).toMatchObject({ state: 'pending', stateSince: now });
  });

  test('becomes active when it waits and comes in, and no other state is touched', () => {
    const pending = enrolled(undefined, entry(), now);
    const active = enrolled(pending, entry({ by: 'preauthorized' }), now + 5);
    expect(active).toMatchObject({ state: 'active', stateSince: now + 5, createdAt: now });
    expect(active.lineage.at(-1)).toEqual({
      at: now + 5,
      event: 'state',
      facts: { from: 'pending', state: 'active', by: 'preauthorized' },
    });
    for (const state of ['quarantined', 'disabled', 'decommissioned'] as const)
      expect(enrolled({ ...pending, state }, entry({ by: 'auto' }), now + 5).state).toBe(state);
  });

  test.each([
    ['migrate', newOwner.id],
    ['keep', group().owner.id],
    ['never', group().owner.id],
  ] as const)('of a group that says %s and has another owner now', (reprovisioning, expected) => {
    const known = enrolled(undefined, entry({ by: 'auto' }), now);
    const again = enrolled(known, entry({ group: group({ reprovisioning, owner: newOwner }) }), now + 5);
    expect(again.ownerId).toBe(expected);
    expect(again.lineage.filter(({ event }) => event === 'owner')).toHaveLength(expected === newOwner.id ? 1 : 0);
  });

  test('goes to the owner of another group, whatever that group keeps', () => {
    const other = someGroup(20, { reprovisioning: 'keep', owner: newOwner });
    const moved = enrolled(
      someDevice(1, { groupId: group().id, ownerId: group().owner.id }),
      entry({ group: other, by: 'auto' }),
      now,
    );
    expect(moved).toMatchObject({ groupId: other.id, ownerId: newOwner.id });
    expect(moved.lineage.map(({ event }) => event)).toEqual(['group', 'owner']);
  });

  test('waits again in another group that has not let it in, and stays in when that has done so meanwhile', () => {
    const known = someDevice(1, { groupId: group().id, ownerId: group().owner.id });
    const other = entry({ group: someGroup(20, { admission: 'manual' }) });
    const waits = enrolled(known, other, now);
    expect(waits).toMatchObject({ groupId: other.group.id, state: 'pending', stateSince: now });
    expect(waits.lineage.at(-1)).toMatchObject({ event: 'state', facts: { from: 'active', state: 'pending' } });
    expect(enrolled({ ...waits, state: 'active' }, other, now).state).toBe('active');
  });

  test('keeps nothing of the time when it waited', () => {
    const pending = enrolled(undefined, entry(), now);
    const keeping = group({ reprovisioning: 'keep', owner: newOwner });
    expect(enrolled(pending, entry({ group: keeping, by: 'auto' }), now).ownerId).toBe(newOwner.id);
  });

  test('shows an owner by transfer only when that has been provisioned', () => {
    const known = someDevice(1, { groupId: group().id, ownerId: group().owner.id, assignedOwner: newOwner });
    expect(enrolled(known, entry(), now).ownerId).toBe(group().owner.id);
  });
});

describe('a record that was deleted', () => {
  const device = someDevice(1, { recordDeletedAt: now, createdAt: now - 5, lastSeenAt: now - 1 });

  test('begins anew when the device is seen after that', () => {
    const again = seen(device, '192.0.2.1:4711', now + 1);
    expect(again).toMatchObject({ recordSince: now + 1, createdAt: now - 5, lastSeenAt: now + 1 });
    expect(again).not.toHaveProperty('recordDeletedAt');
    expect(seen(again, '192.0.2.1:4711', now + 9).recordSince).toBe(now + 1);
  });

  test('stays deleted by what is written later and was before', () => {
    expect(seen(device, '192.0.2.1:4711', now)).toMatchObject({ recordDeletedAt: now, lastSeenAt: now });
    expect(seen(device, '192.0.2.1:4711', now)).not.toHaveProperty('recordSince');
  });

  test('begins anew with a device that waits', () => {
    const waiting = enrolled({ ...device, state: 'pending' }, entry(), now + 1);
    expect(waiting).toMatchObject({ state: 'pending', recordSince: now + 1 });
  });
});
