import { CsvReader } from '../codec/csv.ts';
import { LineReader } from '../codec/lines.ts';
import { failure } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import type { DeviceSelector } from '../store/model.ts';
import { isPlainText, readSelector } from './selectors.ts';

export type ImportFormat = 'csv' | 'ndjson';

/** One line of a file of devices: the device that it names, or the field that is wrong and what should be there. */
export type ImportRow =
  | { readonly line: number; readonly device: DeviceSelector; readonly note: string | undefined }
  | ImportFault;

interface ImportFault {
  readonly line: number;
  readonly field: string;
  readonly expected: string;
}

/**
 * Reads a file of devices that comes in pieces.
 * @throws FirstbootError operator.input when the header line of a CSV cannot be used
 */
export function readImport(
  source: AsyncIterable<string>,
  format: ImportFormat,
  file: string,
): AsyncGenerator<ImportRow> {
  return format === 'csv' ? readCsv(source, file) : readNdjson(source);
}

const selectors = ['key', 'serial', 'subject'] as const;
const columns = [...selectors, 'note'] as const;
type Column = (typeof columns)[number];

const isColumn = (name: string): name is Column => columns.some((column) => column === name);

async function* readCsv(source: AsyncIterable<string>, file: string): AsyncGenerator<ImportRow> {
  const reader = new CsvReader(longest);
  let header: readonly Column[] | undefined;
  for await (const record of recordsOf(reader, source)) {
    const { line } = record;
    if ('fault' in record) {
      const { field, expected } = record.fault;
      if (header === undefined) throw failure('operator.input', { file, line, field }, `write ${expected}`);
      yield { line, field: header[field - 1] ?? `field ${field}`, expected };
    } else if (header === undefined) {
      header = readHeader(record.fields, file, line);
    } else if (record.fields.length !== header.length) {
      const expected = `${header.length} fields as in the header, not ${record.fields.length}`;
      yield { line, field: header[record.fields.length] ?? `field ${header.length + 1}`, expected };
    } else {
      const { fields } = record;
      yield readRow(line, Object.fromEntries(header.map((column, at) => [column, fields[at] ?? ''])));
    }
  }
  if (header === undefined) throw failure('operator.input', { file, line: 1 }, headerFix);
}

function readHeader(fields: readonly string[], file: string, line: number): readonly Column[] {
  const names = fields.map((field) => field.trim().toLowerCase());
  for (const [at, name] of names.entries()) {
    const evidence = { file, line, field: at + 1, found: name.slice(0, 40) };
    if (!isColumn(name)) throw failure('operator.input', evidence, headerFix);
    if (names.indexOf(name) < at) throw failure('operator.input', evidence, 'name each column once');
  }
  const header = names.filter(isColumn);
  if (selectors.some((name) => header.includes(name))) return header;
  throw failure('operator.input', { file, line }, headerFix);
}

const headerFix = 'the first line names the columns: some of key, serial, subject, and note';

async function* readNdjson(source: AsyncIterable<string>): AsyncGenerator<ImportRow> {
  const reader = new LineReader(longest);
  for await (const { line, text } of recordsOf(reader, source)) {
    if (text === undefined) yield { line, field: 'line', expected: `at most ${longest} characters` };
    else if (text.trim() !== '') yield readObject(line, text);
  }
}

function readObject(line: number, text: string): ImportRow {
  const members = membersOf(text);
  if (members === undefined) return { line, field: 'line', expected: 'a JSON object, such as {"serial":"0a1b"}' };
  const texts: Partial<Record<Column, string>> = {};
  for (const [name, value] of members) {
    if (!isColumn(name)) return { line, field: name.slice(0, 40), expected: `one of the names ${columns.join(', ')}` };
    if (typeof value !== 'string') return { line, field: name, expected: 'a text in quotes' };
    texts[name] = value;
  }
  return readRow(line, texts);
}

function membersOf(text: string): readonly (readonly [string, unknown])[] | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : undefined;
  } catch {
    return undefined;
  }
}

/** An empty field is one that is missing. */
function readRow(line: number, texts: Partial<Record<Column, string>>): ImportRow {
  const given = selectors.filter((name) => (texts[name] ?? '') !== '');
  const [by, second] = given;
  if (by === undefined) return { line, field: 'key', expected: 'one of key, serial and subject' };
  if (second !== undefined)
    return { line, field: second, expected: `nothing, as there is a ${by}: one of them names a device` };
  const read = readSelector(by, texts[by] ?? '');
  if ('expected' in read) return { line, field: by, expected: read.expected };
  const note = texts.note === '' ? undefined : texts.note;
  if (note !== undefined && !isPlainText(note)) {
    return { line, field: 'note', expected: `one line of at most ${limits.policy.text} characters` };
  }
  return { line, device: read.selector, note };
}

/** Characters of a line or record: room for all columns, with quotes doubled. */
const longest = 8 * limits.policy.text;

async function* recordsOf<T>(
  reader: { push(piece: string): readonly T[]; end(): readonly T[] },
  source: AsyncIterable<string>,
): AsyncGenerator<T> {
  for await (const piece of source) yield* reader.push(piece);
  yield* reader.end();
}
