import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CoapMessage } from '../../src/coap/message.ts';
import type { CborMap } from '../../src/codec/cbor.ts';
import { type ErrorCode, errorTable } from '../../src/core/errors.ts';
import { uuidV4 } from '../../src/core/ids.ts';
import { seededRandom } from '../../src/core/random.ts';
import { csrCorpus } from '../support/corpus-csrs.ts';
import { requestCorpus } from '../support/corpus-requests.ts';
import { askDatagram, contentOf, deviceRequest, paths, RawStream } from '../support/raw-coap.ts';
import { RawSession } from '../support/raw-session.ts';
import { entryOf, startTestService, type TestService } from '../support/service.ts';

/** Broken certificate requests and requests, as devices send them to the running service. */
const deviceId = uuidV4(seededRandom(11));
const taken = uuidV4(seededRandom(12));
const csrs = csrCorpus(deviceId);
const hub = '01234567-89ab-4cde-8f01-23456789abcd';
const requests = requestCorpus(deviceId, hub, taken);

let running: TestService;

beforeAll(async () => {
  running = await startTestService({
    devices: 2,
    settings: (settings) => ({
      ...settings,
      groups: settings.groups.map((group) => ({ ...group, hubs: [...group.hubs, hub] })),
    }),
  });
  const other = await RawSession.open({ transport: 'tcp', port: running.port.tcp, identity: running.device(1) });
  await other.established();
  contentOf(await new RawStream(other).ask(deviceRequest(paths.cloud, { di: taken })));
  other.close();
});
afterAll(() => running.close());

it('has at least ten requests and ten certificate requests', () => {
  expect(Math.min(csrs.length, requests.length)).toBeGreaterThanOrEqual(10);
});

describe.each([
  ['DTLS', 'udp'],
  ['TLS', 'tcp'],
] as const)('over %s', (_, transport) => {
  const tell = async (messages: readonly CoapMessage[]): Promise<CoapMessage | undefined> => {
    const session = await RawSession.open({ transport, port: running.port[transport], identity: running.device() });
    await session.established();
    const stream = new RawStream(session);
    let answer: CoapMessage | undefined;
    for (const message of messages) {
      answer = await (transport === 'udp' ? askDatagram(session, message) : stream.ask(message));
    }
    session.close();
    return answer;
  };
  const isRefused = (answer: CoapMessage | undefined, expected: ErrorCode): void => {
    const { coap, text } = errorTable[expected];
    expect(Buffer.from(answer?.payload ?? []).toString()).toBe(`${expected}: ${text}`);
    expect(answer?.code).toBe(coap);
  };

  it.each(requests)('$name: $why -> $expected', async ({ messages, expected }) => {
    isRefused(await tell(messages()), expected);
  });

  it.each(csrs)('$name: $why -> $expected', async ({ csr, expected }) => {
    const body: CborMap = { di: deviceId, ...(csr !== undefined && { csr }) };
    isRefused(await tell([deviceRequest(paths.credentials, body)]), expected);
    const attempt = await running.attempt(({ entries }) =>
      entries.some((entry) => entry.type === 'stage' && entry.refusal?.code === expected),
    );
    expect(entryOf(attempt, 'opened')).toBeDefined();
  });
});
