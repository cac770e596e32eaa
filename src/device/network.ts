import type { CoapEndpoint, OutgoingRequest, OutgoingResponse } from '../coap/endpoint.ts';
import { type CoapUri, parseCoapUri } from '../coap/uri.ts';
import type { Millis, Timers } from '../core/clock.ts';
import { FirstbootError } from '../core/errors.ts';
import type { RandomSource } from '../core/random.ts';
import type { Identity, SecureContext, SecureContextOptions, Trust } from '../secure/association.ts';
import { dial } from '../transport/client.ts';
import type { ConnectionEvent, Traffic } from '../transport/connection.ts';

/** How a device reaches its services: sockets, or a simulated link. */
export interface Network {
  /**
   * Opens a secure session. Everything that comes of it, a handshake that fails included, is told to `onEvent`; `closed` is
   * the last. Events may come before this returns.
   */
  open(request: OpenRequest): DeviceConnection;
}

export interface OpenRequest {
  readonly uri: CoapUri;
  readonly identity: Identity;
  /** Undefined: the service's certificate is not judged. */
  readonly trust: Trust | undefined;
  /** What to add to the network's clock to get the time at which certificates are judged. */
  readonly clockOffset: Millis;
  readonly onEvent: (event: ConnectionEvent) => void;
  /** What speaks over the session; default: CoAP. A hostile peer's speaks something else. */
  readonly createEndpoint?: () => CoapEndpoint;
}

/** A session as its device uses it. A closed one ignores every call. */
export interface DeviceConnection {
  readonly traffic: Traffic;
  /** The exchange's id, as it comes back in events; undefined when the session is not up. */
  request(request: OutgoingRequest): number | undefined;
  respond(id: number, response: OutgoingResponse): void;
  notify(id: number, response: OutgoingResponse): void;
  cancel(id: number): void;
  ping(): number | undefined;
  close(): void;
  /** Ends without a word to the peer, as after a power cut. */
  abandon(): void;
}

export interface SocketNetworkDeps {
  readonly createSecureContext: (options: SecureContextOptions) => SecureContext;
  readonly timers: Timers;
  readonly random: RandomSource;
}

/** Real sockets: each session has one of its own. */
export function socketNetwork(deps: SocketNetworkDeps): Network {
  return {
    open: ({ uri, identity, trust, clockOffset, onEvent, createEndpoint }) =>
      dial({
        uri,
        context: deps.createSecureContext({
          transport: uri.scheme === 'coaps' ? 'datagram' : 'stream',
          role: 'client',
          identity,
          ...(trust ? { trust } : {}),
        }),
        owner: () => onEvent,
        timers: shifted(deps.timers, clockOffset),
        random: deps.random,
        ...(createEndpoint && { createEndpoint }),
      }),
  };
}

/** The same timers, read with another clock: a session judges certificates by the time it is given. */
export function shifted(timers: Timers, offset: Millis): Timers {
  return offset === 0 ? timers : shiftedBy(timers, () => offset);
}

/** As `shifted`, by an offset that may change meanwhile. */
export const shiftedBy = (timers: Timers, offset: () => Millis): Timers => ({
  now: () => timers.now() + offset(),
  schedule: (at, wake) => timers.schedule(at - offset(), wake),
});

/** The endpoint of a session to be opened. @throws FirstbootError service.config naming the URI. */
export function endpointOf(uri: string): CoapUri {
  const parsed = parseCoapUri(uri);
  if (!parsed.ok) throw new FirstbootError(parsed.refusal);
  return parsed.value;
}
