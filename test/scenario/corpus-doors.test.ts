import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { utf8 } from '../../src/core/bytes.ts';
import { systemRandom } from '../../src/core/random.ts';
import { createDevelopmentPki } from '../../src/pki/development.ts';
import { doorCorpus, lampKey } from '../support/corpus-doors.ts';
import { preSharedKeys, withGroup } from '../support/enrollment.ts';
import { RawSession } from '../support/raw-session.ts';
import { entryOf, refusalOf, SkippingTimers, startTestService, type TestService } from '../support/service.ts';
import { until } from '../support/until.ts';

/** Handshakes that come to nothing: each has an attempt with its reason, over both transports. */
const strangers = createDevelopmentPki({
  devices: 1,
  hubId: 'd03a1bb4-0a77-428c-b78c-1c46efe6a38e',
  now: Date.now(),
  random: systemRandom,
});
const timers = new SkippingTimers();
let running: TestService;

beforeAll(async () => {
  running = await startTestService({
    timers,
    settings: (settings) => withGroup(settings, 'Lamps', preSharedKeys({ 'lamp-1': lampKey })),
  });
});
afterAll(() => running.close());

const names = doorCorpus({ chain: [], privateKey: strangers.devices[0]?.privateKey as never }, new Uint8Array());

describe.each([
  ['DTLS', 'udp'],
  ['TLS', 'tcp'],
] as const)('over %s', (_, transport) => {
  it.each(names.filter(({ streams }) => transport === 'tcp' || !streams))(
    '$name: $why -> $expected',
    async ({ name, expected }) => {
      const one = doorCorpus(running.device(), strangers.manufacturer.root.certificate.der).find(
        (door) => door.name === name,
      );
      if (!one) throw new Error('no such case');
      const at = timers.now();
      const port = running.port[transport];
      if (one.client instanceof Uint8Array) {
        const socket = connect({ port, host: '127.0.0.1' });
        socket.on('error', () => undefined);
        socket.end(one.client);
      } else {
        const session = await RawSession.open({ maxVersion: '1.2', ...one.client, transport, port });
        // Over DTLS a wrong key is met with silence (RFC 6347 §4.1.2.7): time has to pass.
        if (expected === 'attest.wrong-psk' && transport === 'udp') {
          await until(() => session.sent.length >= 3);
          // The service has read it when somebody who came later is known by his name.
          const later = await RawSession.open({ transport, port, psk: { identity: utf8('lamp-1'), key: lampKey } });
          (await later.established()).cut();
          timers.skip(60_000);
        } else {
          await session.ended();
        }
        session.cut();
      }
      const attempt = await running.attempt(
        (found) => (found.entries[0]?.at ?? 0) >= at && refusalOf(found) !== undefined,
      );
      const refusal = refusalOf(attempt);
      expect(refusal?.code, JSON.stringify(attempt.entries)).toBe(expected);
      for (const [field, text] of Object.entries(one.says ?? {}))
        expect(String(refusal?.evidence[field])).toContain(text);
      expect(refusal?.fix).toContain(one.fix ?? ' ');
      expect(entryOf(attempt, 'opened')?.transport).toBe(transport === 'udp' ? 'coaps' : 'coaps+tcp');
    },
  );
});
