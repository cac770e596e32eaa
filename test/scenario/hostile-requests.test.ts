import { generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeDatagram, encodeDatagram } from '../../src/coap/datagram.ts';
import { encodeFrame } from '../../src/coap/framing.ts';
import type { CoapMessage } from '../../src/coap/message.ts';
import { opaqueOption, optionNumber, uintOption } from '../../src/coap/options.ts';
import { type CborValue, encodeCbor } from '../../src/codec/cbor.ts';
import { encodePem } from '../../src/codec/pem.ts';
import { concatBytes, equalBytes, fromHex, fromUtf8, toHex } from '../../src/core/bytes.ts';
import { seconds } from '../../src/core/clock.ts';
import { errorTable } from '../../src/core/errors.ts';
import { limits } from '../../src/core/limits.ts';
import { seededRandom } from '../../src/core/random.ts';
import { createCsr } from '../../src/pki/csr.ts';
import { uuidSubject } from '../../src/pki/name.ts';
import { residentBytes } from '../support/memory.ts';
import { damaged, drawn } from '../support/mutation.ts';
import { askDatagram, contentOf, deviceRequest, paths, RawStream } from '../support/raw-coap.ts';
import { RawSession } from '../support/raw-session.ts';
import { refusalOf, SkippingTimers, startTestService, type TestService } from '../support/service.ts';
import { until } from '../support/until.ts';

/** What a device that got in may try: hostile CoAP, CBOR and DER, from one seed. */
const random = seededRandom(20_253);
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });

const someId = '41565d33-acc1-44ce-5dd0-25c86cbd0bce';
const timers = new SkippingTimers();
let running: TestService;
let bystander: RawSession;

beforeAll(async () => {
  running = await startTestService({ devices: 6, timers });
  bystander = await RawSession.open({ transport: 'udp', port: running.port.udp, identity: running.device(0) });
  await bystander.established();
});
afterAll(async () => {
  bystander.cut();
  await running.close();
});

/** Another device's open session goes on, and nothing unexpected has happened. */
async function expectUndisturbed(): Promise<void> {
  contentOf(await askDatagram(bystander, deviceRequest(paths.time)));
  expect(running.errors).toEqual([]);
}

const pemOf = (der: Uint8Array): string => encodePem('CERTIFICATE REQUEST', der);

/** The error code that an answer names in its text; undefined for a good one. */
function codeIn({ code, payload }: CoapMessage): string | undefined {
  if (code < 400) return undefined;
  const name = fromUtf8(payload).split(':')[0] ?? '';
  expect(Object.keys(errorTable)).toContain(name);
  return name;
}

describe.each(['udp', 'tcp'] as const)('over %s', (transport) => {
  const deviceId =
    transport === 'udp' ? '21565d33-acc1-44ce-5dd0-25c86cbd0bce' : '31565d33-acc1-44ce-5dd0-25c86cbd0bce';
  const csr = createCsr({ privateKey, subject: uuidSubject(deviceId) });
  const credentials = (data: CborValue): Uint8Array =>
    encodeCbor({ di: deviceId, csr: { data, encoding: 'oic.sec.encoding.pem' } });
  let session: RawSession;
  let ask: (request: CoapMessage) => Promise<CoapMessage>;

  beforeAll(async () => {
    session = await RawSession.open({
      transport,
      port: running.port[transport],
      identity: running.device(transport === 'udp' ? 1 : 2),
    });
    await session.established();
    const stream = new RawStream(session);
    ask = transport === 'udp' ? (request) => askDatagram(session, request) : (request) => stream.ask(request);
    contentOf(await ask(deviceRequest(paths.time)));
  });
  afterAll(() => session.close());

  it('damaged certificate requests are refused as what they are, and none is signed', async () => {
    for (let k = 0; k < 500; k++) {
      const der = damaged(csr, random);
      const answer = await ask(deviceRequest(paths.credentials, credentials(pemOf(der))));
      const good = equalBytes(der, csr);
      expect([toHex(der), codeIn(answer)?.replace(/^csr\..*/, 'csr') ?? 'signed']).toEqual([
        toHex(der),
        good ? 'signed' : 'csr',
      ]);
    }
    await expectUndisturbed();
  });

  it.each([
    ['PEM of something else', encodePem('CERTIFICATE', csr), 'csr.encoding'],
    ['no PEM', 'certificate request', 'csr.encoding'],
    ['bytes', csr, 'csr.encoding'],
    ['two requests', pemOf(csr) + pemOf(csr), 'csr.encoding'],
    ['an empty request', pemOf(Uint8Array.of(0x30, 0)), 'csr.malformed'],
    ['a length of 4 GB', pemOf(fromHex('3084ffffffff3000')), 'csr.malformed'],
    ['an indefinite length', pemOf(fromHex('30800000')), 'csr.malformed'],
    ['1,000 levels of sequences', pemOf(new Uint8Array(2_000).fill(0x30)), 'csr.malformed'],
    ['a tail', pemOf(concatBytes(csr, Uint8Array.of(0))), 'csr.malformed'],
  ] as const)('a certificate request that is %s is refused', async (_, data, code) => {
    expect(codeIn(await ask(deviceRequest(paths.credentials, credentials(data))))).toBe(code);
  });

  it('damaged CBOR is refused, or is what it says', async () => {
    const bodies = [
      encodeCbor({ di: deviceId, selectedGateway: { uri: 'coaps+tcp://127.0.0.1', id: deviceId } }),
      credentials(pemOf(csr)),
    ];
    for (let k = 0; k < 500; k++) {
      const body = bodies[k % 2] ?? new Uint8Array();
      const path = k % 2 ? paths.credentials : paths.cloud;
      const answer = await ask(deviceRequest(path, drawn(random, 4) ? damaged(body, random) : random.bytes(60)));
      expect(codeIn(answer)?.replace(/\..*/, '') ?? 'served').toMatch(/^(cbor|request|csr|bind|served)$/);
    }
    await expectUndisturbed();
  });

  it.each([
    ['3,000 nested arrays', new Uint8Array(3_000).fill(0x81), 'cbor.limit'],
    ['3,000 nested indefinite maps', new Uint8Array(3_000).fill(0xbf), /^cbor/],
    ['an array of 2^64 - 1', fromHex('9bffffffffffffffff00'), /^cbor/],
    ['a map of 2^63', fromHex('bb800000000000000000'), /^cbor/],
    ['a text of 2^31', fromHex('7a80000000616161'), 'cbor.malformed'],
    ['bytes of 2^53', fromHex('5b002000000000000061'), 'cbor.malformed'],
    ['a bignum', fromHex('c249010000000000000000'), /^cbor/],
    ['said to have 5,000 items', fromHex('991388000000'), /^cbor/],
    ['text that is not UTF-8', fromHex('a162646962c328'), 'cbor.malformed'],
    ['a key twice', fromHex('a262646961616264696162'), 'cbor.malformed'],
    ['__proto__ as a key', encodeProto(), /./],
    ['an array', Uint8Array.of(0x80), 'request.malformed'],
    ['nothing', new Uint8Array(), 'request.malformed'],
  ] as const)('CBOR that is %s is refused', async (_, body, code) => {
    expect(codeIn(await ask(deviceRequest(paths.cloud, body)))).toMatch(code);
    await expectUndisturbed();
  });

  it.each([
    ['an unknown critical option', [opaqueOption(65_001, Uint8Array.of(1))], 402],
    ['If-Match', [opaqueOption(optionNumber.ifMatch, Uint8Array.of(1))], 402],
    ['Accept of an unknown format', [uintOption(optionNumber.accept, 999)], 406],
    ['Accept of four bytes', [uintOption(optionNumber.accept, 0x1000_0000)], 402],
    ['a Proxy-Uri', [opaqueOption(optionNumber.proxyUri, Buffer.from('coap://elsewhere'))], undefined],
    ['a Uri-Path that is not UTF-8', [opaqueOption(optionNumber.uriPath, fromHex('c328'))], 402],
    ['a Block1 beyond all bounds', [uintOption(optionNumber.block1, 0xff_ffff)], undefined],
    ['a Block2 far behind the end', [uintOption(optionNumber.block2, 0xff_fff6)], undefined],
    ['sixty-five options', Array.from({ length: 65 }, () => opaqueOption(292, Uint8Array.of(1))), undefined],
    ['unknown elective options', [opaqueOption(65_000, new Uint8Array(1000))], 205],
  ] as const)('a request with %s is answered with a code of the contract', async (_, extra, code) => {
    const time = deviceRequest(paths.time);
    const options = [...time.options.filter(({ number }) => !extra.some((other) => other.number === number)), ...extra];
    const ordered = options.toSorted((a, b) => a.number - b.number);
    if (transport === 'tcp' && extra.length > limits.coap.options) return;
    const request = { ...time, options: ordered };
    if (extra.length > limits.coap.options)
      session.send(encodeDatagram({ type: 'NON', messageId: 7, message: request }));
    else {
      const answer = await ask(request);
      if (code) expect(answer.code).toBe(code);
      else expect([205, 400, 402, 404, 405, 413, 505]).toContain(answer.code);
    }
    await expectUndisturbed();
  });

  it.each(['PUT', 'DELETE', 'FETCH', 'PATCH', 'iPATCH', 'a method nobody knows'] as const)(
    '%s is refused',
    async (name) => {
      const code = { PUT: 3, DELETE: 4, FETCH: 5, PATCH: 6, iPATCH: 7, 'a method nobody knows': 31 }[name];
      expect((await ask({ ...deviceRequest(paths.time), code })).code).toBe(405);
    },
  );

  it('two hundred requests in one breath are all answered, and the session goes on', async () => {
    const requests = Array.from({ length: 200 }, () => deviceRequest(paths.ownership));
    const tokens = new Set(requests.map(({ token }) => toHex(token)));
    if (transport === 'tcp') {
      session.send(concatBytes(...requests.map(encodeFrame)));
      const stream = new RawStream(session);
      while (tokens.size > 0) {
        const answer = await stream.next();
        expect(answer.code).toBe(205);
        expect(tokens.delete(toHex(answer.token))).toBe(true);
      }
    } else {
      requests.forEach((message, at) => {
        session.send(encodeDatagram({ type: 'NON', messageId: 1000 + at, message }));
      });
      const codes: number[] = [];
      while (tokens.size > 0) {
        const { message } = datagramIn(await session.next());
        if (tokens.delete(toHex(message.token))) codes.push(message.code);
      }
      // More than a session may have in flight are told to come again (never 4.29: a device takes that for success).
      expect(codes).toContain(205);
      expect(codes.filter((code) => code !== 205 && code !== 503)).toEqual([]);
    }
    contentOf(await ask(deviceRequest(paths.time)));
    await expectUndisturbed();
  });
});

it('a megabyte of requests in one breath over tcp is read as fast as it is answered, and all of it is', async () => {
  const session = await RawSession.open({ transport: 'tcp', port: running.port.tcp, identity: running.device(3) });
  await session.established();
  const stream = new RawStream(session);
  const padding = opaqueOption(65_000, new Uint8Array(1000));
  const time = deviceRequest(paths.time);
  const count = 1_000;
  for (let k = 0; k < count; k++) {
    session.send(encodeFrame({ ...time, token: random.bytes(8), options: [...time.options, padding] }));
  }
  for (let answered = 0; answered < count; ) {
    const { code } = await stream.next();
    if (code === 701) continue;
    expect(code).toBe(205);
    answered++;
  }
  session.close();
  await expectUndisturbed();
});

it('damaged CoAP datagrams inside a session are answered or dropped, and the session goes on', async () => {
  const session = await RawSession.open({ transport: 'udp', port: running.port.udp, identity: running.device(3) });
  await session.established();
  const request = encodeDatagram({ type: 'CON', messageId: 1, message: deviceRequest(paths.cloud, { di: someId }) });
  for (let k = 0; k < 3_000; k++) {
    session.send(drawn(random, 5) ? damaged(request, random) : random.bytes(1 + drawn(random, 80)));
    if (k % 100 === 0) contentOf(await askDatagram(session, deviceRequest(paths.time)));
  }
  contentOf(await askDatagram(session, deviceRequest(paths.time)));
  session.close();
  await expectUndisturbed();
});

it('damaged CoAP streams end with an Abort or a goodbye, each alone', async () => {
  const request = encodeFrame(deviceRequest(paths.cloud, { di: someId }));
  for (let k = 0; k < 60; k++) {
    const session = await RawSession.open({ transport: 'tcp', port: running.port.tcp, identity: running.device(4) });
    await session.established();
    for (let more = 0; more < 10; more++) session.send(damaged(request, random));
    session.send(random.bytes(200));
    await new Promise((resolve) => setTimeout(resolve, 2));
    session.cut();
  }
  await expectUndisturbed();
});

it.each([
  ['a message of 4 GB', fromHex('f0ffffffff02'), /bytes is over the limit/],
  ['a message over the limit', concatBytes(fromHex('e02f0002'), new Uint8Array(100)), /over the limit/],
  ['a token of 15 bytes', concatBytes(fromHex('0f01'), new Uint8Array(40)), /token/],
  ['an unknown critical option in a CSM', fromHex('20e1d100'), /option/],
] as const)('%s on a stream is answered with an Abort that says why', async (_, bytes, why) => {
  const session = await RawSession.open({ transport: 'tcp', port: running.port.tcp, identity: running.device(4) });
  await session.established();
  const stream = new RawStream(session);
  session.send(bytes);
  let last: CoapMessage = await stream.next();
  while (last.code !== 705) last = await stream.next();
  expect(fromUtf8(last.payload)).toMatch(why);
  await session.ended();
  await expectUndisturbed();
});

it('bodies that are begun block by block and never ended are bounded, and told so', async () => {
  const session = await RawSession.open({ transport: 'udp', port: running.port.udp, identity: running.device(3) });
  await session.established();
  const before = await residentBytes();
  const block = (number: number, more: boolean) => uintOption(optionNumber.block1, (number << 4) | (more ? 8 : 0) | 6);
  const codes = new Set<number>();
  for (let body = 0; body < 500; body++) {
    const request = deviceRequest(paths.cloud, new Uint8Array(1024));
    const tag = opaqueOption(292, fromHex(body.toString(16).padStart(8, '0')));
    const options = [...request.options, block(0, true), tag].toSorted((a, b) => a.number - b.number);
    codes.add((await askDatagram(session, { ...request, options })).code);
  }
  expect([...codes].every((code) => [231, 413, 503].includes(code))).toBe(true);
  expect((await residentBytes()) - before).toBeLessThan(16 << 20);
  // One body without end.
  const request = deviceRequest(paths.cloud, new Uint8Array(1024));
  for (let number = 0; ; number++) {
    const options = [...request.options, block(number, true)].toSorted((a, b) => a.number - b.number);
    const { code } = await askDatagram(session, { ...request, token: random.bytes(8), options });
    if (code !== 231) {
      expect(code).toBe(413);
      expect(number * 1024).toBeLessThanOrEqual(limits.coap.bodyBytes);
      break;
    }
  }
  session.close();
  await expectUndisturbed();
});

it('a client that asks without reading is cut off, and costs no more than its bound', async () => {
  const before = await residentBytes();
  const session = await RawSession.open({
    transport: 'tcp',
    port: running.port.tcp,
    identity: running.device(5),
    deaf: true,
  });
  await session.established();
  const requests = concatBytes(...Array.from({ length: 50 }, () => encodeFrame(deviceRequest(paths.acls))));
  for (let k = 0; k < 800; k++) {
    session.send(requests);
    if (k % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await new Promise((resolve) => setTimeout(resolve, 500));
  await expectUndisturbed();
  // Most of it are entries of its attempt that wait for the disk (limits.store.queuedWrites).
  expect((await residentBytes()) - before).toBeLessThan(80 << 20);
  // It stalls once every buffer on the way is full, whenever that is; its run ends when no other session of it follows.
  await until(async () => {
    timers.skip(limits.session.stall + seconds(1));
    await running.service.provisioner.sweep(timers.now());
    return (await running.attempts()).some((attempt) => refusalOf(attempt)?.evidence.how === 'stalled');
  });
  session.cut();
});

function encodeProto(): Uint8Array {
  return concatBytes(fromHex('a1'), Uint8Array.of(0x69), Buffer.from('__proto__'), fromHex('a1626469f5'));
}

function datagramIn(bytes: Uint8Array) {
  const decoded = decodeDatagram(bytes);
  if (!decoded.ok) throw new Error(`a malformed datagram: ${decoded.text}`);
  return decoded.datagram;
}
