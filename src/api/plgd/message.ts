import { fromBase64, fromHex, fromUtf8, utf8 } from '../../core/bytes.ts';
import type { Millis } from '../../core/clock.ts';
import { failure } from '../../core/errors.ts';
import type { JsonObject, JsonValue } from '../../core/json.ts';
import { certificateInPem } from '../../pki/certificate.ts';

/** A message as plgd's REST gateway reads it: JSON with the names of its proto files in camelCase. */
export type Message = JsonObject;

/** int64, as proto3's JSON has it: text. Times are ns since 1970. */
export const nanoseconds = (time: Millis): string => `${Math.round(time)}000000`;

/** Of the first certificate of a text in PEM, where it can be read. */
export const commonNameIn = (pem: string | undefined): string | undefined =>
  pem === undefined ? undefined : certificateInPem(pem)?.subject.commonName;

/** Without what is empty: what plgd answers to everybody who does not ask for application/protojson. */
export function stripped(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(stripped);
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value)
    .map(([name, part]) => [name, stripped(part ?? null)] as const)
    .filter(([, part]) => !isEmpty(part));
  return Object.fromEntries(kept);
}

const isEmpty = (value: JsonValue): boolean =>
  value === '' || value === null || (typeof value === 'object' && Object.keys(value).length === 0);

/** Reads fields out of a message; what has another type than it should is refused by its name. */
export class Fields {
  private readonly message: Message;
  private readonly place: string;

  constructor(message: unknown, place: string) {
    if (!isObject(message)) throw wrong(place === '' ? 'body' : place, 'a JSON object');
    this.message = message;
    this.place = place;
  }

  /** '' when it is not there. */
  text(name: string): string {
    const value = this.message[name] ?? '';
    if (typeof value === 'string') return value;
    throw wrong(this.at(name), 'text');
  }

  flag(name: string): boolean {
    const value = this.message[name] ?? false;
    if (typeof value === 'boolean') return value;
    throw wrong(this.at(name), 'true or false');
  }

  texts(name: string): readonly string[] {
    const value = this.message[name] ?? [];
    if (Array.isArray(value) && value.every((one) => typeof one === 'string')) return value as readonly string[];
    throw wrong(this.at(name), 'a list of texts');
  }

  /** Empty when it is not there. */
  part(name: string): Fields {
    return new Fields(this.message[name] ?? {}, this.at(name));
  }

  at(name: string): string {
    return this.place === '' ? name : `${this.place}.${name}`;
  }
}

/**
 * What a file of plgd's configuration holds, given inline (RFC 2397): `data:;base64,…`, `data:,…`. A path would be one of this
 * host: it is refused.
 */
export function inlineData(text: string, place: string): Uint8Array {
  const data = /^data:([^,]*),(.*)$/s.exec(text);
  if (!data) throw wrong(place, 'the data itself (data:;base64,…): files of this host cannot be named');
  const [, type = '', content = ''] = data;
  if (!type.endsWith(';base64')) return percentDecoded(content, place);
  if (/^[A-Za-z0-9+/]*={0,2}$/.test(content)) return fromBase64(content);
  throw wrong(place, 'base64 behind data:;base64,');
}

/** The same, of a text in UTF-8. */
export function inlineText(text: string, place: string): string {
  try {
    return fromUtf8(inlineData(text, place));
  } catch (error) {
    if (error instanceof TypeError) throw failure('operator.input', { field: place }, 'expected text in UTF-8', error);
    throw error;
  }
}

export const wrong = (field: string, expected: string) => failure('operator.input', { field }, `expected ${expected}`);

function percentDecoded(text: string, place: string): Uint8Array {
  const parts = text.split(/((?:%[0-9a-fA-F]{2})+)/);
  // What stands between whole escapes has none.
  if (parts.some((part, at) => at % 2 === 0 && part.includes('%'))) throw wrong(place, 'a data URI with %XX escapes');
  const bytes = parts.map((part, at) => (at % 2 === 0 ? utf8(part) : fromHex(part.replaceAll('%', ''))));
  return new Uint8Array(Buffer.concat(bytes));
}

const isObject = (value: unknown): value is Message =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
