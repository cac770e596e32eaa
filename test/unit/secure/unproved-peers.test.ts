import { describe, expect, test } from 'vitest';
import { accepted, cookieIn, firstHello, forge, noCookie, now, serverContext } from '../../support/forged-hello.ts';

// What somebody can do who has proved nothing but an address, or not even that (RFC 6347 §4.2.1).

describe('a right cookie', () => {
  test.each([0, 2, 7])(
    'in a hello that is not the second of its handshake (message_seq %i) opens nothing',
    (sequence) => {
      const server = serverContext();
      const hello = firstHello();
      const cookie = cookieIn(server.listen('attacker:1', forge(hello, noCookie, 0, 0), now));
      expect(server.listen('attacker:1', forge(hello, cookie, sequence, 1), now).type).toBe('drop');
      expect(server.listen('attacker:1', forge(hello, cookie, 1, 1), now).type).toBe('accepted');
    },
  );

  test('opens a session that tells nobody another cookie', () => {
    const server = serverContext();
    const hello = firstHello();
    const cookie = cookieIn(server.listen('attacker:1', forge(hello, noCookie, 0, 0), now));
    const session = accepted(server.listen('attacker:1', forge(hello, cookie, 1, 1), now));
    session.takeOutput();
    server.listen('victim:2', forge(hello, noCookie, 0, 0), now);
    for (const sequence of [0, 1, 2, 3]) session.receive(forge(hello, noCookie, sequence, 2 + sequence), now);
    const helloVerifyRequests = session.takeOutput().filter((datagram) => datagram[13] === 3);
    expect(helloVerifyRequests).toEqual([]);
    session.abort();
  });
});
