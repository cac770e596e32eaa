import Type from 'typebox';
import type { DeviceView } from '../../operator/operations.ts';
import type { OwnerPsk } from '../../operator/owner-psk.ts';
import {
  type Device,
  type DeviceAlarm,
  type DeviceState,
  deviceStates,
  type LineageEntry,
  type Owner,
} from '../../store/model.ts';
import { attemptSummary } from './attempt.ts';
import { credential } from './credential.ts';
import {
  count,
  evidence,
  flag,
  hex,
  listOf,
  maybe,
  named,
  outcome,
  page,
  part,
  resource,
  text,
  time,
  uuid,
  words,
} from './parts.ts';

/** How many devices are in which state. */
export const countsByState = Object.fromEntries(
  deviceStates.map((state) => [state, count(`devices that are ${state}`)]),
) as Record<DeviceState, ReturnType<typeof count>>;

export const deviceState = words(
  deviceStates,
  'pending waits for approval; in all but active it gets nothing; quarantined, disabled and decommissioned: its certificates are revoked',
);

const owner = resource<Owner>('Owner', 'Whose devices they are.', {
  id: uuid('the owner text if that is a UUID, else its UUIDv5 (URL)'),
  name: text('the owner text'),
});

const alarm = resource<DeviceAlarm>('DeviceAlarm', 'Something about a device that somebody has to look at.', {
  at: time('when it was raised'),
  kind: words(
    ['two-places', 'ids-in-turns'],
    'two-places: two sessions from different hosts at once; ids-in-turns: back under an id that it had left',
  ),
  evidence,
});

const lineageEntry = resource<LineageEntry>('LineageEntry', 'A turn in the life of a device.', {
  at: time('when it happened'),
  event: words(['enrolled', 'generation', 'key', 'state', 'group', 'owner'], 'what happened'),
  facts: evidence,
});

const device = resource<Device>('Device', 'A device, known by its manufacturer key whatever it calls itself.', {
  keyId: uuid('key id: UUIDv5 of its manufacturer public key, or of group and PSK identity'),
  groupId: uuid('enrollment group that took it last'),
  ownerId: uuid('owner it was last provisioned for'),
  assignedOwner: maybe(owner),
  state: deviceState,
  stateSince: time('when it came into that state'),
  stateReason: maybe(text('why it is in that state')),
  deviceId: maybe(uuid('its device id; missing until it named one')),
  generation: count('counts its device ids: 1 is its first boot, each factory reset one more'),
  resetAllowed: flag('one factory reset is allowed although its group allows none'),
  flags: count('provisioning status flags of the present generation, a bit set'),
  retry: part<Device['retry']>(
    {
      failures: count('failures since the last success'),
      slot: maybe(Type.Number({ description: 'step of its retry schedule, ms' })),
      expectedAt: maybe(Type.Number({ description: 'when it is expected to try again; ms since 1970, UTC' })),
    },
    'when it tries again',
  ),
  manufacturer: part<Device['manufacturer']>(
    {
      subject: text('subject of its manufacturer certificate, or its PSK identity'),
      serial: maybe(hex('serial number')),
      certificate: maybe(text('the certificate, PEM')),
      unverified: maybe(flag('only a pin vouched for its key: nobody for subject and serial')),
    },
    'what it attests itself with',
  ),
  hubId: maybe(uuid('hub it was sent to last')),
  confirmedAt: maybe(time('when the cloud said that it arrived')),
  lastPeer: maybe(text('host:port where it was last seen')),
  lastSeenAt: maybe(time('when it was last seen')),
  lineage: listOf(lineageEntry, 'what it has been through, oldest first'),
  alarms: listOf(alarm, 'open alarms, oldest first'),
  successor: maybe(uuid('key id of the record that goes on for this one')),
  recordDeletedAt: maybe(time("when its record was deleted over plgd's paths; missing once it has come again")),
  recordSince: maybe(time('when it came again after that: its record there begins then')),
  createdAt: time('first stored'),
  updatedAt: time('last changed'),
  revision: count('counts changes'),
});

export const deviceView = resource<DeviceView>('DeviceView', 'A device with what belongs to it.', {
  device,
  group: maybe(named),
  hub: maybe(named),
  owner: maybe(owner),
  credentials: listOf(credential, 'its identity certificates, oldest first'),
  attempts: listOf(attemptSummary, 'its last attempts, newest first'),
});

export const ownerPsk = resource<OwnerPsk>('OwnerPsk', 'The key with which the owner reaches a device.', {
  deviceId: uuid('its device id'),
  ownerId: uuid('identity of the key'),
  key: hex('the key, 16 bytes'),
  shared: flag('all devices of its group have this key'),
});

export const devicePage = page<Device>('DevicePage', device);
export const deviceOutcome = outcome<Device>('DeviceOutcome', device);
