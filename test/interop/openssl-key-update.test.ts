import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { limits } from '../../src/core/limits.ts';
import type { AssociationEvent } from '../../src/secure/association.ts';
import { createSecureContext, engineStatistics } from '../../src/secure/engine.ts';
import { identityOf, makePki } from '../support/chains.ts';
import { findPeer } from '../support/peers.ts';
import { until } from '../support/until.ts';
import { messagesOf } from '../support/wire.ts';

// Only s_client can send a TLS 1.3 KeyUpdate on demand: a line "K" on its input (RFC 8446 §4.6.3).
const openssl = findPeer('openssl');

const pki = await makePki();
const started: ChildProcessWithoutNullStreams[] = [];

afterEach(() => {
  for (const child of started.splice(0)) child.kill();
});

describe.skipIf(openssl.missing)(`KeyUpdate from s_client of ${openssl.title}`, () => {
  it('is followed: messages go on under the new keys', async () => {
    const { events, input, close } = await connectClient();
    await input('K\n');
    await input('after\n');
    await until(() => messagesOf(events).includes('after\n'));
    await close();
  });

  it('in a flood ends the session', async () => {
    const { events, input, close } = await connectClient();
    const ended = (): boolean => events.some(({ type }) => type === 'closed');
    for (let i = 0; i < 3 * limits.secure.keyUpdates && !ended(); i++) await input('K\n');
    await until(ended);
    expect(events.at(-1)).toMatchObject({ type: 'closed', end: { reason: 'failed', error: 'too many key updates' } });
    expect(engineStatistics().sessions).toBe(0);
    await close();
  });
});

async function connectClient() {
  const context = createSecureContext({
    transport: 'stream',
    role: 'server',
    identity: identityOf(pki.server, pki.intermediate),
  });
  const events: AssociationEvent[] = [];
  let received = 0;
  const server = createServer((socket: Socket) => {
    const association = context.accept(Date.now());
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      received += bytes.length;
      association.receive(bytes, Date.now());
      for (let more = association.takeEvents(); more.length > 0; more = association.takeEvents()) events.push(...more);
      for (const output of association.takeOutput()) socket.write(output);
    });
    socket.on('close', () => association.abort());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  const client = spawn('openssl', ['s_client', '-tls1_3', '-connect', `127.0.0.1:${port}`]);
  started.push(client);
  client.stdout.resume();
  client.stderr.resume();
  client.stdin.on('error', () => undefined);
  await until(() => events.some(({ type }) => type === 'established'));
  return {
    events,
    /** A line at a time: s_client looks at the first letter of what one read gives it. Each makes it send something. */
    input: async (line: string): Promise<void> => {
      const before = received;
      client.stdin.write(line);
      await until(() => received > before || events.some(({ type }) => type === 'closed'));
    },
    close: async (): Promise<void> => {
      client.kill();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
