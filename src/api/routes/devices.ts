import Type from 'typebox';
import { limits } from '../../core/limits.ts';
import type { DeviceTurn } from '../../operator/operations.ts';
import { route } from '../route.ts';
import { deviceOutcome, devicePage, deviceState, deviceView, ownerPsk } from '../schemas/device.ts';
import { closed, flag, listQuery, maybe, plainChange, shortText, which, words } from '../schemas/parts.ts';
import { changeTold, pageTold } from '../told.ts';

const params = which('device', 'key id or device id, or the first 8 characters or more of one');
const known = ['operator.not-found', 'operator.ambiguous', 'operator.input'] as const;
const turned = [...known, 'operator.conflict', 'api.precondition'] as const;
const reason = maybe(shortText('one line, goes on record'));
const tag = 'devices';

const list = route({
  id: 'listDevices',
  method: 'GET',
  path: '/devices',
  tag,
  summary: 'List devices',
  description: 'A page looks through so many devices at a time: it may be short, or empty, and still have a next one.',
  role: 'viewer',
  query: listQuery({
    state: maybe(deviceState),
    group: maybe(shortText('id or name of an enrollment group')),
    owner: maybe(shortText('name or id of an owner')),
    hub: maybe(shortText('id or name of a hub')),
    alarms: maybe(flag('only those with open alarms')),
    text: maybe(shortText('a part of the key id, device id, subject, serial number or address, in any case')),
    sort: maybe(words(['key', 'seen', 'created'], 'by key id (the default), or last seen or first stored first')),
  }),
  answer: devicePage,
  errors: ['operator.not-found', 'operator.ambiguous', 'operator.input'],
  handle: async ({ query: { cursor: after, limit = limits.api.page, ...filter }, operations }) =>
    pageTold(await operations.devices(filter, { after, limit })),
});

const get = route({
  id: 'getDevice',
  method: 'GET',
  path: '/devices/{device}',
  tag,
  summary: 'Show a device with its credentials and last attempts',
  role: 'viewer',
  params,
  answer: deviceView,
  errors: known,
  handle: async ({ params, operations }) => {
    const body = await operations.device(params.device);
    return { body, revision: body.device.revision };
  },
});

const turns: Readonly<Record<DeviceTurn, string>> = {
  approve: 'Let a waiting device in at its next try',
  reject: 'Turn a waiting device away',
  quarantine: 'Hold a device and its credentials until somebody has looked',
  release: 'Take a device out of quarantine',
  disable: 'Refuse a device until it is enabled',
  enable: 'Let a disabled device in again',
  decommission: 'End the life of a device: its credentials are revoked for good',
  'allow-reset': 'Allow a device one factory reset that its group does not allow',
  'clear-alarms': 'Clear the open alarms of a device',
};

const ids: Readonly<Record<DeviceTurn, string>> = {
  approve: 'approveDevice',
  reject: 'rejectDevice',
  quarantine: 'quarantineDevice',
  release: 'releaseDevice',
  disable: 'disableDevice',
  enable: 'enableDevice',
  decommission: 'decommissionDevice',
  'allow-reset': 'allowDeviceReset',
  'clear-alarms': 'clearDeviceAlarms',
};

const turnRoute = (turn: DeviceTurn) =>
  route({
    id: ids[turn],
    method: 'POST',
    path: `/devices/{device}/${turn}`,
    tag,
    summary: turns[turn],
    role: 'operator',
    params,
    query: plainChange,
    body: Type.Object({ reason }, closed),
    answer: deviceOutcome,
    conditional: true,
    errors: turned,
    handle: async ({ params, query, body, operations, ifMatch }) =>
      changeTold(await operations.turnDevice(turn, params.device, { ...query, ...body, revision: ifMatch })),
  });

const transfer = route({
  id: 'transferDevice',
  method: 'POST',
  path: '/devices/{device}/transfer',
  tag,
  summary: 'Give a device to another owner',
  description: 'It counts when the device has been provisioned again.',
  role: 'operator',
  params,
  query: plainChange,
  body: Type.Object({ owner: shortText('name or UUID of the new owner'), reason }, closed),
  answer: deviceOutcome,
  conditional: true,
  errors: turned,
  handle: async ({ params, query, body: { owner, reason }, operations, ifMatch }) =>
    changeTold(await operations.transferDevice(params.device, owner, { ...query, reason, revision: ifMatch })),
});

const rekey = route({
  id: 'rekeyDevice',
  method: 'POST',
  path: '/devices/{device}/rekey',
  tag,
  summary: 'Give what a device is to another manufacturer key',
  description: 'The answer is the record that goes on.',
  role: 'operator',
  params,
  query: plainChange,
  body: Type.Object(
    { to: shortText('the new key: a device, or the whole key id of one that has not come yet'), reason },
    closed,
  ),
  answer: deviceOutcome,
  conditional: true,
  errors: turned,
  handle: async ({ params, query, body: { to, reason }, operations, ifMatch }) =>
    changeTold(await operations.rekeyDevice(params.device, to, { ...query, reason, revision: ifMatch })),
});

const readOwnerPsk = route({
  id: 'readOwnerPsk',
  method: 'POST',
  path: '/devices/{device}/owner-psk',
  tag,
  summary: 'Read the key with which the owner reaches a device',
  description: 'Who reads it goes into the audit log first.',
  role: 'admin',
  params,
  answer: ownerPsk,
  secret: true,
  errors: [...known, 'operator.conflict'],
  handle: async ({ params, operations }) => ({ body: await operations.ownerPsk(params.device) }),
});

export const deviceRoutes = [
  list,
  get,
  ...(Object.keys(turns) as readonly DeviceTurn[]).map(turnRoute),
  transfer,
  rekey,
  readOwnerPsk,
];
