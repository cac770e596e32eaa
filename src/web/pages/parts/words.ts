/** Undefined for an empty field of a form: the key is left out then. */
export const textOrNone = (text: string): string | undefined => (text.trim() === '' ? undefined : text.trim());

/** One entry a line; empty lines do not count. */
export const linesOf = (text: string): readonly string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');

/** ms */
export const day = 86_400_000;
