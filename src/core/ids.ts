import { hash } from 'node:crypto';
import { concatBytes, fromHex, share, toHex, utf8 } from './bytes.ts';
import type { Millis } from './clock.ts';
import type { RandomSource } from './random.ts';

/** A UUID in its canonical lower-case text form (RFC 9562 §4). */
export type Uuid = string;

export const nilUuid: Uuid = '00000000-0000-0000-0000-000000000000';

/** Name spaces of RFC 9562 §6.6. */
export const uuidNamespaces = {
  url: '6ba7b811-9dad-11d1-80b4-00c04fd430c8',
  x500: '6ba7b814-9dad-11d1-80b4-00c04fd430c8',
} as const;

const pattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export function isUuid(text: string): boolean {
  return pattern.test(text.toLowerCase());
}

/** The canonical form of `text`, or undefined when it is no UUID. */
export function parseUuid(text: string): Uuid | undefined {
  const lower = text.toLowerCase();
  return pattern.test(lower) ? lower : undefined;
}

/** The 16 octets of a UUID (the identity of an OCF pre-shared key, OCF Security §13.2). */
export function uuidBytes(uuid: Uuid): Uint8Array {
  return fromHex(uuid.replaceAll('-', ''));
}

export function uuidFromBytes(bytes: Uint8Array): Uuid {
  const hex = toHex(bytes.subarray(0, 16));
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** A random UUID (version 4, RFC 9562 §5.4). */
export function uuidV4(random: RandomSource): Uuid {
  return stamp(random.bytes(16), 4);
}

/** A name-based UUID (version 5, RFC 9562 §5.5): the same name gives the same id on every machine. */
export function uuidV5(namespace: Uuid, name: Uint8Array | string): Uuid {
  const bytes = typeof name === 'string' ? utf8(name) : name;
  const digest = hash('sha1', concatBytes(uuidBytes(namespace), bytes), 'buffer');
  return stamp(new Uint8Array(digest.subarray(0, 16)), 5);
}

/** A UUID that sorts by time of creation (version 7, RFC 9562 §5.7): keys of append-only records. */
export function uuidV7(now: Millis, random: RandomSource): Uuid {
  const bytes = random.bytes(16);
  share(bytes).writeUIntBE(now, 0, 6);
  return stamp(bytes, 7);
}

/** When a UUID of version 7 was made. */
export const uuidV7Time = (uuid: Uuid): Millis => Number.parseInt(uuid.slice(0, 8) + uuid.slice(9, 13), 16);

function stamp(bytes: Uint8Array, version: number): Uuid {
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | (version << 4);
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return uuidFromBytes(bytes);
}
