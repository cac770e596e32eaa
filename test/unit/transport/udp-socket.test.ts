import { afterEach, describe, expect, it } from 'vitest';
import { utf8 } from '../../../src/core/bytes.ts';
import { bindUdp, closeUdp, peerOf, sendTo } from '../../../src/transport/udp-socket.ts';

const open: Awaited<ReturnType<typeof bindUdp>>[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map(closeUdp));
});

async function bind() {
  const socket = await bindUdp({ host: '127.0.0.1', port: 0 });
  open.push(socket);
  return socket;
}

describe('an answer over UDP', () => {
  // Port 0 is a sender that anybody can write into a datagram; Node throws on it, and a server would end.
  it('is left out when the sender was port 0, and the next one goes out', async () => {
    const [server, client] = [await bind(), await bind()];
    const came = new Promise<string>((resolve) => client.once('message', (bytes) => resolve(bytes.toString())));
    expect(() =>
      sendTo(server, utf8('nobody'), peerOf({ address: '127.0.0.1', port: 0, family: 'IPv4', size: 1 })),
    ).not.toThrow();
    sendTo(server, utf8('somebody'), peerOf({ ...client.address(), family: 'IPv4', size: 1 }));
    expect(await came).toBe('somebody');
  });
});
