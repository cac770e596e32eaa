import { createSocket, type RemoteInfo } from 'node:dgram';
import { lookup } from 'node:dns';
import { isIP, isIPv6 } from 'node:net';
import { formatHostPort } from '../coap/uri.ts';
import { DatagramServer } from './datagram-server.ts';
import { listenError } from './listen-error.ts';
import type { CoapServer, CoapServerOptions } from './session.ts';

/** The system's default of 208 kB overflows in a storm of first boots. */
const socketBuffer = 4 << 20;

/** CoAP over DTLS (coaps, RFC 7252 §9): one socket, peers told apart by address and port. */
export async function listenUdp(options: CoapServerOptions): Promise<CoapServer> {
  const socket = createSocket({
    type: isIPv6(options.host) ? 'udp6' : 'udp4',
    recvBufferSize: socketBuffer,
    sendBufferSize: socketBuffer,
    // Peers are addresses already: without this every answer would wait for a turn of the resolver.
    lookup: (host, options, found) => (isIP(host) ? found(null, host, isIP(host)) : lookup(host, options, found)),
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('error', (error) => reject(listenError(error, 'udp', options)));
    socket.bind(options.port, options.host, resolve);
  });
  socket.removeAllListeners('error');
  // An ICMP error for one peer must not end the service for all.
  socket.on('error', () => undefined);

  const server = new DatagramServer({
    ...options,
    transmit: (datagram, peer) => {
      const at = peer.lastIndexOf(':');
      socket.send(datagram, Number(peer.slice(at + 1)), peer.slice(0, at).replace(/^\[|\]$/g, ''), ignoreSendError);
    },
  });
  socket.on('message', (datagram, from) => server.receive(datagram, peerOf(from)));
  return {
    port: socket.address().port,
    get sessions() {
      return server.sessions;
    },
    close: async () => {
      server.close();
      await new Promise<void>((resolve) => socket.close(() => resolve()));
    },
  };
}

const peerOf = ({ address, port }: RemoteInfo): string => formatHostPort(address, port);

/** A datagram that could not be sent is a datagram lost: the protocol above repeats it. */
const ignoreSendError = (): void => undefined;
