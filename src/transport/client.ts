import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import { createDatagramEndpoint } from '../coap/exchange.ts';
import type { CoapUri } from '../coap/uri.ts';
import type { Timers } from '../core/clock.ts';
import type { RandomSource } from '../core/random.ts';
import type { SecureContext } from '../secure/association.ts';
import { LiveSession, type Session, type SessionOwner } from './session.ts';
import { streamSession } from './tcp.ts';

export interface DialOptions {
  readonly uri: CoapUri;
  /** Its transport must be that of the URI's scheme: 'datagram' for coaps, 'stream' for coaps+tcp. */
  readonly context: SecureContext;
  readonly owner: SessionOwner;
  readonly timers: Timers;
  readonly random: RandomSource;
}

/** Opens a session to a server, each over a socket of its own. Failures come as the session's `closed` event. */
export function dial(options: DialOptions): Session {
  return options.uri.scheme === 'coaps' ? dialUdp(options) : dialTcp(options);
}

function dialUdp({ uri, context, owner, timers, random }: DialOptions): Session {
  const socket = createSocket(isIPv6(uri.host) ? 'udp6' : 'udp4');
  let connected = false;
  let closed = false;
  const waiting: Uint8Array[] = [];
  const session = new LiveSession({
    transport: 'coaps',
    peer: `${uri.host}:${uri.port}`,
    association: context.connect(timers.now()),
    createEndpoint: () => createDatagramEndpoint({ random }),
    transmit: (bytes) => {
      if (connected) socket.send(bytes, ignoreSendError);
      else waiting.push(bytes);
    },
    timers,
    idle: undefined,
    owner,
    onClosed: () => {
      closed = true;
      // After what is queued has left.
      setImmediate(() => socket.close());
    },
  });
  socket.on('message', (datagram) => session.receive(datagram));
  socket.on('error', (error) => session.abort({ reason: 'unreachable', text: error.message }));
  socket.connect(uri.port, uri.host, () => {
    if (closed) return;
    connected = true;
    for (const bytes of waiting.splice(0)) socket.send(bytes, ignoreSendError);
  });
  session.start();
  return session;
}

function dialTcp({ uri, context, owner, timers, random }: DialOptions): Session {
  const socket = connect({ host: uri.host, port: uri.port, noDelay: true, allowHalfOpen: true });
  const session = streamSession(socket, {
    association: context.connect(timers.now()),
    timers,
    random,
    idle: undefined,
    owner,
  });
  session.start();
  return session;
}

/** A datagram that could not be sent is a datagram lost: the protocol above repeats it. */
const ignoreSendError = (): void => undefined;
