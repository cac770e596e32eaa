import { DatagramServer } from './datagram-server.ts';
import type { CoapServerOptions, SecureServer } from './session.ts';
import { bindUdp, closeUdp, peerOf, sendTo } from './udp-socket.ts';

/** The system's default of 208 kB overflows in a storm of first boots. */
const socketBuffer = 4 << 20;

/** CoAP over DTLS (coaps, RFC 7252 §9): one socket, peers told apart by address and port. */
export async function listenUdp(options: CoapServerOptions): Promise<SecureServer> {
  const socket = await bindUdp(options, socketBuffer);
  const server = new DatagramServer({
    ...options,
    transmit: (datagram, peer) => sendTo(socket, datagram, peer),
  });
  socket.on('message', (datagram, from) => server.receive(datagram, peerOf(from)));
  return {
    port: socket.address().port,
    get sessions() {
      return server.sessions;
    },
    get halfOpen() {
      return server.halfOpen;
    },
    refuseNew: () => server.refuseNew(),
    close: async () => {
      server.close();
      await closeUdp(socket);
    },
  };
}
