import { expect, test } from 'vitest';
import { toHex } from '../../../src/core/bytes.ts';
import { identityProfile, profiles } from '../../../src/pki/profile.ts';
import { nobodyListed } from '../../../src/provision/access.ts';
import { holdsOn } from '../../../src/provision/holds.ts';
import { ownerPskOf } from '../../../src/provision/owner-psk.ts';
import type { Credential, Device, DeviceState, EnrollmentGroup } from '../../../src/store/model.ts';
import { someCredential, someDevice, someGroup, someUuid } from '../../support/store-records.ts';

const group = someGroup(3);
const buyer = { id: someUuid(50), name: 'buyer' };
const device = someDevice(1, { deviceId: someUuid(2), generation: 2, ownerId: group.owner.id });
const live = someCredential('01', { generation: 2 });
const revoked = someCredential('02', { generation: 2, revoked: { at: 0, reason: 'keyCompromise' } });
const earlier = someCredential('03', { generation: 1 });
const asked = { deviceId: someUuid(2), ownerId: undefined };
const states: readonly DeviceState[] = ['pending', 'quarantined', 'disabled', 'decommissioned'];
const sold: Device = { ...device, assignedOwner: buyer, ownerId: buyer.id };

test('a device that is active, by its present id, with a live certificate lives on in its tokens', () => {
  expect(holdsOn(device, group, nobodyListed, [earlier, revoked, live], asked)).toBe(true);
  expect(holdsOn(sold, group, nobodyListed, [live], { ...asked, ownerId: buyer.id })).toBe(true);
});

type Case = readonly [
  string,
  Device,
  EnrollmentGroup | undefined,
  readonly Credential[],
  Parameters<typeof holdsOn>[4],
];

test.each<Case>([
  ['its group is gone', device, undefined, [live], asked],
  ['its group is disabled', device, { ...group, enabled: false }, [live], asked],
  ['it has another id now', device, group, [live], { ...asked, deviceId: someUuid(9) }],
  ['its certificates are revoked', device, group, [revoked], asked],
  ['only an earlier generation has one', device, group, [earlier], asked],
  ['it waits for its new owner', { ...device, assignedOwner: buyer }, group, [live], asked],
  ['the token is its earlier owner’s', sold, group, [live], { ...asked, ownerId: group.owner.id }],
  ...states.map((state): Case => [`it is ${state}`, { ...device, state }, group, [live], asked]),
])('not when %s', (_, record, present, credentials, question) => {
  expect(holdsOn(record, present, nobodyListed, credentials, question)).toBe(false);
});

test('not when it is on the deny list, or not on the allow list where there is one', () => {
  const entry = { in: 'list', device: { by: 'key', value: device.keyId }, note: undefined } as const;
  const lists = [{ deny: entry }, { allowsOnlyListed: true }, { allowsOnlyListed: true, allow: entry }];
  const answers = lists.map((listed) => holdsOn(device, group, { ...nobodyListed, ...listed }, [live], asked));
  expect(answers).toEqual([false, false, true]);
});

test('the owner’s key is another one for each device and each master, and the same each time', () => {
  const master = new Uint8Array(16).fill(1);
  const keys = [
    ownerPskOf(master, someUuid(1)),
    ownerPskOf(master, someUuid(2)),
    ownerPskOf(new Uint8Array(16).fill(2), someUuid(1)),
  ];
  expect(keys.map(({ length }) => length)).toEqual([16, 16, 16]);
  expect(new Set(keys.map(toHex)).size).toBe(3);
  // printf 'firstboot owner psk' and the 16 bytes of the id | openssl dgst -sha256 -mac HMAC -macopt hexkey:01..01
  expect(toHex(ownerPskOf(master, '00112233-4455-6677-8899-aabbccddeeff'))).toBe('7e862aff00bed6674bdebf545605e883');
});

test('the profile of a choice of usages is made once, and that of all is the standard one', () => {
  expect(identityProfile(['ocfIdentity', 'serverAuth', 'clientAuth'])).toBe(profiles.identity);
  const narrow = identityProfile(['serverAuth', 'clientAuth']);
  expect(identityProfile(['clientAuth', 'serverAuth', 'clientAuth'])).toBe(narrow);
  expect(narrow.extendedKeyUsage).toEqual(['1.3.6.1.5.5.7.3.2', '1.3.6.1.5.5.7.3.1']);
  expect(identityProfile([]).extendedKeyUsage).toEqual([]);
});
