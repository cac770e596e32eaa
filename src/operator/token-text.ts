import { hash, timingSafeEqual } from 'node:crypto';
import { share } from '../core/bytes.ts';
import { parseUuid, type Uuid } from '../core/ids.ts';
import type { RandomSource } from '../core/random.ts';

/**
 * A token of the API as it is told once: `fb_`, the 32 hex digits of its id, `_`, and 256 random bits (base64url). The id finds
 * its row; the prefix lets scanners of secrets know it.
 */
export const newTokenText = (id: Uuid, random: RandomSource): string =>
  `fb_${id.replaceAll('-', '')}_${share(random.bytes(32)).toString('base64url')}`;

/** The id in a token; undefined: this is no token of ours. */
export function tokenIdOf(text: string): Uuid | undefined {
  const [, hex] = pattern.exec(text) ?? [];
  return hex === undefined ? undefined : parseUuid(hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'));
}

/** SHA-256, hex. */
export const tokenHash = (text: string): string => hash('sha256', text, 'hex');

/** In a time that does not tell how much of it is right. */
export const fitsHash = (text: string, expected: string): boolean => {
  const [ours, theirs] = [hash('sha256', text, 'buffer'), Buffer.from(expected, 'hex')];
  return ours.length === theirs.length && timingSafeEqual(ours, theirs);
};

const pattern = /^fb_([0-9a-f]{32})_[A-Za-z0-9_-]{43}$/;
