import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type {
  CoapEndpoint,
  CoapEvent,
  IncomingRequest,
  IncomingResponse,
  OutgoingRequest,
  OutgoingResponse,
} from '../../src/coap/endpoint.ts';
import { createDatagramEndpoint, type DatagramEndpointOptions } from '../../src/coap/exchange.ts';
import { createStreamEndpoint } from '../../src/coap/stream.ts';
import { utf8 } from '../../src/core/bytes.ts';
import { systemTimers } from '../../src/core/clock.ts';
import { systemRandom } from '../../src/core/random.ts';

/**
 * CoAP in the clear, on loopback, for programs that test the message layer alone. The service itself never speaks so.
 */
export interface CleartextServer {
  readonly port: number;
  /** Requests that reached the handler, in order. */
  readonly served: readonly IncomingRequest[];
  /** What else the endpoints reported, e.g. `broken`. */
  readonly events: readonly CoapEvent[];
  /** Datagrams or pieces received. */
  readonly received: readonly Uint8Array[];
  close(): Promise<void>;
}

/** `delay`: ms until the answer is there. */
export type Handler = (request: IncomingRequest) => OutgoingResponse & { readonly delay?: number };

export async function serveUdp(handler: Handler): Promise<CleartextServer> {
  const socket = createSocket('udp4');
  const log = newLog();
  const drivers = new Map<string, Driver>();
  socket.on('message', (bytes, { address, port }) => {
    const peer = `${address}:${port}`;
    const datagram = new Uint8Array(bytes);
    log.received.push(datagram);
    let driver = drivers.get(peer);
    if (driver === undefined) {
      const endpoint = createDatagramEndpoint({ random: systemRandom });
      driver = new Driver(endpoint, (reply) => socket.send(reply, port, address), serverOf(handler, log));
      drivers.set(peer, driver);
    }
    driver.receive(datagram);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return {
    ...log,
    port: socket.address().port,
    close: async () => {
      for (const driver of drivers.values()) driver.stop();
      socket.close();
      await once(socket, 'close');
    },
  };
}

export async function serveTcp(handler: Handler): Promise<CleartextServer> {
  const log = newLog();
  const sockets = new Map<Socket, Driver>();
  const server = createServer((socket) => {
    const endpoint = createStreamEndpoint({ random: systemRandom });
    const driver = new Driver(endpoint, (bytes) => socket.write(bytes), serverOf(handler, log));
    sockets.set(socket, driver);
    socket.on('data', (bytes) => {
      const piece = new Uint8Array(bytes);
      log.received.push(piece);
      driver.receive(piece);
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      driver.stop();
      sockets.delete(socket);
    });
    driver.pump();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    ...log,
    port: (server.address() as AddressInfo).port,
    close: async () => {
      for (const socket of sockets.keys()) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

interface Log {
  readonly served: IncomingRequest[];
  readonly events: CoapEvent[];
  readonly received: Uint8Array[];
}

const newLog = (): Log => ({ served: [], events: [], received: [] });

/** Runs one endpoint on the machine's clock. */
class Driver {
  readonly endpoint: CoapEndpoint;
  private readonly onEvent: (event: CoapEvent, driver: Driver) => void;
  private readonly transmit: (bytes: Uint8Array) => void;
  private cancelAlarm: () => void = () => undefined;
  private stopped = false;

  constructor(
    endpoint: CoapEndpoint,
    transmit: (bytes: Uint8Array) => void,
    onEvent: (event: CoapEvent, driver: Driver) => void,
  ) {
    this.endpoint = endpoint;
    this.transmit = transmit;
    this.onEvent = onEvent;
  }

  receive(bytes: Uint8Array): void {
    this.endpoint.receive(bytes, systemTimers.now());
    this.pump();
  }

  respond(id: number, response: OutgoingResponse): void {
    this.endpoint.respond(id, response, systemTimers.now());
    this.pump();
  }

  pump(): void {
    if (this.stopped) return;
    for (const event of this.endpoint.takeEvents()) this.onEvent(event, this);
    for (const bytes of this.endpoint.takeOutput()) this.transmit(bytes);
    this.cancelAlarm();
    const next = this.endpoint.nextTimeout();
    if (next === undefined) return;
    this.cancelAlarm = systemTimers.schedule(next, () => {
      this.endpoint.handleTimeout(systemTimers.now());
      this.pump();
    });
  }

  stop(): void {
    this.stopped = true;
    this.cancelAlarm();
  }
}

/** Answers requests with `handler` and logs the rest. */
const serverOf =
  (handler: Handler, log: Log) =>
  (event: CoapEvent, driver: Driver): void => {
    if (event.type !== 'request') {
      log.events.push(event);
      return;
    }
    const { id, request } = event;
    if (request.fault !== undefined) {
      driver.respond(id, { code: request.fault.code, payload: utf8(request.fault.text) });
      return;
    }
    log.served.push(request);
    const { delay = 0, ...response } = handler(request);
    if (delay === 0) driver.respond(id, response);
    else systemTimers.schedule(systemTimers.now() + delay, () => driver.respond(id, response));
  };

/** The other way round: our client, in the clear, to a server on loopback. */
export interface CleartextClient {
  /** @throws an Error that names the reason when there is no answer. */
  ask(request: OutgoingRequest): Promise<IncomingResponse>;
  /** Resolves on the pong. */
  ping(): Promise<void>;
  close(): void;
}

export async function dialUdp(
  port: number,
  options: Omit<DatagramEndpointOptions, 'random'> = {},
): Promise<CleartextClient> {
  const socket = createSocket('udp4');
  socket.connect(port, '127.0.0.1');
  await once(socket, 'connect');
  const endpoint = createDatagramEndpoint({ ...options, random: systemRandom });
  const client = new Client(
    endpoint,
    (bytes) => socket.send(bytes),
    () => socket.close(),
  );
  socket.on('message', (bytes) => client.receive(new Uint8Array(bytes)));
  // Nobody listens there yet: the request is repeated.
  socket.on('error', () => undefined);
  return client;
}

export async function dialTcp(port: number): Promise<CleartextClient> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  const endpoint = createStreamEndpoint({ random: systemRandom });
  const client = new Client(
    endpoint,
    (bytes) => socket.write(bytes),
    () => socket.destroy(),
  );
  socket.on('data', (bytes) => client.receive(new Uint8Array(bytes)));
  return client;
}

class Client implements CleartextClient {
  private readonly driver: Driver;
  private readonly hangUp: () => void;
  private readonly waiting = new Map<number, (event: CoapEvent) => void>();

  constructor(endpoint: CoapEndpoint, transmit: (bytes: Uint8Array) => void, hangUp: () => void) {
    this.hangUp = hangUp;
    this.driver = new Driver(endpoint, transmit, (event) => {
      if ('id' in event) this.waiting.get(event.id)?.(event);
    });
    this.driver.pump();
  }

  receive(bytes: Uint8Array): void {
    this.driver.receive(bytes);
  }

  async ask(request: OutgoingRequest): Promise<IncomingResponse> {
    const event = await this.outcome(this.driver.endpoint.request(request, systemTimers.now()));
    if (event.type !== 'response') throw new Error(`no answer: ${'reason' in event ? event.reason : event.type}`);
    return event.response;
  }

  async ping(): Promise<void> {
    const event = await this.outcome(this.driver.endpoint.ping(systemTimers.now()));
    if (event.type !== 'pong') throw new Error(`no pong: ${event.type}`);
  }

  close(): void {
    this.driver.stop();
    this.hangUp();
  }

  private outcome(id: number): Promise<CoapEvent> {
    const outcome = new Promise<CoapEvent>((resolve) => this.waiting.set(id, resolve));
    this.driver.pump();
    return outcome;
  }
}
