import { createPrivateKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { IncomingResponse, OutgoingRequest } from '../../../src/coap/endpoint.ts';
import { createStreamEndpoint } from '../../../src/coap/stream.ts';
import { decodeCbor, encodeCbor, isCborMap } from '../../../src/codec/cbor.ts';
import { decodePemBlock } from '../../../src/codec/pem.ts';
import { fromHex, toHex } from '../../../src/core/bytes.ts';
import { hours } from '../../../src/core/clock.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { readCredentials } from '../../../src/device/credentials.ts';
import { DeviceMachine } from '../../../src/device/machine.ts';
import type { Link } from '../../../src/device/requests.ts';
import { readCsr } from '../../../src/pki/csr.ts';
import { benchDeps, benchSettings, createKey, credentialsOf, issue, publicKeyOf } from '../../support/device-bench.ts';

interface Recorded {
  readonly name: string;
  readonly sender: 'device' | 'service';
  readonly message: string;
}

const recorded = JSON.parse(
  readFileSync(new URL('../../vectors/device/plgd-device-tcp-run.json', import.meta.url), 'utf8'),
) as readonly Recorded[];

/** Token length 8; what stands before it is the length field and the code, what follows the options and the payload. */
function parts(message: Uint8Array): { code: number; options: string; payload: Uint8Array } {
  const nibble = (message[0] ?? 0) >> 4;
  const at = nibble === 13 ? 2 : nibble === 14 ? 3 : 1;
  const rest = message.subarray(at + 1 + 8);
  const marker = optionsEnd(rest);
  return { code: message[at] ?? 0, options: toHex(rest.subarray(0, marker)), payload: rest.subarray(marker + 1) };
}

/** Where the payload marker is, or the end. */
function optionsEnd(bytes: Uint8Array): number {
  let at = 0;
  while (at < bytes.length && bytes[at] !== 0xff) {
    const first = bytes[at++] ?? 0;
    const delta = first >> 4;
    let length = first & 15;
    at += delta === 13 ? 1 : delta === 14 ? 2 : 0;
    if (length === 13) length = 13 + (bytes[at++] ?? 0);
    at += length;
  }
  return at;
}

const recordedBytes = (name: string, sender: 'device' | 'service'): Uint8Array =>
  fromHex(recorded.find((entry) => entry.name === name && entry.sender === sender)?.message ?? '');

/** What a recorded answer of the service says, read by our own CoAP endpoint. */
function recordedAnswer(name: string): IncomingResponse {
  const message = recordedBytes(name, 'service');
  const endpoint = createStreamEndpoint({ random: seededRandom(1) });
  const tokenAt = (message[0] ?? 0) >> 4 === 14 ? 4 : 3;
  endpoint.request({ method: 'GET', path: ['x'], token: message.slice(tokenAt, tokenAt + 8) }, 0);
  endpoint.takeOutput();
  endpoint.receive(message, 0);
  const event = endpoint.takeEvents().find(({ type }) => type === 'response');
  if (event?.type !== 'response') throw new Error(`no answer recorded for ${name}`);
  return event.response;
}

/** The bytes of a request as our CoAP endpoint sends it. */
function encoded(request: OutgoingRequest): Uint8Array {
  const endpoint = createStreamEndpoint({ random: seededRandom(1) });
  endpoint.takeOutput();
  endpoint.request(request, 0);
  return endpoint.takeOutput()[0] ?? new Uint8Array();
}

const cloudRequest = decodeCbor(parts(recordedBytes('cloud', 'device')).payload);
const deviceId = isCborMap(cloudRequest) ? String(cloudRequest.di) : '';
const csrBody = decodeCbor(parts(recordedBytes('credentials', 'device')).payload);
const csrText = isCborMap(csrBody) && isCborMap(csrBody.csr) ? String(csrBody.csr.data) : '';
const publishBody = decodeCbor(parts(recordedBytes('publish', 'device')).payload);
const links: readonly Link[] = (isCborMap(publishBody) ? (publishBody.links as readonly unknown[]) : []).map((item) => {
  const link = item as { href: string; rt: string[]; if: string[]; ins: number };
  return { href: link.href, types: link.rt, interfaces: link.if, instance: link.ins };
});

/** Replays the run against our machine with the uuid and the certificate request of the recorded device. */
function replay(): { readonly sent: Map<string, OutgoingRequest>; readonly machine: DeviceMachine } {
  const sent = new Map<string, OutgoingRequest>();
  const key = createKey();
  const machine = new DeviceMachine(
    { deviceId, key, endpoints: [{ uri: 'coaps+tcp://127.0.0.1:20030' }], selected: 0 },
    { ...benchSettings, name: 'dpsdev', links },
    { ...benchDeps, createCsr: () => csrText },
  );
  const names = ['time', 'ownership', 'cloud', 'credentials', 'acls', 'sign-up', 'sign-in', 'publish'];
  let now = Date.UTC(2026, 10, 21, 10, 42, 9);
  machine.start(now);
  for (let round = 0; sent.size < names.length && round < 100; round++) {
    const actions = machine.takeActions();
    for (const action of actions) {
      if (action.type === 'open') machine.connected(action.session, now);
      if (action.type !== 'request') continue;
      const name = names[sent.size] ?? '';
      sent.set(name, action.request);
      // Two answers are not on record whole: the one certifies a key that only the recorded device has.
      const answer: IncomingResponse =
        name === 'credentials'
          ? {
              ...recordedAnswer('cloud'),
              payload: encodeCbor(credentialsOf(deviceId, issue(deviceId, publicKeyOf(key), now).certificate)),
            }
          : name === 'publish'
            ? { ...recordedAnswer('sign-in'), payload: encodeCbor({}) }
            : recordedAnswer(name);
      machine.response(action.exchange, answer, now);
    }
    if (actions.length === 0) now = machine.nextTimeout() ?? now;
    machine.handleTimeout(now);
  }
  return { sent, machine };
}

describe('a recorded run of the reference device', () => {
  const { sent, machine } = replay();

  it('its answers take our device to its cloud', () => {
    expect(machine.online).toBe(true);
    expect(machine.status.progress).toBe(10645);
    expect(machine.state).toMatchObject({
      owner: '5c4b3a29-1807-4f6e-8d5c-4b3a29180700',
      cloud: {
        provider: 'plgd',
        accessToken: 'the-access-token',
        gateways: [{ uri: 'coaps+tcp://127.0.0.1:20031', id: '11111111-2222-4333-8444-555555555555' }],
        registration: { userId: 'user1', accessToken: 'at2', refreshToken: 'rt2' },
      },
    });
    expect(machine.state.acl).toHaveLength(3);
  });

  it.each(['time', 'ownership', 'cloud', 'credentials', 'acls', 'sign-up', 'sign-in', 'publish'])(
    '%s is asked for with the same bytes, but for token and indefinite lengths',
    (name) => {
      const request = sent.get(name);
      if (!request) throw new Error(`${name} was not asked for`);
      const ours = parts(encoded(request));
      const theirs = parts(recordedBytes(name, 'device'));
      expect(ours.code).toBe(theirs.code);
      expect(ours.options).toBe(theirs.options);
      expect(toHex(ours.payload)).toBe(
        theirs.payload.length === 0 ? '' : toHex(encodeCbor(decodeCbor(theirs.payload))),
      );
    },
  );

  it('our certificate requests have the shape of its own', () => {
    const theirs = readCsr(decodePemBlock(csrText, 'CERTIFICATE REQUEST', 'wire'));
    const ours = readCsr(
      decodePemBlock(benchDeps.createCsr(createPrivateKey(createKey()), deviceId), 'CERTIFICATE REQUEST', 'wire'),
    );
    expect(toHex(ours.subject.der)).toBe(toHex(theirs.subject.der));
    expect(ours.signatureAlgorithm).toBe(theirs.signatureAlgorithm);
    expect(ours.publicKey.kind).toEqual(theirs.publicKey.kind);
    expect(ours.info.length).toBe(theirs.info.length);
  });

  it('an identity for its own key passes the check that our device makes', () => {
    const { publicKey } = readCsr(decodePemBlock(csrText, 'CERTIFICATE REQUEST', 'wire'));
    const time = Date.UTC(2026, 10, 21, 10, 42, 9);
    const map = credentialsOf(deviceId, issue(deviceId, publicKey, time).certificate);
    const check = { deviceId, publicKey: publicKey.spki, time, expiring: hours(1) };
    expect(readCredentials(map, check)).toMatchObject({ ok: true });
  });
});
