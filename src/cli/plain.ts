import { stripVTControlCharacters } from 'node:util';

/** Text of a stranger (a subject, a file name, a refusal with it) in one line, without what a terminal would act on. */
export const plain = (text: string): string => withoutControls(text).replace(/\p{Cc}/gu, '?');

/**
 * Whole output of a command, whatever has come into it: its lines and the styles of output.ts stay, nothing else that a
 * terminal would act on. Strangers' text can still look like ours here: `plain` is for that, where it comes in.
 */
export const harmless = (text: string): string =>
  text
    .split(ownStyles)
    .map((piece, at) => (at % 2 === 1 ? piece : withoutControls(piece).replace(/[^\P{Cc}\n\t]/gu, '?')))
    .join('');

const withoutControls = (text: string): string => stripVTControlCharacters(text).replace(/\p{Bidi_Control}/gu, '?');

/** Bold, dim, red, green, and their ends. */
const ownStyles = new RegExp(`(${'\u001b'}\\[(?:1|2|22|31|32|39)m)`);
