import { describe, expect, test } from 'vitest';
import { createDevelopmentPki } from '../../../src/development.ts';
import type { Association, ListenResult } from '../../../src/secure/association.ts';
import { createSecureContext } from '../../../src/secure/engine.ts';

// What somebody can do who has proved nothing but an address, or not even that (RFC 6347 §4.2.1).

const now = Date.UTC(2026, 5, 1);
const pki = createDevelopmentPki({ now });

const serverContext = () =>
  createSecureContext({
    transport: 'datagram',
    role: 'server',
    identity: pki.service,
    trust: { anchors: [pki.manufacturer.root.certificate.der], purpose: 'client' },
    clock: 'simulated',
  });

const firstHello = (): Buffer => {
  const context = createSecureContext({ transport: 'datagram', role: 'client', clock: 'simulated' });
  const client = context.connect(now);
  const [hello = new Uint8Array()] = client.takeOutput();
  client.abort();
  return Buffer.from(hello);
};

/** The same hello with this cookie and these sequence numbers, as an attacker would write it. */
function forge(hello: Buffer, cookie: Buffer, messageSequence: number, record: number): Buffer {
  const body = hello.subarray(25);
  const at = 35 + (body[34] ?? 0);
  const old = body[at] ?? 0;
  const forged = Buffer.concat([
    body.subarray(0, at),
    Buffer.from([cookie.length]),
    cookie,
    body.subarray(at + 1 + old),
  ]);
  const headers = Buffer.alloc(25);
  headers.set([22, 0xfe, 0xfd]);
  headers.writeUIntBE(record, 5, 6);
  headers.writeUInt16BE(12 + forged.length, 11);
  headers[13] = 1;
  headers.writeUIntBE(forged.length, 14, 3);
  headers.writeUInt16BE(messageSequence, 17);
  headers.writeUIntBE(forged.length, 22, 3);
  return Buffer.concat([headers, forged]);
}

const noCookie = Buffer.alloc(0);

function cookieIn(answer: ListenResult): Buffer {
  if (answer.type !== 'reply') throw new Error(`no HelloVerifyRequest but ${answer.type}`);
  const bytes = Buffer.from(answer.datagram);
  return bytes.subarray(28, 28 + (bytes[27] ?? 0));
}

function accepted(answer: ListenResult): Association {
  if (answer.type !== 'accepted') throw new Error(`not accepted but ${answer.type}`);
  return answer.association;
}

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

test('junk that is sent into an unfinished handshake is not kept', () => {
  const server = serverContext();
  const hello = firstHello();
  const cookie = cookieIn(server.listen('attacker:1', forge(hello, noCookie, 0, 0), now));
  const session = accepted(server.listen('attacker:1', forge(hello, cookie, 1, 1), now));
  const junk = new Uint8Array(60_000).fill(0xff);
  for (let k = 0; k < 200; k++) session.receive(junk, now);
  const before = process.memoryUsage().rss;
  for (let k = 0; k < 4000; k++) session.receive(junk, now);
  // 240 MB have gone by.
  expect(process.memoryUsage().rss - before).toBeLessThan(60_000_000);
  session.abort();
});
