import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Millis, Timers } from '../core/clock.ts';
import { limits } from '../core/limits.ts';
import { networkOf } from './failed-sign-ins.ts';
import type { Principal } from './principal.ts';

export interface ConnectionBounds {
  readonly all: number;
  /** Of one address, or one network of IPv6. */
  readonly perAddress: number;
  /** Requests under way of one principal that keep their connections safe. */
  readonly servedEach: number;
  /** Whose connections are those of many: proxies. */
  readonly shared: (address: string) => boolean;
}

export type Socket = IncomingMessage['socket'];

interface Connection {
  readonly socket: Socket;
  readonly network: string;
  /** Requests of known callers that are under way. */
  serves: number;
}

/**
 * The connections of a server, bounded: for each one too many the oldest that serves nobody known has to go. So there is always
 * room for the next caller, and for who asks about health, however many strangers hold connections and say nothing.
 */
export class Connections {
  private readonly bounds: ConnectionBounds;
  /** By address and port of the peer; oldest first. */
  private readonly open = new Map<string, Connection>();
  private readonly served = new Map<string, number>();

  constructor(bounds: ConnectionBounds) {
    this.bounds = bounds;
  }

  /** @param patience for what is missing of a request that has been answered */
  watch(server: Server, timers: Timers, patience: Millis): void {
    server.on('connection', (socket: Socket) => this.admit(socket));
    server.on('request', (request: IncomingMessage, response: ServerResponse) =>
      response.once('close', () => hurry(request, timers, patience)),
    );
  }

  /** A known caller's request keeps its connection safe while it is under way. */
  serve(principal: Principal, { socket }: IncomingMessage, response: ServerResponse): void {
    const connection = this.open.get(peerOf(socket));
    const served = this.served.get(principal.id) ?? 0;
    if (!connection || served >= this.bounds.servedEach) return;
    connection.serves++;
    this.served.set(principal.id, served + 1);
    response.once('close', () => {
      connection.serves--;
      const left = (this.served.get(principal.id) ?? 1) - 1;
      if (left > 0) this.served.set(principal.id, left);
      else this.served.delete(principal.id);
    });
  }

  private admit(socket: Socket): void {
    const { remoteAddress: address } = socket;
    if (address === undefined) return void socket.destroy();
    const { all, perAddress, shared } = this.bounds;
    const [key, network] = [peerOf(socket), networkOf(address)];
    const own = shared(address) ? [] : [...this.open.values()].filter((one) => one.network === network);
    const room =
      (own.length < perAddress || this.letGo(own)) && (this.open.size < all || this.letGo([...this.open.values()]));
    if (!room) return void socket.destroy();
    const connection = { socket, network, serves: 0 };
    this.open.set(key, connection);
    socket.once('close', () => {
      if (this.open.get(key) === connection) this.open.delete(key);
    });
  }

  private letGo(among: readonly Connection[]): boolean {
    const oldest = among.find(({ serves }) => serves === 0);
    if (!oldest) return false;
    this.open.delete(peerOf(oldest.socket));
    oldest.socket.destroy();
    return true;
  }
}

/** Ends the connection of a request that is not all here in a while. */
export function hurry(request: IncomingMessage, timers: Timers, within: Millis): void {
  if (request.complete) return;
  const cancel = timers.schedule(timers.now() + within, () => {
    if (!request.complete) request.socket.destroy();
  });
  request.once('close', cancel);
}

/** @param proxied everybody comes through a proxy, wherever that is */
export const connectionBounds = ({ proxied }: { readonly proxied: boolean }): ConnectionBounds => ({
  all: limits.api.connections,
  perAddress: limits.api.connectionsPerAddress,
  servedEach: limits.api.servedEach,
  shared: (address) => proxied || /^(::1$|(::ffff:)?127\.)/.test(address),
});

/** Address and port: the same for a connection and for TLS over it. */
export const peerOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;
