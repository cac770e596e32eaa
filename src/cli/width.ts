import { stripVTControlCharacters } from 'node:util';

/** Columns of a line for people: COLUMNS, those of the terminal, or 120 where there is none. */
export function lineWidth(): number {
  const wanted = Number(process.env.COLUMNS);
  if (Number.isInteger(wanted) && wanted >= narrowest) return wanted;
  return process.stdout.isTTY && process.stdout.columns >= narrowest ? process.stdout.columns : 120;
}

/** A text of one line, wrapped between words; further lines begin behind `hang` blanks. Words stay whole. */
export function wrapped(text: string, hang: number, width = lineWidth()): string {
  if (lengthOf(text) <= width) return text;
  const [indent = ''] = /^ */.exec(text) ?? [];
  const further = ' '.repeat(Math.min(hang, width >> 1));
  return filled(text.slice(indent.length), width - indent.length, width - further.length)
    .map((line, at) => (at === 0 ? indent : further) + line)
    .join('\n');
}

/** Lines of at most `width` columns, the first one of `first`; blanks between words stay as they are within a line. */
export function filled(text: string, first: number, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const [, blanks = '', word = ''] of text.matchAll(/( *)([^ ]+)/g)) {
    const room = lines.length === 0 ? first : width;
    if (line !== '' && lengthOf(line) + blanks.length + lengthOf(word) > room) {
      lines.push(line);
      line = word;
    } else line += blanks + word;
  }
  return [...lines, line];
}

/** Without styles. */
const lengthOf = (text: string): number => stripVTControlCharacters(text).length;

const narrowest = 20;
