import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { lookup } from 'node:dns';
import { isIP, isIPv6 } from 'node:net';
import { formatHostPort } from '../coap/uri.ts';
import { listenError } from './listen-error.ts';

export interface UdpAddress {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
}

/**
 * A bound socket. Errors of single datagrams are ignored: such a datagram is lost, and the protocol above repeats it.
 * @param bufferBytes of the system, each way; default: the system's own.
 * @throws FirstbootError service.address-in-use, service.config.
 */
export async function bindUdp({ host, port }: UdpAddress, bufferBytes?: number): Promise<Socket> {
  const socket = createSocket({
    type: isIPv6(host) ? 'udp6' : 'udp4',
    ...(bufferBytes !== undefined && { recvBufferSize: bufferBytes, sendBufferSize: bufferBytes }),
    // Peers are addresses already: without this every answer would wait for a turn of the resolver.
    lookup: (name, options, found) => (isIP(name) ? found(null, name, isIP(name)) : lookup(name, options, found)),
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('error', (error) => reject(listenError(error, 'udp', { host, port })));
    socket.bind(port, host, resolve);
  });
  socket.removeAllListeners('error');
  // An ICMP error for one peer must not end the service for all.
  socket.on('error', () => undefined);
  return socket;
}

/** A sender as text, `host:port`: what peers are told apart by. */
export const peerOf = ({ address, port }: RemoteInfo): string => formatHostPort(address, port);

/**
 * A datagram that came from port 0 cannot be answered (RFC 768: its sender takes no replies), and Node throws on the try.
 * @param peer as `peerOf` gave it.
 */
export function sendTo(socket: Socket, datagram: Uint8Array, peer: string): void {
  const at = peer.lastIndexOf(':');
  const port = Number(peer.slice(at + 1));
  if (port === 0) return;
  socket.send(datagram, port, peer.slice(0, at).replace(/^\[|\]$/g, ''), () => undefined);
}

export const closeUdp = (socket: Socket): Promise<void> => new Promise((resolve) => socket.close(() => resolve()));
