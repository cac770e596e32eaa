import { fromHex } from '../core/bytes.ts';
import { failure } from '../core/errors.ts';
import { parseUuid } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import { serialText } from '../pki/certificate.ts';
import type { DeviceSelector } from '../store/model.ts';

/** A selector in the form in which lists keep it, or what should be there instead. */
export type ReadSelector = { readonly selector: DeviceSelector } | { readonly expected: string };

/**
 * Reads what an operator wrote: a UUID in any case, a serial number in hexadecimal (at most 20 octets, RFC 5280 §4.1.2.2)
 * with or without leading zeros, a subject pattern.
 */
export function readSelector(by: DeviceSelector['by'], text: string): ReadSelector {
  switch (by) {
    case 'key': {
      const value = parseUuid(text);
      return value === undefined ? { expected: 'a manufacturer key id (a UUID)' } : { selector: { by, value } };
    }
    case 'serial': {
      const value = normalSerial(text);
      return value === undefined
        ? { expected: 'a serial number: 1 to 40 hexadecimal digits' }
        : { selector: { by, value } };
    }
    case 'subject':
      return isPlainText(text)
        ? { selector: { by, value: text } }
        : { expected: `a subject of 1 to ${limits.policy.text} printable characters` };
  }
}

/** A serial number as certificates have it (Certificate.serial), or undefined when `text` is none. */
export function normalSerial(text: string): string | undefined {
  if (!/^0*[0-9a-fA-F]{1,40}$/.test(text) || text.length > limits.policy.text) return undefined;
  return serialText(fromHex(text.length % 2 === 0 ? text : `0${text}`));
}

/** A text that can be shown in one line: not empty, not too long, printable. */
export const isPlainText = (text: string): boolean =>
  text.length > 0 && text.length <= limits.policy.text && isPrintable(text);

/** No control characters, line ends or halves of characters, nothing that turns text round or cannot be seen; joiners belong to scripts. */
export const isPrintable = (text: string): boolean =>
  !/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]|(?![\u200c\u200d])\p{Cf}/u.test(text);

/** @throws FirstbootError operator.input when there is a reason that cannot be shown in one line */
export function requireReason(reason: string | undefined): string | undefined {
  if (reason === undefined || isPlainText(reason)) return reason;
  const fix = `write one line of at most ${limits.policy.text} characters`;
  throw failure('operator.input', { field: 'reason', characters: reason.length }, fix);
}
