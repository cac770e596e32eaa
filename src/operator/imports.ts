import { failure } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import type { AccessEntry, AccessList, EnrollmentGroup } from '../store/model.ts';
import { accessKey, type Store } from '../store/store.ts';
import { carryOut, type OperatorDeps } from './change.ts';
import { findGroup } from './find.ts';
import { type ImportFormat, type ImportRow, readImport } from './import-rows.ts';
import { everyAccessEntry } from './scan.ts';

export interface ImportRequest {
  /** Id or name. */
  readonly group: string;
  readonly list: AccessList;
  readonly format: ImportFormat;
  /** Take what is right and leave out the lines with problems; else one problem keeps everything out. */
  readonly partial?: boolean | undefined;
  readonly dryRun?: boolean | undefined;
  /** For people: where the text is from. */
  readonly file: string;
}

/** What became of one line; when the import was not applied, what would have become of it. */
export type ImportLine =
  | { readonly line: number; readonly outcome: 'added' }
  /** It is on the list already, or in the file before: `of` is that line. */
  | { readonly line: number; readonly outcome: 'duplicate'; readonly of: number | 'list' }
  | { readonly line: number; readonly outcome: 'problem'; readonly field: string; readonly expected: string };

export interface ImportReport {
  readonly applied: boolean;
  readonly effects: readonly string[];
  readonly file: string;
  readonly added: number;
  readonly duplicates: number;
  readonly problems: number;
  /** In the order of the file; of the problems the first limits.policy.importProblems. */
  readonly lines: readonly ImportLine[];
}

/**
 * Puts the devices of a file on a long list of a group: CSV (RFC 4180) with a header line that names its columns, of `key`,
 * `serial`, `subject` and `note`, in any order; or NDJSON with the same names. Each line names one device by exactly one of the
 * first three. All of it is written at once or none: nothing when a line has a problem, unless `partial`.
 * @param source the text in pieces, as it is read
 * @throws FirstbootError operator.not-found, operator.ambiguous (the group), operator.input (the header line, too many lines)
 */
export async function importAccess(
  deps: OperatorDeps,
  source: AsyncIterable<string>,
  { group: which, list, format, partial = false, dryRun = false, file }: ImportRequest,
): Promise<ImportReport> {
  await findGroup(deps.store, which);
  const rows = await collected(source, format, file);
  const { result, applied, effects } = await carryOut(
    deps,
    async () => {
      const group = await findGroup(deps.store, which);
      const sorted = await sortedOut(deps, group, list, rows);
      const goes = sorted.problems === 0 || partial;
      return {
        action: 'access.import',
        target: `group ${group.id}`,
        detail: { list, file, added: sorted.entries.length, duplicates: sorted.duplicates, problems: sorted.problems },
        changes: { access: sorted.entries },
        effects:
          goes && sorted.entries.length > 0
            ? [`${sorted.entries.length} devices come on the ${list} list of group ${group.name}`]
            : [],
        result: sorted,
      };
    },
    { dryRun },
  );
  const { entries, duplicates, problems, lines } = result;
  return { applied, effects, file, added: entries.length, duplicates, problems, lines };
}

async function collected(source: AsyncIterable<string>, format: ImportFormat, file: string): Promise<ImportRow[]> {
  const rows: ImportRow[] = [];
  for await (const row of readImport(source, format, file)) {
    rows.push(row);
    if (rows.length > limits.policy.importLines) {
      const fix = `split the file: ${limits.policy.importLines} lines go at a time`;
      throw failure('operator.input', { file, line: row.line }, fix);
    }
  }
  return rows;
}

/** What is new, what is there already, what is wrong. The list itself, which may be long, goes by a page at a time. */
async function sortedOut(
  { store, now }: OperatorDeps,
  group: EnrollmentGroup,
  list: AccessList,
  rows: readonly ImportRow[],
) {
  const firstLines = new Map<string, number>();
  for (const row of rows) {
    const key = 'device' in row ? accessKey(list, row.device) : undefined;
    if (key !== undefined && !firstLines.has(key)) firstLines.set(key, row.line);
  }
  const listed = await alreadyListed(store, group, list, firstLines);
  const entries: AccessEntry[] = [];
  const lines: ImportLine[] = [];
  let [duplicates, problems] = [0, 0];
  const addedAt = now();
  for (const row of rows) {
    const { line } = row;
    if (!('device' in row)) {
      const { field, expected } = row;
      if (++problems <= limits.policy.importProblems) lines.push({ line, outcome: 'problem', field, expected });
      continue;
    }
    const key = accessKey(list, row.device);
    const first = firstLines.get(key);
    if (listed.has(key) || (first !== undefined && first !== line)) {
      duplicates++;
      lines.push({ line, outcome: 'duplicate', of: listed.has(key) || first === undefined ? 'list' : first });
    } else {
      entries.push({ groupId: group.id, list, device: row.device, note: row.note, addedAt });
      lines.push({ line, outcome: 'added' });
    }
  }
  return { entries, lines, duplicates, problems };
}

async function alreadyListed(
  store: Store,
  { id }: EnrollmentGroup,
  list: AccessList,
  wanted: ReadonlyMap<string, number>,
): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  for await (const entry of everyAccessEntry(store, id, { list })) {
    const key = accessKey(entry.list, entry.device);
    if (wanted.has(key)) found.add(key);
  }
  return found;
}
