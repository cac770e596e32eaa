import { describe, expect, test } from 'vitest';
import { FirstbootError } from '../../../src/core/errors.ts';
import { limits } from '../../../src/core/limits.ts';
import { statusFlags } from '../../../src/core/status.ts';
import {
  alarmsCleared,
  approved,
  decommissioned,
  disabled,
  enabled,
  type LifeTurn,
  quarantined,
  rejected,
  rekeyed,
  released,
  resetAllowed,
  revokedFrom,
  transferred,
} from '../../../src/provision/lifecycle.ts';
import {
  alarmed,
  hasLeft,
  ownerTold,
  provisionedOnce,
  remembering,
  wasProvisioned,
} from '../../../src/provision/lineage.ts';
import { awaitsOwner, ownerOf } from '../../../src/provision/owner.ts';
import { afterStep, provisionedFlags } from '../../../src/provision/status.ts';
import type { Credential, Device, DeviceState } from '../../../src/store/model.ts';
import { someCredential, someDevice, someGroup, someUuid } from '../../support/store-records.ts';

const now = Date.UTC(2026, 0, 10);
const states: readonly DeviceState[] = ['pending', 'active', 'quarantined', 'disabled', 'decommissioned'];
const device = (state: DeviceState, changes: Partial<Device> = {}): Device =>
  someDevice(1, {
    state,
    deviceId: someUuid(2),
    generation: 2,
    flags: provisionedFlags,
    confirmedAt: now - 1000,
    ...changes,
  });
const live = someCredential('01', { generation: 2 });
const earlier = someCredential('02', { generation: 1 });
const over = someCredential('03', { notAfter: now - 1 });
const held = someCredential('04', { revoked: { at: now - 5, reason: 'certificateHold' } });
const gone = someCredential('05', { revoked: { at: now - 5, reason: 'superseded' } });
const all: readonly Credential[] = [live, earlier, over, held, gone];

const codeOf = (turn: () => unknown): string => {
  try {
    turn();
    return 'done';
  } catch (error) {
    return error instanceof FirstbootError ? error.code : String(error);
  }
};

describe('a turn in the life of a device', () => {
  const turns: readonly [string, LifeTurn, Partial<Record<DeviceState, DeviceState>>][] = [
    ['approved', approved, { pending: 'active', decommissioned: 'active' }],
    ['rejected', rejected, { pending: 'disabled' }],
    ['quarantined', quarantined, { pending: 'quarantined', active: 'quarantined' }],
    ['released', released, { quarantined: 'active' }],
    ['disabled', disabled, { pending: 'disabled', active: 'disabled', quarantined: 'disabled' }],
    ['enabled', enabled, { disabled: 'active' }],
    [
      'decommissioned',
      decommissioned,
      {
        pending: 'decommissioned',
        active: 'decommissioned',
        quarantined: 'decommissioned',
        disabled: 'decommissioned',
      },
    ],
  ];

  test.each(turns)('%s: leads where it says, keeps the reason, and makes no sense from elsewhere', (_, turn, to) => {
    for (const from of states) {
      const expected = to[from];
      if (expected === undefined) {
        expect(
          codeOf(() => turn(device(from), all, 'why', now)),
          from,
        ).toBe('operator.conflict');
        continue;
      }
      const { device: after } = turn(device(from), all, 'why', now);
      expect(after, from).toMatchObject({
        state: expected,
        stateSince: now,
        stateReason: 'why',
        deviceId: someUuid(2),
      });
      expect(after.lineage.at(-1)).toEqual({
        at: now,
        event: 'state',
        facts: { from, state: expected, reason: 'why' },
      });
    }
  });

  test.each([
    ['quarantined', quarantined],
    ['disabled', disabled],
  ])('%s: what is alive goes on hold, and what has run out or is revoked stays as it is', (_, turn) => {
    const { credentials } = turn(device('active'), all, undefined, now);
    expect(credentials.map(({ serial }) => serial)).toEqual(['01', '02']);
    expect(credentials[0]?.revoked).toEqual({ at: now, reason: 'certificateHold' });
  });

  test('released and enabled take holds back, and nothing else', () => {
    for (const [turn, state] of [
      [released, 'quarantined'],
      [enabled, 'disabled'],
    ] as const) {
      const { credentials } = turn(device(state), all, undefined, now);
      expect(credentials.map(({ serial, revoked }) => [serial, revoked])).toEqual([['04', undefined]]);
    }
  });

  test('a device that waited when it was held waits again', () => {
    const turnedAway = rejected(device('pending'), [], undefined, now).device;
    expect(enabled(turnedAway, [], undefined, now + 1).device.state).toBe('pending');
    const looked = quarantined(device('pending'), [], undefined, now).device;
    expect(released(looked, [], undefined, now + 1).device.state).toBe('pending');
    expect(enabled(disabled(device('active'), [], undefined, now).device, [], undefined, now).device.state).toBe(
      'active',
    );
  });

  test('a device that was held twice goes back to where it was before the first time', () => {
    for (const state of ['pending', 'active'] as const) {
      const looked = quarantined(device(state), [], undefined, now).device;
      const twice = disabled(looked, [], undefined, now + 1).device;
      expect(enabled(twice, [], undefined, now + 2).device.state).toBe(state);
    }
  });

  test('decommissioned: everything alive or on hold is revoked for good, and the device has nothing any more', () => {
    const { device: ended, credentials } = decommissioned(device('active'), all, undefined, now);
    expect(credentials.map(({ serial, revoked }) => `${serial} ${revoked?.reason}`)).toEqual([
      '01 cessationOfOperation',
      '02 cessationOfOperation',
      '04 cessationOfOperation',
    ]);
    expect(ended).toMatchObject({ flags: statusFlags.initialized, confirmedAt: undefined });
  });

  test('approved after its life was over: it may take a new device id whatever the policy says, its old credentials stay revoked', () => {
    const ended = decommissioned(device('active'), all, undefined, now).device;
    const again = approved(ended, all, undefined, now + 1);
    expect(again).toMatchObject({ device: { state: 'active', resetAllowed: true }, credentials: [] });
    const replaced = { ...ended, successor: someUuid(9) };
    expect(codeOf(() => approved(replaced, all, undefined, now))).toBe('operator.conflict');
  });

  test('a reset can be allowed once at a time, and alarms be cleared when there are any', () => {
    const allowed = resetAllowed(device('active'), [], undefined, now).device;
    expect(allowed.resetAllowed).toBe(true);
    expect(codeOf(() => resetAllowed(allowed, [], undefined, now))).toBe('operator.conflict');
    expect(codeOf(() => resetAllowed(device('decommissioned'), [], undefined, now))).toBe('operator.conflict');
    const ringing = alarmed(device('active'), { at: now, kind: 'two-places', evidence: {} });
    expect(alarmsCleared(ringing, [], undefined, now).device.alarms).toEqual([]);
    expect(codeOf(() => alarmsCleared(device('active'), [], undefined, now))).toBe('operator.conflict');
  });
});

describe('revocation', () => {
  test('a hold is given way to a final reason, a final reason to none', () => {
    const serials = (reason: 'certificateHold' | 'superseded') =>
      revokedFrom(all, reason, now).map(({ serial }) => serial);
    expect(serials('certificateHold')).toEqual(['01', '02']);
    expect(serials('superseded')).toEqual(['01', '02', '04']);
  });
});

describe('transfer', () => {
  const group = someGroup(3);
  const buyer = { id: someUuid(50), name: 'buyer' };
  const sold = transferred(device('active', { ownerId: group.owner.id }), buyer, 'sold', now).device;

  test('the device is the new owner’s, has to be provisioned again, and may be reset for that', () => {
    expect(sold).toMatchObject({ assignedOwner: buyer, ownerId: group.owner.id, resetAllowed: true });
    expect(sold).toMatchObject({ flags: statusFlags.initialized, confirmedAt: undefined });
    expect(ownerOf(sold, group)).toEqual(buyer);
    expect(awaitsOwner(sold)).toBe(true);
    expect(sold.lineage.at(-1)).toMatchObject({ event: 'owner', facts: { owner: 'buyer', reason: 'sold' } });
  });

  const run = (device: Device): Device =>
    (['time', 'ownership', 'cloud', 'credentials', 'acls'] as const).reduce(
      (record, step) => afterStep(record, step, now + 1),
      device,
    );

  test('in the middle of a run it waits for the next: the device was told of the earlier owner', () => {
    const late = run(ownerTold(sold, group.owner.id, now));
    expect(late).toMatchObject({ ownerId: group.owner.id, resetAllowed: true });
    expect(awaitsOwner(late)).toBe(true);
  });

  test('that the lineage has forgotten does not wait for ever', () => {
    expect(awaitsOwner(run({ ...sold, lineage: [] }))).toBe(false);
  });

  test('it has arrived when everything was served, not with a renewal', () => {
    expect(awaitsOwner(afterStep(sold, 'credentials', now))).toBe(true);
    const served = run(ownerTold(sold, buyer.id, now));
    expect(served).toMatchObject({ ownerId: buyer.id, resetAllowed: false });
    expect(awaitsOwner(served)).toBe(false);
    expect(wasProvisioned(served)).toBe(true);
  });

  test('to whom it belongs already is refused', () => {
    expect(codeOf(() => transferred(sold, buyer, undefined, now))).toBe('operator.conflict');
    const own = device('active', { ownerId: buyer.id });
    expect(codeOf(() => transferred(own, buyer, undefined, now))).toBe('operator.conflict');
    expect(codeOf(() => transferred(device('decommissioned'), buyer, undefined, now))).toBe('operator.conflict');
  });

  test('a group that keeps what it gave keeps the owner whom the device was given to, by name', () => {
    const kept = { ...group, reprovisioning: 'keep' as const };
    const facts = { owner: 'first owner', ownerId: someUuid(70) };
    const old = remembering(device('active', { ownerId: someUuid(70) }), 'enrolled', facts, now);
    expect(ownerOf(old, kept)).toEqual({ id: someUuid(70), name: 'first owner' });
    expect(ownerOf(old, group)).toEqual(group.owner);
    expect(ownerOf({ ...old, lineage: [] }, kept)).toEqual({ id: someUuid(70), name: someUuid(70) });
  });
});

describe('another manufacturer key', () => {
  const old = device('active', { assignedOwner: { id: someUuid(50), name: 'buyer' }, hubId: someUuid(60) });
  const credentials = [live, { ...earlier, deviceId: someUuid(7) }];

  test('that has not come yet goes on as the device: id, generation, owner and history', () => {
    const change = rekeyed(old, credentials, someUuid(8), 'new board', now);
    expect(change.device).toMatchObject({ state: 'decommissioned', successor: someUuid(8) });
    expect(change.credentials.map(({ revoked }) => revoked?.reason)).toEqual(['superseded', 'superseded']);
    expect(change.successor).toMatchObject({
      keyId: someUuid(8),
      revision: 0,
      state: 'active',
      deviceId: someUuid(2),
      generation: 2,
      assignedOwner: { name: 'buyer' },
      resetAllowed: true,
      successor: undefined,
    });
    expect(change.successor.lineage.at(-1)).toMatchObject({
      event: 'key',
      facts: { from: old.keyId, to: someUuid(8) },
    });
    expect(change.claims).toEqual([someUuid(2), someUuid(7)].map((deviceId) => ({ deviceId, keyId: someUuid(8) })));
  });

  test('that waits is let in with it, and keeps a device id that it has', () => {
    const bare = someDevice(8, { state: 'pending', revision: 4 });
    expect(rekeyed(old, [], bare, undefined, now).successor).toMatchObject({
      state: 'active',
      deviceId: someUuid(2),
      revision: 4,
    });
    const named = someDevice(8, { deviceId: someUuid(9), generation: 1 });
    expect(rekeyed(old, [], named, undefined, now).successor).toMatchObject({ deviceId: someUuid(9), generation: 1 });
  });

  test('makes no sense for a device that has one already, or for one that is held', () => {
    const turns = [
      () => rekeyed(old, [], old.keyId, undefined, now),
      () => rekeyed({ ...old, successor: someUuid(4) }, [], someUuid(8), undefined, now),
      () => rekeyed(device('decommissioned'), [], someUuid(8), undefined, now),
      () => rekeyed(old, [], someDevice(8, { state: 'disabled' }), undefined, now),
    ];
    expect(turns.map(codeOf)).toEqual(turns.map(() => 'operator.conflict'));
  });
});

describe('lineage', () => {
  test('keeps the newest entries and alarms only', () => {
    let record = device('active');
    for (let k = 0; k < limits.store.lineage + 5; k++) record = remembering(record, 'state', { k }, now + k);
    for (let k = 0; k < limits.store.alarms + 5; k++) {
      record = alarmed(record, { at: now + k, kind: 'two-places', evidence: { k } });
    }
    expect(record.lineage).toHaveLength(limits.store.lineage);
    expect(record.lineage[0]?.facts).toEqual({ k: 5 });
    expect(record.alarms).toHaveLength(limits.store.alarms);
    expect(record.alarms.at(-1)?.evidence).toEqual({ k: limits.store.alarms + 4 });
  });

  test('a generation that was given a credential counts as provisioned, also when its flags begin anew', () => {
    const bare = device('active', { confirmedAt: undefined });
    const { deviceId = 'none', generation } = bare;
    const record = remembering(bare, 'generation', { deviceId, generation }, now);
    expect(wasProvisioned(record)).toBe(false);
    expect(wasProvisioned(afterStep(record, 'cloud', now))).toBe(false);
    expect(wasProvisioned(afterStep(afterStep(record, 'credentials', now), 'time', now))).toBe(true);
    const once = provisionedOnce(record, now);
    expect(wasProvisioned(afterStep(once, 'time', now))).toBe(true);
    expect(provisionedOnce(once, now + 5)).toBe(once);
    expect(wasProvisioned({ ...once, deviceId: someUuid(3) })).toBe(false);
  });

  test('one that has forgotten the generation says that it was provisioned', () => {
    const record = device('active', { confirmedAt: undefined, lineage: [] });
    expect(wasProvisioned(record)).toBe(true);
    expect(wasProvisioned({ ...record, deviceId: undefined, generation: 0 })).toBe(false);
  });

  test('knows the device ids that the device has left, from itself or from credentials', () => {
    const facts = { deviceId: someUuid(5), generation: 1 };
    const record = remembering(device('active'), 'generation', facts, now);
    expect(hasLeft(record, [], someUuid(5))).toBe(true);
    expect(hasLeft(record, [], someUuid(2))).toBe(false);
    expect(hasLeft(record, [], someUuid(6))).toBe(false);
    expect(hasLeft(record, [{ ...earlier, deviceId: someUuid(6) }], someUuid(6))).toBe(true);
  });
});
