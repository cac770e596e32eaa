import type { DerReader } from '../codec/der.ts';
import { contextTag, tags } from '../codec/der-tags.ts';
import {
  derBoolean,
  derContextPrimitive,
  derInteger,
  derNamedBits,
  derOctetString,
  derOid,
  derSequence,
} from '../codec/der-writer.ts';
import { oids } from '../codec/oid.ts';
import { share, toHex, utf8 } from '../core/bytes.ts';
import { failure } from '../core/errors.ts';
import { readName } from './name.ts';

/** One extension as it stands there (RFC 5280 §4.2). */
export interface Extension {
  readonly oid: string;
  readonly critical: boolean;
  /** The content of extnValue: DER of the extension's own type. */
  readonly value: Uint8Array;
}

/** Bits of keyUsage in their order (RFC 5280 §4.2.1.3). */
const keyUsages = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
] as const;

export type KeyUsage = (typeof keyUsages)[number];

export interface BasicConstraints {
  readonly authority: boolean;
  readonly pathLength: number | undefined;
}

export interface AltName {
  readonly type: 'uri' | 'dns' | 'ip' | 'email' | 'directory' | 'other';
  /** Text form; hex for `other`. */
  readonly value: string;
}

/** The extensions that mean something to us; undefined = not there. */
export interface Extensions {
  readonly extensions: readonly Extension[];
  readonly basicConstraints: BasicConstraints | undefined;
  readonly keyUsage: readonly KeyUsage[] | undefined;
  /** Dotted object identifiers. */
  readonly extendedKeyUsage: readonly string[] | undefined;
  readonly subjectKeyId: Uint8Array | undefined;
  readonly authorityKeyId: Uint8Array | undefined;
  readonly subjectAltNames: readonly AltName[];
}

/** Extensions whose encoding has been read before, for readers that see the same ones again and again. */
export interface FamiliarExtensions {
  readonly encoded: Uint8Array;
  readonly meaning: Extensions;
}

/**
 * Reads the optional `[tag] Extensions` field. Each extension at most once.
 * @param familiar when the list begins with these, their meaning is taken over.
 */
export function readExtensions(reader: DerReader, tag: number, familiar?: FamiliarExtensions): Extensions {
  const found: Found = { ...nothingFound, extensions: [] };
  if (reader.peek() !== tag) return found;
  const wrapper = reader.enter(tag, 'extensions');
  const items = wrapper.sequence('extensions');
  wrapper.end('extensions');
  if (familiar && items.takeSame(familiar.encoded)) {
    Object.assign(found, familiar.meaning, { extensions: [...familiar.meaning.extensions] });
  }
  while (items.peek() !== undefined) {
    const item = items.sequence('extension');
    const oid = item.oid('extnID');
    // An explicit FALSE is not DER (X.690 §11.5), but harmless and in the field: a manufacturer's certificate may have it.
    const critical = item.peek() === tags.boolean ? item.boolean('critical') : false;
    const value = item.element(tags.octetString, 'extnValue');
    item.end('extension');
    if (found.extensions.some((other) => other.oid === oid)) {
      throw failure('der.malformed', { what: oid, at: value.at, found: 'an extension twice' }, 'issue it again');
    }
    found.extensions.push({ oid, critical, value: value.content });
    readValue(oid, item.reread(value, oid), found);
  }
  return found;
}

type Found = { -readonly [K in keyof Extensions]: Extensions[K] } & { readonly extensions: Extension[] };

const nothingFound: Omit<Extensions, 'extensions'> = {
  basicConstraints: undefined,
  keyUsage: undefined,
  extendedKeyUsage: undefined,
  subjectKeyId: undefined,
  authorityKeyId: undefined,
  subjectAltNames: [],
};

function readValue(oid: string, value: DerReader, found: Found): void {
  switch (oid) {
    case oids.basicConstraints:
      found.basicConstraints = readBasicConstraints(value);
      break;
    case oids.keyUsage:
      found.keyUsage = value.namedBits('keyUsage').flatMap((bit) => keyUsages[bit] ?? []);
      break;
    case oids.extendedKeyUsage:
      found.extendedKeyUsage = value.sequenceOf('extendedKeyUsage', readUsage);
      break;
    case oids.subjectKeyIdentifier:
      found.subjectKeyId = value.octetString('subjectKeyIdentifier');
      break;
    case oids.authorityKeyIdentifier:
      found.authorityKeyId = readAuthorityKeyId(value);
      break;
    case oids.subjectAltName:
      found.subjectAltNames = value.sequenceOf('subjectAltName', readAltName);
      break;
    default:
      return;
  }
  value.end(oid);
}

const readUsage = (usages: DerReader): string => usages.oid('extendedKeyUsage');

export const encodeExtension = (oid: string, critical: boolean, value: Uint8Array): Uint8Array =>
  critical
    ? derSequence(derOid(oid), derBoolean(true), derOctetString(value))
    : derSequence(derOid(oid), derOctetString(value));

/** BasicConstraints; the DEFAULT cA FALSE is left out. */
export function encodeBasicConstraints({ authority, pathLength }: BasicConstraints): Uint8Array {
  if (!authority) return derSequence();
  return pathLength === undefined
    ? derSequence(derBoolean(true))
    : derSequence(derBoolean(true), derInteger(pathLength));
}

export const encodeKeyUsage = (usages: readonly KeyUsage[]): Uint8Array =>
  derNamedBits(usages.map((usage) => keyUsages.indexOf(usage)));

export const encodeExtendedKeyUsage = (usages: readonly string[]): Uint8Array => derSequence(...usages.map(derOid));

export const encodeAuthorityKeyId = (keyId: Uint8Array): Uint8Array => derSequence(derContextPrimitive(0, keyId));

/** GeneralNames of the kinds that we write ourselves. @throws TypeError for others. */
export function encodeAltNames(names: readonly AltName[]): Uint8Array {
  return derSequence(
    ...names.map(({ type, value }) => {
      switch (type) {
        case 'uri':
          return derContextPrimitive(6, utf8(value));
        case 'dns':
          return derContextPrimitive(2, utf8(value));
        case 'ip':
          return derContextPrimitive(7, ipOctets(value));
        default:
          throw new TypeError(`alternative names of type ${type} are not written`);
      }
    }),
  );
}

function readBasicConstraints(value: DerReader): BasicConstraints {
  const item = value.sequence('basicConstraints');
  const authority = item.peek() === tags.boolean ? item.boolean('cA') : false;
  const pathLength = item.peek() === tags.integer ? item.smallInteger('pathLenConstraint') : undefined;
  item.end('basicConstraints');
  return { authority, pathLength };
}

function readAuthorityKeyId(value: DerReader): Uint8Array | undefined {
  const item = value.sequence('authorityKeyIdentifier');
  const keyId = item.peek() === contextTag(0, 'primitive') ? item.any('authorityKeyIdentifier').content : undefined;
  while (item.peek() !== undefined) item.any('authorityKeyIdentifier');
  return keyId;
}

const altNameTypes = new Map<number, AltName['type']>([
  [contextTag(1, 'primitive'), 'email'],
  [contextTag(2, 'primitive'), 'dns'],
  [contextTag(6, 'primitive'), 'uri'],
  [contextTag(7, 'primitive'), 'ip'],
  [contextTag(4, 'constructed'), 'directory'],
]);

function readAltName(names: DerReader): AltName {
  const element = names.any('subjectAltName');
  const type = altNameTypes.get(element.tag) ?? 'other';
  switch (type) {
    case 'email':
    case 'dns':
    case 'uri':
      return { type, value: share(element.content).toString('latin1') };
    case 'ip':
      return { type, value: ipText(element.content) };
    case 'directory':
      return { type, value: readName(names.reread(element, 'subjectAltName'), 'subjectAltName').text };
    case 'other':
      return { type, value: toHex(element.content) };
  }
}

function ipText(octets: Uint8Array): string {
  if (octets.length === 4) return octets.join('.');
  if (octets.length !== 16) return toHex(octets);
  const groups = Array.from({ length: 8 }, (_, k) =>
    ((octets[2 * k] ?? 0) * 256 + (octets[2 * k + 1] ?? 0)).toString(16),
  );
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}

/** Octets of an IPv4 or IPv6 address. @throws TypeError */
function ipOctets(text: string): Uint8Array {
  if (/^\d+(\.\d+){3}$/.test(text)) return Uint8Array.from(text.split('.').map(Number));
  const [head = '', tail] = new URL(`http://[${text}]`).hostname.slice(1, -1).split('::');
  const groups = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16));
  const before = groups(head);
  const after = tail === undefined ? [] : groups(tail);
  const all = [...before, ...Array.from({ length: 8 - before.length - after.length }, () => 0), ...after];
  return Uint8Array.from(all.flatMap((group) => [group >> 8, group & 0xff]));
}
