import { describe, expect, test } from 'vitest';
import { groupMessage, groupOfMessage, keyNotTold } from '../../../src/api/plgd/groups.ts';
import { inlineData, inlineText, stripped } from '../../../src/api/plgd/message.ts';
import { recordMessage } from '../../../src/api/plgd/records.ts';
import { encodeCertificates } from '../../../src/codec/pem.ts';
import { fromUtf8, toBase64, utf8 } from '../../../src/core/bytes.ts';
import type { DeviceView } from '../../../src/operator/operations.ts';
import type { Attempt, AttemptEntry, Device, EnrollmentGroup } from '../../../src/store/model.ts';
import { makeIdentities } from '../../support/identities.ts';
import { attemptId, someCredential, someDevice, someGroup, someHub, someUuid } from '../../support/store-records.ts';

const now = Date.UTC(2026, 5, 1);
const { root, intermediate } = makeIdentities(now);
const chain = encodeCertificates([intermediate.certificate.der, root.certificate.der]);
const base64 = (text: string): string => `data:;base64,${toBase64(utf8(text))}`;

describe('the key of a group', () => {
  const write = (preSharedKey: unknown, known?: EnrollmentGroup): EnrollmentGroup => {
    const x509 = { certificateChain: chain };
    const body = { attestationMechanism: { x509 }, hubIds: [someUuid(3)], preSharedKey };
    return groupOfMessage(body, { id: someUuid(1), owner: 'acme', now, ...(known && { known }) });
  };
  const keyOf = ({ ownerPsk, ownerPskShared }: EnrollmentGroup) => [ownerPsk, ownerPskShared];
  const derived = someGroup(1, { ownerPsk: toBase64(utf8('m'.repeat(32))) });
  const shared = someGroup(1, { ownerPsk: toBase64(utf8('0123456789abcdef')), ownerPskShared: true });

  test.each([
    ['in base64', base64('0123456789abcdef')],
    ['as text', 'data:,0123456789abcdef'],
    ['with escapes and a type', 'data:text/plain;charset=utf-8,%30123456789abcde%66'],
    ['of more than 16 bytes, of which no more counts', base64(`0123456789abcdef${'x'.repeat(100)}`)],
  ])('given %s is one for all devices', (_how, given) => {
    expect(keyOf(write(given))).toEqual([shared.ownerPsk, true]);
    expect(keyOf(write(given, derived))).toEqual([shared.ownerPsk, true]);
  });

  test('stays as it is, of whichever kind, when what was told of it is put back', () => {
    for (const known of [derived, shared]) {
      const { preSharedKey } = groupMessage(known);
      expect(preSharedKey).toBe(keyNotTold);
      expect(keyOf(write(preSharedKey, known))).toEqual(keyOf(known));
      expect(keyOf(write(base64(fromUtf8(inlineData(keyNotTold, 'k'))), known))).toEqual(keyOf(known));
    }
  });

  test('goes when none is sent', () => {
    expect(groupMessage(someGroup(1)).preSharedKey).toBe('');
    for (const none of ['', undefined, null]) expect(keyOf(write(none, shared))).toEqual([undefined, undefined]);
  });

  test.each([
    ['a path', '/etc/psk', /files of this host/],
    ['PEM, whose beginning everybody knows', chain, /files of this host/],
    ['a key that is too short', base64('0123456789abcde'), /16 bytes or more/],
    ['bad base64', 'data:;base64,0123*', /base64/],
    ['half an escape', 'data:,0123456789abcdef%4', /%XX/],
    ['a data URI without data', 'data:0123456789abcdef', /data:;base64/],
    ['what is told of a key, where there is none', keyNotTold, /none that could stay/],
    ['a number', 7, /text/],
  ])('%s is refused by its name', (_what, given, fix) => {
    const expected = { code: 'operator.input', evidence: { field: 'preSharedKey' }, fix: expect.stringMatching(fix) };
    expect(() => write(given)).toThrow(expect.objectContaining(expected));
  });

  test('text that is none is refused, and bytes are taken as they are', () => {
    expect(inlineData('data:,%ff%00', 'k')).toEqual(new Uint8Array([255, 0]));
    // As many escapes as a request has room for.
    expect(fromUtf8(inlineData(`data:,${'a%62'.repeat(250_000)}`, 'k'))).toBe('ab'.repeat(250_000));
    expect(() => inlineText('data:,%ff', 'secret')).toThrow(expect.objectContaining({ evidence: { field: 'secret' } }));
  });
});

describe('a record', () => {
  const hub = someHub(9);
  const group = someGroup(1, { hubs: [hub.id] });
  const at = (minute: number): number => now + minute * 60_000;
  const exchange = (step: string, minute: number, code = 204): AttemptEntry => ({
    at: at(minute),
    type: 'exchange',
    method: 'POST',
    path: step === 'time' ? '/x.plgd.dev/time' : `/api/v1/provisioning/${step}`,
    code,
    bytesIn: 1,
    bytesOut: 1,
    ms: 1,
    roundTrips: 1,
  });
  const run: Attempt = {
    id: attemptId(1),
    entries: [
      exchange('time', 1, 205),
      exchange('ownership', 2, 205),
      exchange('cloud-configuration', 3),
      exchange('credentials', 4),
      exchange('acls', 5, 205),
    ],
  };
  const renewal: Attempt = { id: attemptId(2), entries: [exchange('credentials', 20)] };
  const issued = (minute: number) =>
    someCredential(`0${minute}`, { issuedAt: at(minute), certificate: `certificate of minute ${minute}` });
  const recordOf = (changes: Partial<Device>, attempts: readonly Attempt[], credentials = [issued(4), issued(20)]) => {
    const device = someDevice(1, { createdAt: now, hubId: hub.id, lastSeenAt: at(1), ...changes });
    const view: DeviceView = { device, group, hub, owner: group.owner, credentials, attempts: [] };
    return recordMessage({ view, group, hub, attempts });
  };
  const ns = (minute: number): string => `${at(minute)}000000`;

  test('takes each step from the newest attempt that has it', () => {
    expect(recordOf({}, [renewal, run])).toMatchObject({
      creationDate: ns(0),
      plgdTime: { date: ns(1), coapCode: 69, errorMessage: '' },
      ownership: { status: { coapCode: 69 } },
      cloud: { status: { coapCode: 68 }, providerName: hub.provider, selectedGateway: 0 },
      credential: { status: { date: ns(20) }, identityCertificatePem: 'certificate of minute 20' },
      acl: { status: { date: ns(5) }, accessControlList: [expect.anything(), expect.anything(), expect.anything()] },
    });
  });

  test('says of a step that failed why, and no code', () => {
    const refused: AttemptEntry = {
      at: at(4),
      type: 'stage',
      stage: 'issue',
      result: 'refused',
      facts: {},
      refusal: { code: 'csr.encoding', evidence: {}, fix: '' },
    };
    const attempt: Attempt = { id: attemptId(3), entries: [refused, exchange('credentials', 4, 400)] };
    const { credential } = recordOf({}, [attempt]) as { credential: { status: Record<string, unknown> } };
    expect(credential.status).toMatchObject({ coapCode: 0, errorMessage: expect.stringMatching(/./) });
  });

  test('that came after one was deleted begins there, and has nothing from before', () => {
    const message = recordOf({ recordSince: at(19), lastSeenAt: at(18) }, [renewal, run]);
    expect(message).toMatchObject({
      creationDate: ns(19),
      attestation: { date: ns(19) },
      plgdTime: null,
      ownership: { status: null },
      cloud: { status: null, providerName: '', gateways: [], selectedGateway: -1 },
      credential: { status: { date: ns(20) }, identityCertificatePem: 'certificate of minute 20' },
      acl: { status: null, accessControlList: [] },
    });
    const early = recordOf({ recordSince: at(19) }, [run], [issued(4)]);
    expect(early.credential).toMatchObject({ status: null, identityCertificatePem: '' });
  });

  test('tells no keys', () => {
    expect(recordOf({}, [run]).credential).toMatchObject({ preSharedKey: null, credentials: [] });
  });
});

test('what is empty is left out for who does not ask for protojson, numbers and flags are not', () => {
  const message = { a: '', b: null, c: [], d: {}, e: { f: '' }, g: 0, h: false, i: [{ j: '' }], k: 'x' };
  expect(stripped(message)).toEqual({ g: 0, h: false, i: [{}], k: 'x' });
});
