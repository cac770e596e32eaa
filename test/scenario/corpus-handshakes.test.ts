import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { errorTable } from '../../src/core/errors.ts';
import type { Attempt } from '../../src/store/model.ts';
import type { ChainCase } from '../support/corpus-bench.ts';
import { chainCorpus } from '../support/corpus-chains.ts';
import { manufacturer, withGroup } from '../support/enrollment.ts';
import { askDatagram, contentOf, deviceRequest, paths, RawStream } from '../support/raw-coap.ts';
import { RawSession } from '../support/raw-session.ts';
import { entryOf, refusalOf, startTestService, type TestService } from '../support/service.ts';
import { until } from '../support/until.ts';

/** The whole corpus of chains at the door of the running service: what is on record has to be the first cause. */
const corpus = chainCorpus(Date.now());

let running: TestService;

beforeAll(async () => {
  running = await startTestService({ settings: (settings) => withGroup(settings, 'Acme', manufacturer(corpus)) });
});
afterAll(async () => {
  await running.close();
});

describe.each([
  ['DTLS', 'udp'],
  ['TLS', 'tcp'],
] as const)('over %s', (_, transport) => {
  const open = (identity: ChainCase): Promise<RawSession> => {
    const { onTheWire } = identity;
    const tamper = onTheWire && { tamper: (bytes: Uint8Array) => [onTheWire(bytes)] };
    return RawSession.open({ transport, port: running.port[transport], identity, maxVersion: '1.2', ...tamper });
  };

  it.each(corpus.cases)('$name: $why -> $expected', async (identity) => {
    const at = Date.now();
    const session = await open(identity);
    await until(() => session.has('established') || session.has('closed') || session.hungUp);
    const message = deviceRequest(paths.ownership);
    const ask = () => (transport === 'udp' ? askDatagram(session, message) : new RawStream(session).ask(message));
    if (identity.expected === 'accepted') {
      expect(contentOf(await ask())).toHaveProperty('devowneruuid');
      session.close();
      return;
    }
    // What OpenSSL lets pass is refused by the pipeline: the device is told so in words.
    if (session.has('established') && !session.has('closed')) {
      const { code, payload } = await ask().catch(() => ({ code: 401, payload: undefined }));
      expect(code).toBe(401);
      if (payload) expect(Buffer.from(payload).toString()).toContain(errorTable[identity.expected].text);
      session.close();
    } else {
      session.cut();
    }
    const attempt = await running.attempt((one) => since(one, at) && entryOf(one, 'closed') !== undefined);
    expect(refusalOf(attempt)?.code, JSON.stringify(refusalOf(attempt))).toBe(identity.expected);
    for (const [name, text] of Object.entries(identity.says ?? {})) {
      expect(String(refusalOf(attempt)?.evidence[name])).toContain(text);
    }
  });
});

it('nothing of it was a fault of ours', () => {
  expect(running.errors).toEqual([]);
});

const since = ({ entries }: Attempt, at: number): boolean => (entries[0]?.at ?? 0) >= at;
