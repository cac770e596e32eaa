import { expect } from 'vitest';
import type { CoapMessage } from '../../src/coap/message.ts';
import { optionNumber, uintOf } from '../../src/coap/options.ts';
import { type CborMap, decodeCbor } from '../../src/codec/cbor.ts';
import { decodeCertificates } from '../../src/codec/pem.ts';
import { toHex } from '../../src/core/bytes.ts';
import { hours } from '../../src/core/clock.ts';
import { isUuid } from '../../src/core/ids.ts';
import { parseCertificate } from '../../src/pki/certificate.ts';
import { readCsr } from '../../src/pki/csr.ts';
import { type RecordedStep, recordedDeviceId, recordedMessage } from './plgd-recorded.ts';
import type { TestService } from './service.ts';

/** What plgd's C client demands of the answers to its recorded requests (contract, plgd-device b, c2 and e). */

/** Its buffer: a longer record or message ends its session. */
export const bufferBytes = 8373;
/** A message of this or less makes it deaf. */
export const deafeningBytes = 6;
/** Codes that it knows; any other one passes for success. */
const knownCodes = [201, 202, 203, 204, 205, 400, 401, 402, 403, 404, 405, 406, 413, 415, 500, 501, 502, 503, 504, 505];

/** What it checks before it looks at the content. */
export function expectReadable(answer: CoapMessage, step: RecordedStep): void {
  const { code, token, options, payload } = answer;
  expect(knownCodes).toContain(code);
  expect(toHex(token)).toBe(toHex(recordedMessage(step).token));
  const format = uintOf(options, optionNumber.contentFormat);
  if (code < 400) expect(format).toBe(10_000);
  else expect(format).toBeUndefined();
  const version = uintOf(options, optionNumber.ocfContentFormatVersion);
  if (version !== undefined) expect(version).toBeGreaterThanOrEqual(2048);
  const critical = options.map(({ number }) => number).filter((number) => number % 2 === 1);
  const known: readonly number[] = [optionNumber.ocfContentFormatVersion, optionNumber.block2];
  expect(critical.filter((number) => !known.includes(number))).toEqual([]);
  expect(payload.length).toBeLessThanOrEqual(8192);
}

/** What it checks in the content of each answer. */
export function expectUsable(step: RecordedStep, code: number, body: CborMap, running: TestService): void {
  const hubId = running.pki.hubId;
  switch (step) {
    case 'time':
      expect(code).toBe(205);
      expect(body.time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/);
      break;
    case 'ownership':
      expect(code).toBe(205);
      expect(Object.keys(body)).toEqual(['devowneruuid']);
      expect(isUuid(String(body.devowneruuid))).toBe(true);
      expect(body.devowneruuid).not.toBe(recordedDeviceId);
      break;
    case 'cloud-configuration':
      expect(code).toBe(204);
      for (const key of ['at', 'apn', 'cis', 'sid']) {
        expect(body[key]).toEqual(expect.stringMatching(/./));
        expect(String(body[key]).length).toBeLessThan(4096);
      }
      expect(body.sid).toBe(hubId);
      expect(body['x.org.iotivity.servers']).toContainEqual({ id: hubId, uri: body.cis });
      expect(body).not.toHaveProperty('redirecturi');
      break;
    case 'credentials':
      expect(code).toBe(204);
      expectCredentials(body, running);
      break;
    case 'acls':
      expect(code).toBe(205);
      expectAccessList(body, hubId);
  }
}

interface OcfCredential {
  readonly subjectuuid: string;
  readonly credtype: number;
  readonly credusage: string;
  readonly tag: string;
  readonly publicdata: { readonly data: string; readonly encoding: string };
}

function expectCredentials(body: CborMap, running: TestService): void {
  expect(body).not.toHaveProperty('rowneruuid');
  const creds = body.creds as unknown as readonly OcfCredential[];
  for (const { subjectuuid, credtype, tag, publicdata } of creds) {
    expect([credtype, tag, publicdata.encoding]).toEqual([8, 'dps', 'oic.sec.encoding.pem']);
    expect(subjectuuid === '*' || isUuid(subjectuuid)).toBe(true);
    for (const certificate of decodeCertificates(publicdata.data).map(parseCertificate)) {
      expect(certificate.notBefore).toBeLessThanOrEqual(Date.now());
      expect(certificate.notAfter).toBeGreaterThan(Date.now() + hours(1));
    }
  }
  const ofUsage = (usage: string) => creds.filter(({ credusage }) => credusage === `oic.sec.cred.${usage}`);
  const [identity, ...others] = ofUsage('cert');
  expect(others).toEqual([]);
  expect(ofUsage('trustca').length).toBeGreaterThan(0);

  const chain = decodeCertificates(identity?.publicdata.data ?? '').map(parseCertificate);
  const [leaf, ...issuers] = chain;
  expect(leaf?.subject.text).toContain(`CN=uuid:${recordedDeviceId}`);
  expect(leaf?.spki).toEqual(recordedCsrKey());
  // It schedules the renewal by the last certificate of the chain: no root may be there.
  expect(issuers.filter(({ selfIssued }) => selfIssued)).toEqual([]);
  expect(chain.map(({ der }) => toHex(der))).not.toContain(toHex(running.pki.authority.root.certificate.der));
  const anchors = ofUsage('trustca').flatMap(({ publicdata }) => decodeCertificates(publicdata.data));
  expect(anchors.map(toHex)).toContain(toHex(running.pki.authority.root.certificate.der));
}

function recordedCsrKey(): Uint8Array {
  const { csr } = decodeCbor(recordedMessage('credentials').payload) as { csr: { data: string } };
  const base64 = csr.data.replaceAll(/-----.*-----|\s/g, '');
  return readCsr(new Uint8Array(Buffer.from(base64, 'base64'))).publicKey.spki;
}

function expectAccessList(body: CborMap, hubId: string): void {
  expect(body).not.toHaveProperty('rowneruuid');
  const entries = body.aclist2 as readonly CborMap[];
  for (const { permission, subject, resources, ...rest } of entries) {
    expect(Object.keys(rest).filter((key) => key !== 'tag' && key !== 'aceid')).toEqual([]);
    expect(rest.tag).toBe('dps');
    expect(permission).toBeLessThanOrEqual(0xffff);
    expect(Object.keys(subject as CborMap)).toHaveLength(1);
    const { conntype } = subject as CborMap;
    if (conntype !== undefined) expect(['auth-crypt', 'anon-clear']).toContain(conntype);
    for (const resource of resources as readonly CborMap[]) {
      expect(Object.keys(resource).filter((key) => !['href', 'wc', 'if'].includes(key))).toEqual([]);
      if (resource.wc !== undefined) expect(['*', '+', '-']).toContain(resource.wc);
    }
  }
  // Without this one, whatever the hub asks of the device is answered 4.01.
  expect(entries.map(({ subject }) => subject)).toContainEqual({ uuid: hubId });
}
