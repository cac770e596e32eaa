import { toHex } from '../core/bytes.ts';
import { days, hours, type Millis, minutes } from '../core/clock.ts';
import type { Evidence } from '../core/errors.ts';
import type { Certificate } from './certificate.ts';

/** What the explanations of certificate paths say of certificates and dates. */

/** Stands for the group in a fix; whoever knows which one it is puts its name there. */
export const anyGroup = 'an enrollment group';

/** Which certificate of a path, in words. */
export const whoIs = (certificate: Certificate, depth: number): string =>
  depth === 0 ? 'the device certificate' : `the authority ${certificate.subject.text}`;

export const certificateFacts = (certificate: Certificate, depth: number): Evidence => ({
  depth,
  subject: certificate.subject.text,
  issuer: certificate.issuer.text,
});

/** Whose key has signed it, by its own word (RFC 5280 §4.2.1.1); hex. */
export const authorityKeyIdOf = ({ authorityKeyId }: Certificate): string | undefined =>
  authorityKeyId && toHex(authorityKeyId);

export const subjectKeyIdOf = ({ subjectKeyId }: Certificate): string | undefined =>
  subjectKeyId && toHex(subjectKeyId);

/** A key id for a sentence: its beginning. */
export const shortKeyId = (hex: string | undefined): string => (hex === undefined ? 'none' : `${hex.slice(0, 8)}..`);

/** How long a time is, in the largest unit that fits: `54 years`, `12 days`, `1 hour`. Without its sign. */
export function spanText(span: Millis): string {
  const [size, name] = units.find(([unit]) => Math.abs(span) >= unit) ?? [1000, 'second'];
  const count = Math.floor(Math.abs(span) / size);
  return `${count} ${name}${count === 1 ? '' : 's'}`;
}

const units: readonly (readonly [Millis, string])[] = [
  [days(365.25), 'year'],
  [days(1), 'day'],
  [hours(1), 'hour'],
  [minutes(1), 'minute'],
];
