import type { DerReader } from '../codec/der.ts';
import { tags } from '../codec/der-tags.ts';
import { derOid, derPrintableString, derSequence, derSetOf, derUtf8String } from '../codec/der-writer.ts';
import { oids } from '../codec/oid.ts';
import { parseUuid, type Uuid } from '../core/ids.ts';

/** A distinguished name as it stands in a certificate. */
export interface Name {
  readonly der: Uint8Array;
  /** Relative names in their order, each with its attributes (nearly always one). */
  readonly rdns: readonly (readonly NameAttribute[])[];
  /** For people and logs, in the order of the encoding: `O=Acme, CN=Acme Root CA`. Printable whatever the peer sent. */
  readonly text: string;
  /** The last CN (RFC 6125: the most specific one). */
  readonly commonName: string | undefined;
}

export interface NameAttribute {
  readonly oid: string;
  readonly value: string;
}

/** A name to be written: attributes in the order C, O, OU, serialNumber, CN. */
export interface Subject {
  readonly country?: string;
  readonly organization?: string;
  readonly organizationalUnit?: string;
  readonly serialNumber?: string;
  readonly commonName?: string;
}

/** The subject of a device's identity certificate and of a hub's gateway: `CN=uuid:<id>` (OCF Security §9.4.2). */
export const uuidSubject = (id: Uuid): Subject => ({ commonName: `uuid:${id}` });

/** The id in a common name `uuid:<id>`; undefined when there is no such thing. */
export function uuidOf({ commonName }: Name): Uuid | undefined {
  return commonName?.toLowerCase().startsWith('uuid:') ? parseUuid(commonName.slice(5)) : undefined;
}

/** Reads a Name (RFC 5280 §4.1.2.4). */
export function readName(reader: DerReader, what: string): Name {
  const element = reader.element(tags.sequence, what);
  const items = reader.reread(element, what);
  const rdns: NameAttribute[][] = [];
  while (items.peek() !== undefined) rdns.push(items.setOf(what, readAttribute));
  return new ReadName(element.encoded, rdns);
}

function readAttribute(set: DerReader, what: string): NameAttribute {
  const attribute = set.sequence(what);
  const oid = attribute.oid(what);
  const value = attribute.text(what);
  attribute.end(what);
  return { oid, value };
}

/** Its text is worked out when somebody looks: certificates are read far more often than shown. */
class ReadName implements Name {
  readonly der: Uint8Array;
  readonly rdns: readonly (readonly NameAttribute[])[];
  readonly commonName: string | undefined;

  constructor(der: Uint8Array, rdns: readonly (readonly NameAttribute[])[]) {
    this.der = der;
    this.rdns = rdns;
    let commonName: string | undefined;
    for (const rdn of rdns) for (const { oid, value } of rdn) if (oid === oids.commonName) commonName = value;
    this.commonName = commonName;
  }

  get text(): string {
    return this.rdns
      .flat()
      .map(({ oid, value }) => `${shortNames.get(oid) ?? oid}=${printable(value)}`)
      .join(', ');
  }
}

export function encodeName(subject: Subject): Uint8Array {
  const { country, organization, organizationalUnit, serialNumber, commonName } = subject;
  const rdns: Uint8Array[] = [];
  if (country !== undefined) rdns.push(attribute(oids.country, derPrintableString(country)));
  if (organization !== undefined) rdns.push(attribute(oids.organization, derUtf8String(organization)));
  if (organizationalUnit !== undefined)
    rdns.push(attribute(oids.organizationalUnit, derUtf8String(organizationalUnit)));
  if (serialNumber !== undefined) rdns.push(attribute(oids.serialNumber, derPrintableString(serialNumber)));
  if (commonName !== undefined) rdns.push(attribute(oids.commonName, derUtf8String(commonName)));
  return derSequence(...rdns);
}

const attribute = (oid: string, value: Uint8Array): Uint8Array => derSetOf(derSequence(derOid(oid), value));

const shortNames = new Map<string, string>([
  [oids.commonName, 'CN'],
  [oids.serialNumber, 'serialNumber'],
  [oids.country, 'C'],
  [oids.locality, 'L'],
  [oids.state, 'ST'],
  [oids.organization, 'O'],
  [oids.organizationalUnit, 'OU'],
]);

/** Escapes what would break the line or the list (RFC 4514 §2.4), and everything that is not printable. */
function printable(value: string): string {
  if (value.length <= 128 && /^[A-Za-z0-9 .:_/@()-]*$/.test(value)) return value;
  return value
    .slice(0, 128)
    .replace(/[",+;<>=\\]/g, '\\$&')
    .replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (odd) => `\\u{${odd.codePointAt(0)?.toString(16)}}`);
}
