import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import { failure } from '../core/errors.ts';

/** Ports that are tried. */
const tries = 20;

/**
 * A port of this machine that nobody uses now, over TCP and UDP: for programs that have to know each other's before they
 * start, or keep theirs over a restart. Somebody else may be faster in taking it.
 * @throws FirstbootError service.address-in-use when none is found.
 */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  for (let k = 0; k < tries; k++) {
    const port = await freeTcpPort(host);
    if (await isFreeForUdp(port, host)) return port;
  }
  throw failure('service.address-in-use', { host }, 'end some of the programs that listen there');
}

function freeTcpPort(host: string): Promise<number> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, host, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}

function isFreeForUdp(port: number, host: string): Promise<boolean> {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  return new Promise((resolve) => {
    socket.once('error', () => {
      socket.close();
      resolve(false);
    });
    socket.bind(port, host, () => socket.close(() => resolve(true)));
  });
}
