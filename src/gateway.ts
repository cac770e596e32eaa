import { createGateway, type Gateway, type GatewaySession } from './cloud/gateway.ts';
import { expiryOf } from './cloud/gateway-identity.ts';
import type { GatewayEvent } from './cloud/gateway-resources.ts';
import {
  type GuardedSession,
  gatewayTrust,
  RevocationGuard,
  revocationsOverHttp,
} from './cloud/gateway-revocations.ts';
import { confirmOverHttp, type GatewayTokens, remoteGatewayTokens } from './cloud/gateway-tokens.ts';
import { formatCoapUri } from './coap/uri.ts';
import { type Millis, minutes, systemTimers, type Timers } from './core/clock.ts';
import { FirstbootError } from './core/errors.ts';
import type { Uuid } from './core/ids.ts';
import { InFlight } from './core/in-flight.ts';
import { type Log, silentLog } from './core/log.ts';
import { type RandomSource, systemRandom } from './core/random.ts';
import type { Identity, SecureContext, SecureContextOptions } from './secure/association.ts';
import { createSecureContext } from './secure/engine.ts';
import type { Session, SessionOwner, SessionReceiver } from './transport/session.ts';
import { listenTcp } from './transport/tcp.ts';
import { listenUdp } from './transport/udp.ts';

export interface GatewayOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  readonly transport?: 'coaps+tcp' | 'coaps';
  /** The hub: audience of the tokens it takes. */
  readonly hubId: Uuid;
  /** `CN=uuid:<hub id>`. */
  readonly identity: Identity;
  /** Roots of the identity certificates that devices come with, DER. */
  readonly trustAnchors: readonly Uint8Array[];
  /** URL of the token issuer; arrivals are confirmed there. */
  readonly issuer: string;
  /** Asked whenever the issuer does not answer yet: whether to try again half a second later. Default: no. */
  readonly keepWaiting?: () => boolean;
  readonly onEvent?: (event: GatewayEvent) => void;
  readonly timers?: Timers;
  readonly random?: RandomSource;
  readonly log?: Log;
}

export interface RunningGateway {
  readonly uri: string;
  readonly devices: Gateway['devices'];
  close(): Promise<void>;
}

/** A device pings every 20 s (plgd-device b6): one that has been silent for this long is gone. */
const idle = minutes(3);

/**
 * Starts the small cloud on a port of its own.
 * @throws FirstbootError service.address-in-use, service.config; configure.token when the issuer cannot be reached.
 */
export async function startGateway(options: GatewayOptions): Promise<RunningGateway> {
  const { timers = systemTimers, random = systemRandom, log = silentLog, transport = 'coaps+tcp' } = options;
  const tokens = await tokensOf(options, timers);
  const gateway = createGateway({
    tokens,
    confirm: confirmOverHttp(options.issuer, timers),
    log,
    // The gateway only knows when a device has asked; the service's word about an arrival comes later.
    onEvent: (event) => options.onEvent?.(event.type === 'confirmed' ? { ...event, at: timers.now() } : event),
  });
  const fetch = revocationsOverHttp(options.issuer, timers);
  const guard = new RevocationGuard({ fetch, trustAnchors: () => options.trustAnchors, timers, log });
  await guard.fresh(timers.now());
  const context = gatewayContext({
    transport: transport === 'coaps' ? 'datagram' : 'stream',
    credentials: () => options,
    guard,
    threads: 'when-busy',
  });
  const owner = gatewayOwner({ gateway, guard, timers });
  const listen = transport === 'coaps' ? listenUdp : listenTcp;
  const server = await listen({
    host: options.host,
    port: options.port,
    context,
    owner,
    timers,
    random,
    idle,
  });
  return {
    uri: formatCoapUri({ scheme: transport, host: options.host, port: server.port }),
    devices: () => gateway.devices(),
    close: async () => {
      await server.close();
      guard.stop();
      await gateway.settled();
    },
  };
}

/** How often an issuer that does not answer yet is asked, ms. */
const askAgain = 500;

/** A gateway and its issuer are often started side by side, and the issuer takes longer. */
async function tokensOf({ issuer, hubId, keepWaiting }: GatewayOptions, timers: Timers): Promise<GatewayTokens> {
  for (;;) {
    try {
      return await remoteGatewayTokens({ authority: issuer, audience: hubId, timers });
    } catch (error) {
      const temporary = error instanceof FirstbootError && error.code === 'configure.token';
      if (!temporary || !keepWaiting?.()) throw error;
      await new Promise<void>((resolve) => timers.schedule(timers.now() + askAgain, resolve));
    }
  }
}

/** What a gateway is with: its certificate, and the roots of those that devices come with, DER. */
export interface GatewayCredentials {
  readonly identity: Identity;
  readonly trustAnchors: readonly Uint8Array[];
}

/** What a gateway shows to devices and asks of them, made again when its credentials or the revocation lists have changed. */
export function gatewayContext({
  credentials,
  guard,
  ...options
}: Pick<SecureContextOptions, 'transport' | 'threads' | 'clock' | 'mtu'> & {
  readonly credentials: () => GatewayCredentials;
  readonly guard: RevocationGuard;
}): () => SecureContext {
  let made:
    | (GatewayCredentials & { readonly crls: readonly Uint8Array[]; readonly context: SecureContext })
    | undefined;
  return () => {
    const { identity, trustAnchors } = credentials();
    const crls = guard.crls();
    if (made?.identity !== identity || made.trustAnchors !== trustAnchors || made.crls !== crls) {
      const trust = gatewayTrust(trustAnchors, crls);
      const context = createSecureContext({ ...options, identity, role: 'server', trust, alpn: 'coap' });
      made = { identity, trustAnchors, crls, context };
    }
    return made.context;
  };
}

export interface GatewayServing {
  readonly gateway: Gateway;
  readonly guard: RevocationGuard;
  readonly timers: Timers;
  /** Counts the requests that are being answered; default: nobody wants to know. */
  readonly inFlight?: InFlight;
}

/** Joins what the transports deliver to the gateway. */
export function gatewayOwner({ inFlight = new InFlight(), ...serving }: GatewayServing): SessionOwner {
  return (session) => serveDevice(session, { ...serving, inFlight });
}

/** Returns how to give it up. */
function closeAt(end: Millis | undefined, session: Session, timers: Timers): () => void {
  return end === undefined ? () => undefined : timers.schedule(end, () => session.close());
}

/** One session with the gateway; its requests are answered in order, the first one once its certificate is known not to be revoked. */
function serveDevice(
  session: Session,
  { gateway, guard, timers, inFlight }: Required<GatewayServing>,
): SessionReceiver {
  let visitor: GatewaySession | undefined;
  let guarded: GuardedSession | undefined;
  let forget = (): void => undefined;
  let last: Promise<void> = Promise.resolve();
  return (event, now) => {
    switch (event.type) {
      case 'established': {
        const presented = event.session.peer?.presented ?? [];
        const entered: GuardedSession = { presented, close: () => session.close() };
        visitor = { certificate: presented[0] };
        guarded = entered;
        // A renewed device comes back with its new certificate; one that was not renewed is out (contract, plgd-service 4, 29).
        forget = closeAt(expiryOf(visitor.certificate), session, timers);
        last = inFlight.track(guard.enter(entered, now));
        break;
      }
      case 'request': {
        const from = visitor;
        if (!from) break;
        last = inFlight.track(
          last.then(async () => session.respond(event.id, await gateway.handle(from, event.request, timers.now()))),
        );
        break;
      }
      case 'closed': {
        const from = visitor;
        forget();
        if (guarded) guard.leave(guarded);
        if (from) last = inFlight.track(last.then(() => gateway.closed(from, now)));
        break;
      }
      default:
        break;
    }
  };
}
