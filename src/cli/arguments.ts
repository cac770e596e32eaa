import { InvalidArgumentError } from 'commander';
import type { Millis } from '../core/clock.ts';
import { parseUuid, type Uuid } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import { parseRetryTable } from '../device/retry.ts';
import { parseDuration } from '../fleet/units.ts';
import { isPlainText } from '../operator/selectors.ts';

/** Parsers of option values: each says what it expects. */

export function wholeNumber(text: string): number {
  if (/^[1-9]\d{0,5}$/.test(text) && Number(text) <= 100_000) return Number(text);
  throw new InvalidArgumentError('expected a whole number from 1 to 100000.');
}

/** A text for people that is kept or looked for: the same bounds over a data folder and over a service. */
export const oneLine =
  (most: number = limits.policy.text) =>
  (text: string): string => {
    if (text.length <= most && isPlainText(text)) return text;
    throw new InvalidArgumentError(`expected one line of 1 to ${most} characters.`);
  };

export function portNumber(text: string): number {
  if (/^\d{1,5}$/.test(text) && Number(text) <= 65_535) return Number(text);
  throw new InvalidArgumentError('expected a port from 0 to 65535 (0: any free one).');
}

export function uuidText(text: string): Uuid {
  const uuid = parseUuid(text);
  if (uuid !== undefined) return uuid;
  throw new InvalidArgumentError('expected a UUID.');
}

export function generationNumber(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('expected a whole number from 1.');
}

export function hashText(text: string): string {
  if (/^[0-9a-f]{64}$/i.test(text)) return text.toLowerCase();
  throw new InvalidArgumentError('expected a SHA-256 hash: 64 hexadecimal digits.');
}

/** A length of time, in ms. */
export function timeSpan(text: string): Millis {
  const time = parseDuration(text);
  if (time !== undefined) return time;
  throw new InvalidArgumentError('expected a time with its unit: 30d, 12h, 5min.');
}

/** plgd's `-r`: seconds, separated by commas; in ms. */
export function retryTable(text: string): number[] {
  try {
    return parseRetryTable(text);
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? `${error.message}.` : '');
  }
}
