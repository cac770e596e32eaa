import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { limits } from '../../src/core/limits.ts';
import { createSecureContext } from '../../src/secure/engine.ts';
import { manufacturer, withGroup } from '../support/enrollment.ts';
import { makeIdentities } from '../support/identities.ts';
import { RawSession } from '../support/raw-session.ts';
import { entryOf, refusalOf, startTestService, type TestService } from '../support/service.ts';

const strangers = 5000;
const atOnce = 50;
const identities = makeIdentities(Date.now());
let running: TestService;

beforeAll(async () => {
  const { anchors, crls } = identities;
  running = await startTestService({
    settings: (settings) => withGroup(settings, 'Acme', manufacturer({ anchors, crls })),
  });
});
afterAll(() => running.close());

it('five thousand strangers leave a bounded number of attempts and exact counts, and the known chain among them its reason', async () => {
  const first = Date.now();
  // What strangers say first: a ClientHello that we have nothing in common with, or no TLS at all.
  const hello = clientHello(['PSK-AES128-CBC-SHA256']);
  const http = Buffer.from('GET / HTTP/1.1\r\n\r\n');
  for (let done = 0; done < strangers; done += atOnce)
    await Promise.all(Array.from({ length: atOnce }, (_, k) => knock(k % 2 === 0 ? hello : http)));
  const { expired } = identities.named;
  for (const transport of ['udp', 'tcp'] as const) {
    const session = await RawSession.open({ transport, port: running.port[transport], identity: expired });
    await session.ended();
  }
  const explained = await running.attempt((attempt) => refusalOf(attempt)?.code === 'attest.expired');
  expect(entryOf(explained, 'chain')?.certificates.length).toBeGreaterThan(0);
  expect(entryOf(explained, 'client-hello')).toBeDefined();
  expect(refusalOf(explained)?.evidence).toMatchObject({ depth: 0, nearestGroup: 'Acme' });

  await running.service.provisioner.sweep(Date.now());
  const counts = await running.service.store.refusalCounts(first);
  const sum = (code: string, of: 'count' | 'recorded'): number =>
    counts.reduce((total, count) => total + (count.code === code ? count[of] : 0), 0);
  const minutesPassed = Math.floor(Date.now() / 60_000) - Math.floor(first / 60_000) + 1;
  const attempts = await running.attempts();
  for (const code of ['attest.no-common-suite', 'attest.not-tls']) {
    expect(sum(code, 'count')).toBe(strangers / 2);
    const recorded = attempts.filter((attempt) => refusalOf(attempt)?.code === code);
    expect(recorded.length).toBe(sum(code, 'recorded'));
    expect(recorded.length).toBeLessThanOrEqual(limits.provision.strangersRecorded * minutesPassed);
  }
  expect(sum('attest.expired', 'count')).toBe(2);
  expect(sum('attest.expired', 'recorded')).toBe(2);
  expect(attempts.length).toBe(counts.reduce((total, { recorded }) => total + recorded, 0));
  expect(running.errors).toEqual([]);
});

/** A whole ClientHello with one cipher suite, which can be sent again and again. */
function clientHello(ciphers: readonly string[]): Uint8Array {
  const psk = { identity: Buffer.from('nobody'), key: Buffer.alloc(16, 1) };
  const context = createSecureContext({ transport: 'stream', role: 'client', ciphers, psk, maxVersion: '1.2' });
  const association = context.connect(Date.now());
  const bytes = Buffer.concat(association.takeOutput());
  association.abort();
  return bytes;
}

/** Connects, says it, and waits until it is hung up. */
async function knock(words: Uint8Array): Promise<void> {
  const socket = connect(running.port.tcp, '127.0.0.1');
  socket.on('error', () => undefined).resume();
  const closed = once(socket, 'close');
  socket.write(words);
  await closed;
}
