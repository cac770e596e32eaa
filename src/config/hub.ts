import { parseUuid } from '../core/ids.ts';
import type { Hub, PolicyOrigin } from '../store/model.ts';
import type { HubConfig } from './hub-schema.ts';
import { readableAt } from './material.ts';
import { nameAt, type Place } from './place.ts';

/** A hub from what is written at a place. */
export function hubAt(place: Place, hub: HubConfig, source: PolicyOrigin): Hub {
  const { oauth } = hub;
  return {
    id: parseUuid(hub.id) ?? hub.id,
    name: hub.name === undefined ? hub.id : nameAt(place.at('name'), hub.name),
    gateways: hub.gateways,
    provider: hub.provider === undefined ? 'firstboot' : nameAt(place.at('provider'), hub.provider),
    authorization: oauth
      ? {
          type: 'client-credentials',
          authority: oauth.authority,
          clientId: oauth.clientId,
          clientSecretFile: readableAt(place.at('oauth', 'clientSecretFile'), oauth.clientSecretFile),
          audience: oauth.audience,
          scopes: oauth.scopes ?? [],
          ownerClaim: oauth.ownerClaim ?? ownerClaim,
          deviceIdClaim: oauth.deviceIdClaim,
        }
      : { type: 'built-in' },
    source,
    ownerId: undefined,
    revision: 0,
  };
}

/** The same hub as it is written. */
export function hubConfig({ id, name, gateways, provider, authorization }: Hub): HubConfig {
  const common = { id, name, gateways: [...gateways], provider };
  if (authorization.type === 'built-in') return common;
  const { type: _, scopes, audience, deviceIdClaim, ...rest } = authorization;
  return {
    ...common,
    oauth: {
      ...rest,
      scopes: [...scopes],
      ...(audience !== undefined && { audience }),
      ...(deviceIdClaim !== undefined && { deviceIdClaim }),
    },
  };
}

const ownerClaim = 'https://plgd.dev/owner';
