import { generateKeyPairSync } from 'node:crypto';
import type { GatewaySession } from '../../src/cloud/gateway.ts';
import { TokenIssuer } from '../../src/cloud/issuer.ts';
import { tokenKey } from '../../src/cloud/token-key.ts';
import type { IncomingRequest, Method, OutgoingResponse } from '../../src/coap/endpoint.ts';
import { contentFormat } from '../../src/coap/formats.ts';
import { type CborMap, decodeCbor, encodeCbor, isCborMap } from '../../src/codec/cbor.ts';
import { fromUtf8, noBytes } from '../../src/core/bytes.ts';
import { days, type Millis } from '../../src/core/clock.ts';
import { seededRandom, systemRandom } from '../../src/core/random.ts';
import { createAuthority, expectIssued } from '../../src/pki/authority.ts';
import { issueCertificate, randomSerial } from '../../src/pki/issue.ts';
import { type CertificateProfile, profiles } from '../../src/pki/profile.ts';
import { parsePublicKey, spkiOf } from '../../src/pki/public-key.ts';

export const cloudTime: Millis = Date.UTC(2026, 5, 1, 12);
export const hubId = '11111111-2222-4333-8444-555555555555';
export const deviceId = '21565d33-acc1-44ce-5dd0-25c86cbd0bce';
export const owner = { id: '5c4b3a29-1807-4f6e-8d5c-4b3a29180700', name: 'an owner' };

export async function newIssuer(url = 'http://issuer.test'): Promise<TokenIssuer> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return new TokenIssuer({ key: await tokenKey(privateKey), url, random: systemRandom });
}

let authority: ReturnType<typeof createAuthority> | undefined;

/** A leaf of the test cloud's authority, DER. */
export function leaf(commonName: string, options: { profile?: CertificateProfile; now?: Millis } = {}): Uint8Array {
  authority ??= createAuthority({ now: cloudTime - days(365), random: seededRandom(1), name: 'Cloud test' });
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return expectIssued(
    issueCertificate({
      profile: options.profile ?? profiles.identity,
      subject: { commonName },
      publicKey: parsePublicKey(spkiOf(privateKey)),
      issuer: authority.issuing,
      now: options.now ?? cloudTime,
      serial: randomSerial(systemRandom),
    }),
  ).der;
}

let shared: Uint8Array | undefined;

export function identitySession(): GatewaySession {
  shared ??= leaf(`uuid:${deviceId}`);
  return { certificate: shared };
}

export const request = (method: Method, path: string, parts: Partial<IncomingRequest> = {}): IncomingRequest => ({
  method,
  path: path.split('/').slice(1),
  query: [],
  payload: noBytes,
  contentFormat: undefined,
  accept: contentFormat.ocfCbor,
  options: [],
  confirmable: true,
  token: noBytes,
  ...parts,
});

export const post = (path: string, body: CborMap): IncomingRequest =>
  request('POST', path, { payload: encodeCbor(body), contentFormat: contentFormat.ocfCbor });

export function bodyOf({ payload = noBytes }: OutgoingResponse): CborMap {
  const value = decodeCbor(payload);
  if (!isCborMap(value)) throw new TypeError('the answer is no map');
  return value;
}

/** A diagnostic answer, which must have no Content-Format, as `4.01 text`. */
export function fault({ code, payload = noBytes, contentFormat: format }: OutgoingResponse): string {
  if (format !== undefined) throw new TypeError('a diagnostic with a Content-Format');
  return `${code} ${fromUtf8(payload)}`;
}
