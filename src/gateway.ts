import { createGateway, type Gateway, type GatewaySession } from './cloud/gateway.ts';
import type { GatewayEvent } from './cloud/gateway-resources.ts';
import { confirmOverHttp, remoteGatewayTokens } from './cloud/gateway-tokens.ts';
import { formatCoapUri } from './coap/uri.ts';
import { minutes, systemTimers, type Timers } from './core/clock.ts';
import type { Uuid } from './core/ids.ts';
import { type Log, silentLog } from './core/log.ts';
import { type RandomSource, systemRandom } from './core/random.ts';
import type { Identity } from './secure/association.ts';
import { createSecureContext } from './secure/engine.ts';
import type { Session, SessionReceiver } from './transport/session.ts';
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
  const tokens = await remoteGatewayTokens({ authority: options.issuer, audience: options.hubId, timers });
  const gateway = createGateway({
    tokens,
    confirm: confirmOverHttp(options.issuer, timers),
    log,
    // The gateway only knows when a device has asked; the service's word about an arrival comes later.
    onEvent: (event) => options.onEvent?.(event.type === 'confirmed' ? { ...event, at: timers.now() } : event),
  });
  const context = createSecureContext({
    transport: transport === 'coaps' ? 'datagram' : 'stream',
    role: 'server',
    identity: options.identity,
    trust: { anchors: options.trustAnchors, purpose: 'client' },
    alpn: 'coap',
    threads: 'when-busy',
  });
  const owner = (session: Session): SessionReceiver => serveDevice(session, gateway, timers);
  const listen = transport === 'coaps' ? listenUdp : listenTcp;
  const server = await listen({
    host: options.host,
    port: options.port,
    context: () => context,
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
      await gateway.settled();
    },
  };
}

/** One session with the gateway; its requests are answered in order. */
function serveDevice(session: Session, gateway: Gateway, timers: Timers): SessionReceiver {
  let visitor: GatewaySession | undefined;
  let last: Promise<void> = Promise.resolve();
  return (event, now) => {
    switch (event.type) {
      case 'established':
        visitor = { certificate: event.session.peer?.presented[0] };
        break;
      case 'request': {
        const from = visitor;
        if (!from) break;
        last = last.then(async () =>
          session.respond(event.id, await gateway.handle(from, event.request, timers.now())),
        );
        break;
      }
      case 'closed': {
        const from = visitor;
        if (from) last = last.then(() => gateway.closed(from, now));
        break;
      }
      default:
        break;
    }
  };
}
