import Type, { type Static } from 'typebox';
import { groupSchema } from '../../config/group-schema.ts';
import type { FetchedCrl } from '../../store/model.ts';
import { countsByState } from './device.ts';
import { anyUuid, origin, originAsRead } from './hub.ts';
import { closed, listOf, maybe, named, outcome, resource, text, time, uuid, wholeList } from './parts.ts';

/** Groups as policy files write them (docs/policy.md), but that everything stands in place: PEM, no file names. */
const {
  id: _id,
  psk: _psk,
  ownerPsk: _ownerPsk,
  ownerPskFile: _ownerPskFile,
  identityDays: _identityDays,
  ...written
} = groupSchema.properties;

const pem = (what: string) => maybe(Type.Array(Type.String({ minLength: 1 }), { description: `PEM: ${what}` }));

const key = (description: string) =>
  maybe(
    Type.Union([Type.String({ pattern: '^([0-9a-fA-F]{2}){16,64}$' }), Type.Null()], {
      description: `${description}: 16 to 64 bytes in hexadecimal. Null when it is read; null or missing in a change: it stays`,
    }),
  );

const fields = {
  ...written,
  anchors: pem('manufacturer roots'),
  leads: pem('lead certificates: one of them has to be in the path of a device'),
  intermediates: pem('manufacturer intermediates'),
  crls: maybe(
    Type.Array(Type.String({ minLength: 1 }), { description: 'PEM, or http: or https: URL: manufacturer CRLs' }),
  ),
  pins: maybe(
    Type.Array(Type.String({ minLength: 1 }), {
      description: '64 hexadecimal digits, or PEM: a certificate or public key',
    }),
  ),
  psk: maybe(
    Type.Array(
      Type.Object(
        {
          identity: Type.String({ minLength: 1, description: 'PSK identity; a trailing * stands for any ending' }),
          key: key('the key'),
          derived: maybe(Type.Boolean({ description: 'the key is a master: each device has one derived from it' })),
        },
        closed,
      ),
      { description: 'pre-shared keys' },
    ),
  ),
  ownerPsk: key('master of the keys with which owners reach their devices'),
};

export const group = Type.Object(
  { id: uuid('its id'), ...fields, ownerId: uuid('id of its owner'), ...origin },
  { ...closed, $id: 'Group', description: 'An enrollment group: which devices may come in, and what they get.' },
);
export type GroupResource = Static<typeof group>;

/** Without an id it gets one that follows from its name. */
export const writtenGroup = Type.Object(
  { id: maybe(anyUuid), ...fields, ...originAsRead },
  { ...closed, $id: 'WrittenGroup', description: 'An enrollment group as it is to be.' },
);
export type WrittenGroup = Static<typeof writtenGroup>;

const devices = Type.Object(countsByState, { ...closed, $id: 'DevicesByState' });

const fetchedList = resource<FetchedCrl>('FetchedList', "A manufacturer's revocation list as it was fetched.", {
  id: uuid('UUIDv5 of its URL'),
  url: text('where it is from'),
  pem: maybe(text('the list; missing until it could be fetched once')),
  thisUpdate: maybe(time('when it was signed')),
  nextUpdate: maybe(time('when the next one is due')),
  fetchedAt: maybe(time('when it was fetched')),
  triedAt: time('when it was tried last'),
  error: maybe(text('why the last try failed')),
});

const groupCount = Type.Object({ group, devices }, { ...closed, $id: 'GroupCount' });
export const groupList = wholeList('GroupList', Type.Array(groupCount));
export const groupView = Type.Object(
  {
    group,
    devices,
    hubs: Type.Array(named),
    lists: listOf<FetchedCrl>(fetchedList, 'revocation lists that are fetched for it'),
  },
  { ...closed, $id: 'GroupView' },
);
export const groupOutcome = outcome<GroupResource>('GroupOutcome', group);
export const approvalOutcome = outcome<readonly string[]>(
  'ApprovalOutcome',
  listOf<string>(uuid('key id'), 'devices that were (or would be) approved'),
);
