import 'reflect-metadata';
import { readFileSync } from 'node:fs';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  Pkcs10CertificateRequest,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
} from '@peculiar/x509';
import { toHex } from '../core/bytes.ts';
import { failure } from '../core/errors.ts';

/** What `firstboot pki inspect` shows of one certificate or certificate request. */
export interface Inspected {
  readonly file: string;
  readonly kind: 'certificate' | 'certificate request';
  readonly facts: Readonly<Record<string, string>>;
}

/** Reads PEM (any number of blocks) or DER. This is for eyes: @peculiar/x509 is lenient, the service is not. */
export async function inspectFile(file: string, now: Date): Promise<Inspected[]> {
  const found: Inspected[] = [];
  for (const { label, der } of readBlocks(file)) {
    if (label === 'CERTIFICATE') found.push(await inspectCertificate(file, der, now));
    else if (label.endsWith('CERTIFICATE REQUEST')) found.push(await inspectRequest(file, der));
  }
  if (found.length > 0) return found;
  throw failure(
    'command.file',
    { file, found: 'neither certificate nor certificate request' },
    'give certificates or certificate requests, PEM or DER',
  );
}

function readBlocks(file: string): { label: string; der: ArrayBuffer }[] {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    const found = error instanceof Error ? error.message.replace(/, \w+( '.*')?$/, '') : 'unreadable';
    throw failure('command.file', { file, found }, 'check the path and who may read it', error);
  }
  const text = bytes.toString('latin1');
  try {
    if (text.includes('-----BEGIN ')) {
      return PemConverter.decodeWithHeaders(text).map(({ type, rawData }) => ({ label: type, der: rawData }));
    }
  } catch (error) {
    throw failure('command.file', { file, found: 'damaged PEM' }, 'give it whole', error);
  }
  const der = new Uint8Array(bytes).buffer;
  return [{ label: isRequest(der) ? 'CERTIFICATE REQUEST' : 'CERTIFICATE', der }];
}

function isRequest(der: ArrayBuffer): boolean {
  try {
    return new Pkcs10CertificateRequest(der).rawData.byteLength > 0;
  } catch {
    return false;
  }
}

async function inspectCertificate(file: string, der: ArrayBuffer, now: Date): Promise<Inspected> {
  const certificate = parse(file, () => new X509Certificate(der));
  const selfSigned = certificate.subject === certificate.issuer && (await certificate.isSelfSigned());
  return {
    file,
    kind: 'certificate',
    facts: {
      subject: certificate.subject || '(empty)',
      issuer: selfSigned ? '(itself)' : certificate.issuer,
      serial: certificate.serialNumber,
      valid: `${day(certificate.notBefore)} to ${day(certificate.notAfter)} (${validity(certificate, now)})`,
      key: keyText(certificate.publicKey.algorithm),
      signature: keyText(certificate.signatureAlgorithm),
      ...extensionFacts(certificate.extensions),
      'sha-256': toHex(new Uint8Array(await certificate.getThumbprint('SHA-256'))),
    },
  };
}

async function inspectRequest(file: string, der: ArrayBuffer): Promise<Inspected> {
  const request = parse(file, () => new Pkcs10CertificateRequest(der));
  return {
    file,
    kind: 'certificate request',
    facts: {
      subject: request.subject || '(empty)',
      key: keyText(request.publicKey.algorithm),
      signature: `${keyText(request.signatureAlgorithm)} (${(await request.verify()) ? 'verifies' : 'DOES NOT VERIFY'})`,
      ...extensionFacts(request.extensions),
    },
  };
}

function parse<T>(file: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    const fix = 'give certificates or certificate requests, PEM or DER';
    throw failure('command.file', { file, found: 'no readable certificate or certificate request' }, fix, error);
  }
}

function validity({ notBefore, notAfter }: X509Certificate, now: Date): string {
  const days = (to: Date): number => Math.abs(Math.round((to.getTime() - now.getTime()) / 86_400_000));
  if (now < notBefore) return `not valid for another ${days(notBefore)} days`;
  if (now > notAfter) return `EXPIRED ${days(notAfter)} days ago`;
  return `${days(notAfter)} days left`;
}

function extensionFacts(extensions: readonly Extension[]): Record<string, string> {
  const facts: Record<string, string> = {};
  for (const extension of extensions) {
    const critical = extension.critical ? ' (critical)' : '';
    if (extension instanceof BasicConstraintsExtension) {
      const depth = extension.pathLength === undefined ? '' : `, path length ${extension.pathLength}`;
      facts['basic constraints'] = `${extension.ca ? `CA${depth}` : 'end entity'}${critical}`;
    } else if (extension instanceof KeyUsagesExtension) {
      facts['key usage'] = `${usageNames(extension.usages)}${critical}`;
    } else if (extension instanceof ExtendedKeyUsageExtension) {
      facts['extended key usage'] =
        `${extension.usages.map((oid) => purposeNames[String(oid)] ?? String(oid)).join(', ')}${critical}`;
    } else if (extension instanceof SubjectAlternativeNameExtension) {
      facts['alternative names'] = extension.names.items.map(({ type, value }) => `${type} ${value}`).join(', ');
    } else if (extension instanceof SubjectKeyIdentifierExtension) {
      facts['subject key id'] = extension.keyId;
    } else if (extension instanceof AuthorityKeyIdentifierExtension) {
      facts['authority key id'] = extension.keyId ?? '(by name)';
    } else {
      facts[`extension ${extension.type}`] = `${extension.value.byteLength} bytes${critical}`;
    }
  }
  return facts;
}

const purposeNames: Readonly<Record<string, string>> = {
  '1.3.6.1.5.5.7.3.1': 'serverAuth',
  '1.3.6.1.5.5.7.3.2': 'clientAuth',
  '1.3.6.1.4.1.44924.1.6': 'OCF identity',
};

const usageNames = (usages: KeyUsageFlags): string =>
  Object.entries(KeyUsageFlags)
    .filter(([, bit]) => typeof bit === 'number' && (usages & bit) !== 0)
    .map(([name]) => name)
    .join(', ');

function keyText(algorithm: unknown): string {
  const { name, namedCurve, modulusLength, hash } = algorithm as Partial<EcKeyAlgorithm & RsaHashedKeyAlgorithm>;
  return [name, namedCurve, modulusLength, hash?.name].filter((part) => part !== undefined).join(' ');
}

interface EcKeyAlgorithm {
  readonly name: string;
  readonly namedCurve: string;
}

interface RsaHashedKeyAlgorithm {
  readonly name: string;
  readonly modulusLength: number;
  readonly hash: { readonly name: string };
}

const day = (date: Date): string => date.toISOString().slice(0, 16).replace('T', ' ');
