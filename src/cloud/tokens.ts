import type { Timers } from '../core/clock.ts';
import { failure } from '../core/errors.ts';
import type { TokenSource } from '../provision/ports.ts';
import { ClientCredentials } from './client-credentials.ts';
import type { TokenIssuer } from './issuer.ts';

export interface TokenSourceDeps {
  /** For hubs of type `built-in`; without one those are refused. */
  readonly issuer?: TokenIssuer;
  readonly timers: Timers;
  /** Allows `http:` to authorization servers that are not on loopback. */
  readonly allowInsecure?: boolean;
  /** Whether those of hubs of owners may be anywhere that this machine reaches; default: on the public Internet only. */
  readonly ownersReachPrivate?: boolean | undefined;
}

/**
 * Access tokens for every hub: from the built-in issuer, or from the hub's own authorization server by client credentials.
 * Never cached: a token is for one device and its only sign-up (contract, plgd-service 1.6).
 */
export function createTokenSource({
  issuer,
  timers,
  allowInsecure = false,
  ownersReachPrivate = false,
}: TokenSourceDeps): TokenSource {
  const clientCredentials = new ClientCredentials({ timers, allowInsecure });
  return {
    async accessToken({ hub, others = [], owner, deviceId }, now) {
      if (hub.authorization.type === 'client-credentials') {
        const publicOnly = hub.ownerId !== undefined && !ownersReachPrivate;
        const subject = { owner: owner.name, deviceId };
        return clientCredentials.accessToken(hub.authorization, subject, now, { publicOnly });
      }
      if (!issuer) {
        throw failure(
          'configure.token',
          { hub: hub.id },
          'start the built-in token issuer, or give the hub an OAuth one',
        );
      }
      // A device that fails over to another hub signs up there with this very token (contract, plgd-device d).
      const mine = [hub, ...others].filter(({ authorization }) => authorization.type === 'built-in');
      const audience = mine.length === 1 ? hub.id : mine.map(({ id }) => id);
      return issuer.access({ owner: owner.name, ownerId: owner.id, deviceId, audience }, now).token;
    },
  };
}
