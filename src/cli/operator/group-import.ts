import { createReadStream } from 'node:fs';
import { Command, Option } from 'commander';
import { failure } from '../../core/errors.ts';
import type { ImportLine, ImportReport } from '../../operator/imports.ts';
import type { AccessList } from '../../store/model.ts';
import { unreadable } from '../named-file.ts';
import { faint, type Output, strong } from '../output.ts';
import { plain } from '../plain.ts';
import { type ChangeOptions, changes, withOperations } from '../with-operations.ts';
import { listOption } from './list-option.ts';

/** `firstboot group access import` */
export const importCommand = (): Command =>
  changes(
    new Command('import')
      .description('Put the devices of a file on a list. All of them, or none when a line has a problem.')
      .summary('put the devices of a file on a list')
      .argument('<group>', 'id or name')
      .argument('<file>', 'CSV or NDJSON, or - for standard input')
      .addOption(listOption().makeOptionMandatory())
      .addOption(new Option('--format <format>', 'default: as the name of the file ends').choices(['csv', 'ndjson']))
      .option('--partial', 'leave out the lines with problems and take the others'),
  )
    .addHelpText(
      'after',
      `
Each line names one device by its manufacturer key id, or by the serial number
or subject of its manufacturer certificate. CSV begins with the names of its
columns; NDJSON uses the same names:

  serial,note                      {"serial": "3fa2b1", "note": "first line"}
  3fa2b1,first line                {"key": "3fa2b1c4-...", "note": "sample"}

Problems are told with line and field; --json tells what became of each line.
Exit code 1 when nothing was taken because of a problem.

Examples:
  $ firstboot group access import 'washing machines' ids.csv \\
      --list preauthorized --dry-run
  $ firstboot group access import 'washing machines' stolen.ndjson --list deny`,
    )
    .action((group: string, file: string, options: ImportOptions) => importFile(group, file, options));

interface ImportOptions extends ChangeOptions {
  readonly list: AccessList;
  readonly format?: 'csv' | 'ndjson';
  readonly partial?: boolean;
}

const importFile = (group: string, path: string, options: ImportOptions): Promise<void> =>
  withOperations(options, async (operations, output) => {
    const { list, partial, dryRun, format = formatOf(path) } = options;
    const file = path === '-' ? 'standard input' : path;
    const report = await operations.importAccess(chunks(path), { group, list, format, partial, dryRun, file });
    tell(report, options, output);
    if (report.problems === 0 || partial === true) return;
    const fix = 'nothing was changed; mend these lines, or take the others with --partial';
    throw failure('operator.input', { file, problems: report.problems }, fix);
  });

function tell(report: ImportReport, { dryRun = false, partial = false }: ImportOptions, output: Output): void {
  const { lines, applied, effects, file, added, duplicates, problems } = report;
  if (output.json) {
    for (const line of lines) output.data({ event: 'import-line', ...line });
    output.data({ event: 'import', applied, dryRun, file, added, duplicates, problems, effects });
    return;
  }
  const wrong = lines.filter(({ outcome }) => outcome === 'problem');
  for (const line of wrong) output.line(plain(lineText(file, line)));
  if (problems > wrong.length) output.line(faint(`and ${problems - wrong.length} more lines with problems`));
  const repeated = lines.filter(({ outcome }) => outcome === 'duplicate');
  for (const line of repeated.slice(0, shownRepeats)) output.line(faint(plain(lineText(file, line))));
  if (repeated.length > shownRepeats) output.line(faint(`and ${repeated.length - shownRepeats} more that were known`));
  if (problems > 0 && !partial) return;
  for (const effect of effects) output.line(strong(plain(effect)));
  if (effects.length === 0) output.line(faint('there is nothing to do'));
}

/** Lines that repeat others are no problem: people get the first of them. */
const shownRepeats = 10;

function lineText(file: string, line: ImportLine): string {
  const place = `${file}, line ${line.line}`;
  switch (line.outcome) {
    case 'problem':
      return `${place}, field ${line.field}: expected ${line.expected}`;
    case 'duplicate':
      return `${place}: ${line.of === 'list' ? 'is on the list already' : `is there in line ${line.of}`}`;
    case 'added':
      return place;
  }
}

function formatOf(path: string): 'csv' | 'ndjson' {
  if (/\.csv$/i.test(path)) return 'csv';
  if (/\.(?:ndjson|jsonl)$/i.test(path)) return 'ndjson';
  throw failure('command.usage', { file: path }, 'say --format csv or --format ndjson: the name does not');
}

async function* chunks(path: string): AsyncGenerator<string> {
  try {
    yield* path === '-' ? process.stdin.setEncoding('utf8') : createReadStream(path, 'utf8');
  } catch (error) {
    throw unreadable(path, error);
  }
}
