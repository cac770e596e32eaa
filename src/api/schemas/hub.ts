import Type, { type Static } from 'typebox';
import { gatewayUri } from '../../config/hub-schema.ts';
import type { PolicyOrigin } from '../../store/model.ts';
import { asRead, closed, count, maybe, named, outcome, shortText, uuid, wholeList, words } from './parts.ts';

/** Hubs as policy files write them (docs/policy.md), but that files with secrets have bare names. */
const fields = {
  name: maybe(shortText('default: its id')),
  gateways: Type.Array(gatewayUri, { minItems: 1, maxItems: 100, description: 'gateway URIs, in order of preference' }),
  provider: maybe(shortText('authorization provider name (apn); default: firstboot')),
  oauth: maybe(
    Type.Object(
      {
        authority: Type.String({ pattern: '^https?://', description: 'OIDC issuer URL' }),
        clientId: Type.String({ minLength: 1, description: 'client id' }),
        clientSecretFile: shortText("name of a file in the service's secrets folder that holds the client secret"),
        audience: maybe(Type.String({ description: 'audience of the tokens' })),
        scopes: maybe(Type.Array(Type.String(), { description: 'scopes that are asked for' })),
        ownerClaim: maybe(Type.String({ description: 'claim with the owner; default: https://plgd.dev/owner' })),
        deviceIdClaim: maybe(Type.String({ description: 'claim with the device id' })),
      },
      { ...closed, description: 'where its access tokens come from; missing: the built-in issuer' },
    ),
  ),
};

/** What reads of groups and hubs tell beside what is written. */
export const origin = {
  source: words(
    ['file', 'operator'] as const satisfies readonly PolicyOrigin[],
    'where it is written, and so where it can be changed',
  ),
  revision: count('counts changes: the ETag'),
};

/** The same in a request. */
export const originAsRead = { ownerId: asRead, source: asRead, revision: asRead };

export const anyUuid = Type.String({ format: 'uuid', description: 'UUID' });

export const hub = Type.Object(
  {
    id: uuid('the `sid`, and the CN of its gateways'),
    ...fields,
    ownerId: maybe(uuid('whose it is; missing: everybody may use it')),
    ...origin,
  },
  { ...closed, $id: 'Hub', description: 'A cloud: where devices go.' },
);
export type HubResource = Static<typeof hub>;

export const newHub = Type.Object({ id: anyUuid, ...fields, ...originAsRead }, { ...closed, $id: 'NewHub' });
export const changedHub = Type.Object(
  { id: maybe(anyUuid), ...fields, ...originAsRead },
  { ...closed, $id: 'ChangedHub' },
);

const hubCount = Type.Object(
  { hub, groups: count('groups that name it'), devices: count('devices that were sent there last') },
  { ...closed, $id: 'HubCount' },
);
export const hubList = wholeList('HubList', Type.Array(hubCount));
export const hubView = Type.Object(
  { hub, groups: Type.Array(named, { description: 'groups that send devices there' }) },
  { ...closed, $id: 'HubView' },
);
export const hubOutcome = outcome<HubResource>('HubOutcome', hub);
