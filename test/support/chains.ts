import 'reflect-metadata';
import { createPrivateKey, type KeyObject, webcrypto } from 'node:crypto';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectKeyIdentifierExtension,
  type X509Certificate,
  X509CertificateGenerator,
  X509CrlGenerator,
} from '@peculiar/x509';
import type { Identity } from '../../src/secure/association.ts';

/** Certificates for tests of the secure engine, made by a library that shares nothing with what is tested. */
export interface Made {
  readonly der: Uint8Array;
  readonly key: KeyObject;
  readonly certificate: X509Certificate;
  readonly pair: CryptoKeyPair;
  readonly hash: string;
}

type CryptoKeyPair = webcrypto.CryptoKeyPair;

export interface CertificateSpec {
  readonly subject: string;
  /** Absent: self-signed. */
  readonly issuer?: Made;
  readonly ca?: boolean;
  readonly pathLength?: number;
  readonly key?: 'P-256' | 'P-384' | 'P-521' | 'RSA-1024' | 'RSA-2048';
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  /** Extended key usage OIDs; undefined: no such extension. */
  readonly usages?: readonly string[];
  readonly keyUsage?: number;
  /** False: without a subject key identifier. */
  readonly keyId?: boolean;
  /** The digest this certificate is signed with. */
  readonly hash?: 'SHA-1' | 'SHA-256' | 'SHA-384';
  /** Bytes of padding in an extension nobody knows: makes a certificate large. */
  readonly padding?: number;
}

export const usage = {
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
  ocf: '1.3.6.1.4.1.44924.1.6',
  codeSigning: '1.3.6.1.5.5.7.3.3',
} as const;

export const keyUsage = KeyUsageFlags;

/** The moment at which test handshakes take place. */
export const testTime = Date.UTC(2026, 5, 1);

let serial = 1;

export async function makeCertificate(spec: CertificateSpec): Promise<Made> {
  const { ca = false, hash = 'SHA-256', key = 'P-256' } = spec;
  const pair = await makeKeys(key, hash);
  const issuerKeys = spec.issuer?.pair ?? pair;
  const extensions: Extension[] = [
    new BasicConstraintsExtension(ca, spec.pathLength, true),
    new KeyUsagesExtension(
      spec.keyUsage ??
        (ca
          ? KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign
          : KeyUsageFlags.digitalSignature | KeyUsageFlags.keyAgreement),
      true,
    ),
  ];
  if (spec.keyId !== false) extensions.push(await SubjectKeyIdentifierExtension.create(pair.publicKey));
  if (spec.issuer) extensions.push(await AuthorityKeyIdentifierExtension.create(issuerKeys.publicKey));
  if (spec.usages) extensions.push(new ExtendedKeyUsageExtension([...spec.usages]));
  if (spec.padding) {
    const { Extension: Plain } = await import('@peculiar/x509');
    extensions.push(new Plain('1.3.6.1.4.1.99999.1', false, octetString(spec.padding)));
  }
  const certificate = await X509CertificateGenerator.create({
    serialNumber: (serial++).toString(16).padStart(4, '0'),
    subject: spec.subject,
    issuer: spec.issuer?.certificate.subject ?? spec.subject,
    notBefore: spec.notBefore ?? new Date(testTime - 86_400_000),
    notAfter: spec.notAfter ?? new Date(testTime + 30 * 86_400_000),
    signingAlgorithm: { ...(issuerKeys.privateKey.algorithm as webcrypto.EcKeyAlgorithm), hash },
    publicKey: pair.publicKey,
    signingKey: issuerKeys.privateKey,
    extensions,
  });
  return { der: new Uint8Array(certificate.rawData), key: await toKeyObject(pair), certificate, pair, hash };
}

/** Root, intermediate, a server's and a client's certificate: all that most handshakes need. */
export async function makePki(spec: Pick<CertificateSpec, 'key'> = {}): Promise<TestPki> {
  const root = await makeCertificate({ subject: 'CN=Test Root', ca: true });
  const intermediate = await makeCertificate({
    subject: 'CN=Test Intermediate',
    ca: true,
    pathLength: 0,
    issuer: root,
  });
  const both = [usage.clientAuth, usage.serverAuth];
  const server = await makeCertificate({ subject: 'CN=server', issuer: intermediate, usages: both, ...spec });
  const client = await makeCertificate({ subject: 'CN=client', issuer: intermediate, usages: both });
  return { root, intermediate, server, client };
}

export interface TestPki {
  readonly root: Made;
  readonly intermediate: Made;
  readonly server: Made;
  readonly client: Made;
}

export const identityOf = (leaf: Made, ...intermediates: readonly Made[]): Identity => ({
  chain: [leaf, ...intermediates].map(({ der }) => der),
  privateKey: leaf.key,
});

export async function makeCrl(issuer: Made, revoked: readonly Made[], nextUpdate?: Date): Promise<Uint8Array> {
  const crl = await X509CrlGenerator.create({
    issuer: issuer.certificate.subject,
    thisUpdate: new Date(testTime - 86_400_000),
    nextUpdate: nextUpdate ?? new Date(testTime + 86_400_000),
    entries: revoked.map(({ certificate }) => ({
      serialNumber: certificate.serialNumber,
      revocationDate: new Date(testTime - 3_600_000),
    })),
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    signingKey: issuer.pair.privateKey,
    extensions: [await AuthorityKeyIdentifierExtension.create(issuer.pair.publicKey)],
  });
  return new Uint8Array(crl.rawData);
}

async function makeKeys(key: string, hash: string): Promise<CryptoKeyPair> {
  const algorithm = key.startsWith('RSA')
    ? { name: 'RSASSA-PKCS1-v1_5', hash, modulusLength: Number(key.slice(4)), publicExponent: Uint8Array.of(1, 0, 1) }
    : { name: 'ECDSA', namedCurve: key };
  return (await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])) as CryptoKeyPair;
}

async function toKeyObject(pair: CryptoKeyPair): Promise<KeyObject> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', pair.privateKey));
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
}

function octetString(size: number): ArrayBuffer {
  const header = size < 128 ? [4, size] : [4, 0x82, size >> 8, size & 0xff];
  return Uint8Array.from([...header, ...new Uint8Array(size)]).buffer;
}
