import { createServer, type Server, type Socket } from 'node:net';
import { createGateway, type Gateway, type GatewaySession } from '../../src/cloud/gateway.ts';
import { remoteGatewayTokens } from '../../src/cloud/gateway-tokens.ts';
import { code, kindOf, methodOf } from '../../src/coap/code.ts';
import { encodeFrame, Framer } from '../../src/coap/framing.ts';
import type { CoapMessage } from '../../src/coap/message.ts';
import { readRequest, responseParts } from '../../src/coap/request.ts';
import { equalBytes } from '../../src/core/bytes.ts';
import { systemTimers } from '../../src/core/clock.ts';
import type { DevelopmentPki } from '../../src/pki/development.ts';
import type { Association, Identity, SecureContext } from '../../src/secure/association.ts';
import { createSecureContext } from '../../src/secure/engine.ts';
import { until } from './until.ts';

/**
 * The small cloud's gateway over TLS and TCP, with its CoAP written by hand: it can ask the device something over the device's
 * own session, observe included, and what comes is seen as it is.
 */
export class RawHub {
  readonly uri: string;
  readonly gateway: Gateway;
  /** Answers and notifications of the device, in order. */
  readonly received: CoapMessage[] = [];
  /** How many connections came. */
  connections = 0;
  /** What devices asked for, in order. */
  readonly requests: CoapMessage[] = [];
  private readonly server: Server;
  private current: HubSession | undefined;

  private constructor(server: Server, gateway: Gateway, context: SecureContext) {
    this.server = server;
    this.gateway = gateway;
    const address = server.address();
    this.uri = `coaps+tcp://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`;
    server.on('connection', (socket) => {
      this.connections++;
      this.current = new HubSession(socket, context.accept(systemTimers.now()), gateway, this);
    });
  }

  static async start(pki: DevelopmentPki, issuer: string, identity: Identity = pki.gateway): Promise<RawHub> {
    const server = createServer({ noDelay: true });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const tokens = await remoteGatewayTokens({ authority: issuer, audience: pki.hubId, timers: systemTimers });
    const gateway = createGateway({ tokens });
    const context = createSecureContext({
      transport: 'stream',
      role: 'server',
      identity,
      trust: { anchors: pki.authority.trustAnchors, purpose: 'client' },
    });
    return new RawHub(server, gateway, context);
  }

  send(message: CoapMessage): void {
    if (!this.current) throw new Error('no device has come');
    this.current.send(message);
  }

  /** Sends a request to the device that came last, and waits for its answer. */
  async ask(message: CoapMessage): Promise<CoapMessage> {
    const before = this.received.length;
    this.send(message);
    return this.next(message.token, before);
  }

  /** The next message with this token after those that are there. */
  async next(token: Uint8Array, after = this.received.length): Promise<CoapMessage> {
    const found = (): CoapMessage | undefined =>
      this.received.slice(after).find((message) => equalBytes(message.token, token));
    await until(() => found() !== undefined);
    const message = found();
    if (!message) throw new Error('the device does not answer');
    return message;
  }

  async close(): Promise<void> {
    this.current?.close();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

class HubSession {
  private readonly socket: Socket;
  private readonly association: Association;
  private readonly gateway: Gateway;
  private readonly log: Pick<RawHub, 'received' | 'requests'>;
  private readonly framer = new Framer(64 * 1024);
  private visitor: GatewaySession | undefined;

  constructor(socket: Socket, association: Association, gateway: Gateway, log: Pick<RawHub, 'received' | 'requests'>) {
    this.socket = socket;
    this.association = association;
    this.gateway = gateway;
    this.log = log;
    association.onProgress = () => this.pump();
    socket.on('data', (bytes) => {
      association.receive(bytes, systemTimers.now());
      this.pump();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => this.close());
  }

  send(message: CoapMessage): void {
    this.association.send(encodeFrame(message), systemTimers.now());
    this.pump();
  }

  close(): void {
    this.association.abort();
    this.socket.destroy();
    if (this.visitor) this.gateway.closed(this.visitor, systemTimers.now());
    this.visitor = undefined;
  }

  private pump(): void {
    for (let events = this.association.takeEvents(); events.length > 0; events = this.association.takeEvents()) {
      for (const event of events) {
        if (event.type === 'established') this.visitor = { certificate: event.session.peer?.presented[0] };
        if (event.type === 'message') this.framer.push(event.bytes);
      }
    }
    for (const bytes of this.association.takeOutput()) this.socket.write(bytes);
    for (let frame = this.framer.next(); frame !== undefined; frame = this.framer.next()) {
      if (frame.type !== 'message') throw new Error(`the device sent something ${frame.type}`);
      void this.take(frame.message);
    }
  }

  private async take(message: CoapMessage): Promise<void> {
    const method = methodOf(message.code);
    if (message.code === code.ping) this.send({ ...message, code: code.pong, options: [] });
    if (kindOf(message.code) === 'response') this.log.received.push(message);
    if (method) this.log.requests.push(message);
    if (!method || !this.visitor) return;
    const answer = await this.gateway.handle(this.visitor, readRequest(message, method, true), systemTimers.now());
    this.send({ ...responseParts(answer), token: message.token });
  }
}
