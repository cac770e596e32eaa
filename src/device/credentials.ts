import type { KeyObject } from 'node:crypto';
import { type CborMap, type CborValue, isCborMap } from '../codec/cbor.ts';
import { decodeCertificates, encodePem } from '../codec/pem.ts';
import { equalBytes, toBase64 } from '../core/bytes.ts';
import type { Millis } from '../core/clock.ts';
import { type Decision, decided, describe, FirstbootError } from '../core/errors.ts';
import { parseUuid, type Uuid } from '../core/ids.ts';
import { type Certificate, parseCertificate } from '../pki/certificate.ts';
import type { Identity } from '../secure/association.ts';
import { protocolRefused, wrong } from './answers.ts';
import { type Credentials, type PreSharedKey, provisioningTag } from './state.ts';

export interface CredentialCheck {
  readonly deviceId: Uuid;
  /** The key of the certificate request: SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array;
  /** The device's time, offset applied. */
  readonly time: Millis;
  /** ms that every certificate must still be valid for. */
  readonly expiring: Millis;
}

/**
 * b4: the answer to the certificate request. One trust anchor and one identity certificate at least, tagged `dps`; the
 * identity's leaf is for this device and this key; no certificate may be about to expire. Entries without the tag are
 * checked and then left out: nothing would ever take them away again.
 */
export function readCredentials(map: CborMap, check: CredentialCheck): Decision<Credentials> {
  if (map.rowneruuid !== undefined) return protocolRefused({ unexpected: 'rowneruuid' }, 'leave rowneruuid out');
  if (!Array.isArray(map.creds)) return wrong('creds', map.creds, 'send the credentials as an array');
  const found: Credential[] = [];
  for (const [at, item] of (map.creds as readonly CborValue[]).entries()) {
    const credential = readCredential(item, at);
    if (!credential.ok) return credential;
    found.push(credential.value);
  }
  const tagged = found.filter(({ tag }) => tag === provisioningTag);
  const anchors = tagged.flatMap((entry) => (entry.kind === 'anchor' ? [entry.chain] : []));
  const identities = tagged.flatMap((entry) => (entry.kind === 'identity' ? [entry.chain] : []));
  const psks = tagged.flatMap((entry) => (entry.kind === 'psk' ? [entry.psk] : []));
  const [identity] = identities;
  const leaf = identity?.[0];
  if (!identity || !leaf || anchors.length === 0) {
    return protocolRefused(
      { anchors: anchors.length, identities: identities.length },
      `send at least one trust anchor and one identity certificate, each with "tag": "${provisioningTag}"`,
    );
  }
  for (const certificate of [...anchors, ...identities].flat()) {
    if (certificate.notBefore > check.time || certificate.notAfter - check.time <= check.expiring) {
      return protocolRefused(
        { certificate: certificate.subject.text, notAfter: new Date(certificate.notAfter).toISOString() },
        'send certificates that are valid now and for longer than the expiring limit',
      );
    }
  }
  if (!leaf.subject.commonName?.includes(`uuid:${check.deviceId}`)) {
    return protocolRefused({ subject: leaf.subject.text }, `issue the identity for CN=uuid:${check.deviceId}`);
  }
  if (!equalBytes(leaf.spki, check.publicKey)) {
    return protocolRefused({ subject: leaf.subject.text }, 'issue the identity for the key of the certificate request');
  }
  return decided({
    trustAnchors: anchors.map(pemOf),
    identity: pemOf(identity),
    validFrom: leaf.notBefore,
    validTo: leaf.notAfter,
    psks,
    tag: provisioningTag,
  });
}

/** What the device presents to its cloud: the identity certificate and its own key. */
export const deviceIdentity = ({ identity }: Credentials, ownKey: KeyObject): Identity => ({
  chain: decodeCertificates(identity),
  privateKey: ownKey,
});

/** DER of every provisioned trust anchor. */
export const trustAnchors = (credentials: Credentials | undefined): Uint8Array[] =>
  (credentials?.trustAnchors ?? []).flatMap((pem) => decodeCertificates(pem));

type Credential = { readonly tag: string | undefined } & (
  | { readonly kind: 'anchor' | 'identity'; readonly chain: readonly Certificate[] }
  | { readonly kind: 'psk'; readonly psk: PreSharedKey }
  | { readonly kind: 'other' }
);

const credentialTypes = { psk: 1, certificate: 8 } as const;

const usages: Readonly<Record<string, 'anchor' | 'identity'>> = {
  'oic.sec.cred.trustca': 'anchor',
  'oic.sec.cred.cert': 'identity',
};

const encodings: readonly string[] = ['pem', 'base64', 'raw', 'handle'].map((name) => `oic.sec.encoding.${name}`);

function readCredential(item: CborValue, at: number): Decision<Credential> {
  const place = `creds[${at}]`;
  if (!isCborMap(item)) return wrong(place, item, 'send each credential as a map');
  const { subjectuuid, credtype, credusage, tag } = item;
  const subject = typeof subjectuuid === 'string' ? (subjectuuid === '*' ? '*' : parseUuid(subjectuuid)) : undefined;
  if (subject === undefined) return wrong(`${place}.subjectuuid`, subjectuuid, 'send "*" or a UUID');
  if (tag !== undefined && typeof tag !== 'string') return wrong(`${place}.tag`, tag, 'send the tag as text');
  if (typeof credtype !== 'number') return wrong(`${place}.credtype`, credtype, 'send the type as an integer');
  if (credtype === credentialTypes.psk) return readPsk(item, subject, tag, place);
  const kind = typeof credusage === 'string' ? usages[credusage] : undefined;
  if (credtype !== credentialTypes.certificate || kind === undefined) return decided({ tag, kind: 'other' });
  const data = readData(item.publicdata, `${place}.publicdata`);
  if (!data.ok) return data;
  const chain = readChain(data.value, `${place}.publicdata`);
  return chain.ok ? decided({ tag, kind, chain: chain.value }) : chain;
}

function readPsk(item: CborMap, subject: Uuid, tag: string | undefined, place: string): Decision<Credential> {
  const data = readData(item.privatedata, `${place}.privatedata`);
  if (!data.ok) return data;
  const { bytes, encoding } = data.value;
  const key =
    encoding === 'oic.sec.encoding.base64' ? new Uint8Array(Buffer.from(textOf(bytes), 'base64')) : asBytes(bytes);
  if (key.length !== 16 && key.length !== 32) {
    return protocolRefused({ key: `${place}.privatedata`, bytes: key.length }, 'send a key of 16 or 32 bytes');
  }
  return decided({ tag, kind: 'psk', psk: { subject, key: toBase64(key) } });
}

interface EncodedData {
  readonly bytes: string | Uint8Array;
  readonly encoding: string;
}

/** `{data: text or bytes, encoding}`. An unknown encoding (oic.sec.encoding.der is one) refuses the whole answer. */
function readData(value: CborValue | undefined, place: string): Decision<EncodedData> {
  if (!isCborMap(value)) return wrong(place, value, 'send a map of data and encoding');
  const { data, encoding } = value;
  if (typeof encoding !== 'string' || !encodings.includes(encoding)) {
    return wrong(`${place}.encoding`, encoding, 'send oic.sec.encoding.pem');
  }
  if (typeof data !== 'string' && !(data instanceof Uint8Array)) {
    return wrong(`${place}.data`, data, 'send the data as text or bytes');
  }
  return decided({ bytes: data, encoding });
}

function readChain({ bytes, encoding }: EncodedData, place: string): Decision<readonly Certificate[]> {
  try {
    if (encoding === 'oic.sec.encoding.pem') return decided(decodeCertificates(bytes).map(parseCertificate));
    if (encoding === 'oic.sec.encoding.handle')
      return wrong(`${place}.encoding`, encoding, 'send the certificate itself');
    const der = encoding === 'oic.sec.encoding.base64' ? Buffer.from(textOf(bytes), 'base64') : asBytes(bytes);
    return decided([parseCertificate(new Uint8Array(der))]);
  } catch (error) {
    if (!(error instanceof FirstbootError)) throw error;
    return protocolRefused({ key: place, found: describe(error) }, 'send PEM certificates');
  }
}

const pemOf = (chain: readonly Certificate[]): string => chain.map(({ der }) => encodePem('CERTIFICATE', der)).join('');

const asBytes = (data: string | Uint8Array): Uint8Array =>
  typeof data === 'string' ? new Uint8Array(Buffer.from(data, 'latin1')) : data;

const textOf = (data: string | Uint8Array): string =>
  typeof data === 'string' ? data : Buffer.from(data).toString('latin1');
