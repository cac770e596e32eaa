import { accessSync, constants, lstatSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { decodePem, encodePem, type PemBlock } from '../codec/pem.ts';
import { fromHex, toBase64 } from '../core/bytes.ts';
import { FirstbootError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { type Certificate, parseCertificate } from '../pki/certificate.ts';
import type { Place, SentPolicy } from './place.ts';

/** A certificate with the PEM that is stored. */
export interface CertificateText {
  readonly pem: string;
  readonly certificate: Certificate;
}

/** The certificates of a file, or of PEM that is written where the file name would be. Complaints go to the place. */
export function certificatesAt(place: Place, text: string): CertificateText[] {
  return blocksAt(place, text, ['CERTIFICATE']).flatMap(({ der }) => {
    const certificate = parsedAt(place, text, 'certificate', () => parseCertificate(der));
    return certificate ? [{ pem: encodePem('CERTIFICATE', der), certificate }] : [];
  });
}

/** Blocks of these labels, in their order; those of others do not count. At least one, or the place hears of it. */
export function blocksAt(place: Place, text: string, labels: readonly string[]): PemBlock[] {
  const document = documentAt(place, text);
  if (document === undefined) return [];
  const wanted = labels.join(' or ');
  if (document[0] === 0x30) {
    place.problem(`${sourceOf(text)} is DER: write it as PEM (openssl … -inform DER -outform PEM), a ${wanted} block`);
    return [];
  }
  const blocks = parsedAt(place, text, 'PEM', () => decodePem(document, 'file', limits.crl.documentBytes));
  if (blocks === undefined) return [];
  const found = blocks.filter(({ label }) => labels.includes(label));
  if (found.length === 0) {
    const others = blocks.map(({ label }) => label).join(', ') || 'no PEM block';
    place.problem(`${sourceOf(text)} must hold a ${wanted} in PEM; it holds ${others}`);
  }
  return found;
}

/** What a parser makes of it; its complaint goes to the place. */
export function parsedAt<T>(place: Place, text: string, what: string, parse: () => T): T | undefined {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof FirstbootError)) throw error;
    const { line, at, what: field, found } = error.evidence;
    const where = line !== undefined ? `, line ${line}` : at !== undefined ? `, byte ${at} (${field})` : '';
    place.problem(`${sourceOf(text)} holds no readable ${what}: ${found ?? error.message}${where}; replace it`);
    return undefined;
  }
}

/** A key of 16 to 64 bytes, base64: from a file of hexadecimal text, or as it stands there. */
export function secretAt(place: Place, fileKey: string, file: string | undefined, hex: string | undefined): string {
  if (file !== undefined && hex !== undefined) place.at(fileKey).problem('the key is here twice: take one out');
  if (hex !== undefined) return toBase64(fromHex(hex));
  if (file === undefined) {
    if (place.keysLeftOut) return '';
    place.problem(`missing: ${fileKey}`);
    return '';
  }
  // White space around it does not count.
  const text = readAt(place.at(fileKey), file)?.toString('utf8').trim();
  if (text === undefined) return '';
  if (/^([0-9a-fA-F]{2}){16,64}$/.test(text)) return toBase64(fromHex(text));
  place.at(fileKey).problem(`${file} must hold a key of 16 to 64 bytes in hexadecimal`);
  return '';
}

/** A file that is read again later: that it can be is better known now. @returns its absolute path */
export function readableAt(place: Place, file: string): string {
  if (place.elsewhere) return file;
  if (place.sent) return secretFileAt(place, file, place.sent);
  readAt(place, file);
  return place.path(file);
}

function secretFileAt(place: Place, name: string, { secrets, named }: SentPolicy): string {
  const present = named.find((path) => basename(path) === name);
  if (present !== undefined) return present;
  const path = join(secrets, name);
  if (!/^[\w-][\w.-]*$/.test(name)) {
    place.problem("expected the bare name of a file in the service's secrets folder: letters, digits, . _ -");
  } else if (!isReadable(path)) {
    place.problem(`there is no file ${name} in the service's secrets folder that it can read: put it there first`);
  }
  return path;
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return lstatSync(path).isFile();
  } catch {
    return false;
  }
}

/** How a complaint calls it: PEM in place has no name. */
export const sourceOf = (text: string): string => (isInline(text) ? 'the PEM here' : text);

const documentAt = (place: Place, text: string): Buffer | undefined =>
  isInline(text) ? Buffer.from(text, 'utf8') : readAt(place, text);

function readAt(place: Place, file: string): Buffer | undefined {
  if (place.sent) {
    place.problem('expected PEM itself (-----BEGIN …): no file can be named here');
    return undefined;
  }
  try {
    return readFileSync(place.path(file));
  } catch (error) {
    const found = error instanceof Error && 'code' in error ? ` (${error.code})` : '';
    place.problem(`the file ${place.path(file)} cannot be read${found}`);
    return undefined;
  }
}

const isInline = (text: string): boolean => text.includes('-----BEGIN ');
