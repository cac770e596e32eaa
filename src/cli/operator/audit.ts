import { Command } from 'commander';
import type { Millis } from '../../core/clock.ts';
import { failure } from '../../core/errors.ts';
import type { JsonObject, JsonValue } from '../../core/json.ts';
import { counted } from '../../core/words.ts';
import { hashText, oneLine } from '../arguments.ts';
import { faint, good } from '../output.ts';
import { moment, sinceTime } from '../times.ts';
import { asks, type TargetOptions, withOperations } from '../with-operations.ts';
import { limited, newest, printListing, tellMore } from './rows.ts';

export function auditCommand(): Command {
  const audit = new Command('audit')
    .description('The audit log: who did what to what, when and from where. Lines are added, never changed.')
    .summary('who did what to what, when and from where')
    .helpCommand('help [command]', 'show help for a command');
  const list = audit
    .command('list')
    .description('List the newest lines, in order.')
    .option('--action <name>', 'device.approve, or device for everything done to devices', oneLine())
    .option('--target <text>', 'a part of what it was done to: an id, also of a device in a lot', oneLine())
    .option('--actor <name>', 'who did it', oneLine())
    .option('--since <time>', 'a date, or so long ago: 30d, 12h', sinceTime);
  limited(asks(list))
    .addHelpText(
      'after',
      '\nExamples:\n  $ firstboot audit list --since 7d\n  $ firstboot audit list --action device.approve --json',
    )
    .action((options: ListOptions) => listLines(options));
  asks(
    audit
      .command('verify')
      .description('Check that no line was changed, taken out or put in: each holds the hash of the line before.')
      .summary('check that no line was changed, taken out or put in')
      .option('--head <hash>', 'hash that you kept elsewhere; a line must have it', hashText),
  )
    .addHelpText(
      'after',
      `
Whoever can write to the store can write the whole log anew. Keep the last hash,
which this command prints, somewhere else, and give it as --head the next time.

Examples:
  $ firstboot audit verify
  $ firstboot audit verify --head 4d1fa0...`,
    )
    .action((options: VerifyOptions) => verify(options));
  return audit;
}

interface ListOptions extends TargetOptions {
  readonly action?: string;
  readonly target?: string;
  readonly actor?: string;
  readonly since?: Millis;
  readonly limit: number;
}

interface VerifyOptions extends TargetOptions {
  readonly head?: string;
}

const listLines = ({ limit, ...options }: ListOptions): Promise<void> =>
  withOperations(options, async (operations, output) => {
    const { kept, more } = await newest((page) => operations.audit(options, { ...page, newest: true }), limit);
    await printListing(output, {
      rows: kept,
      limit,
      head: ['line', 'when', 'who', 'from', 'did', 'to', 'with'],
      cells: ({ seq, at, actor, action, target, detail }) => [
        String(seq),
        moment(at),
        actor.name,
        actor.from,
        action,
        target.replace(/\b([0-9a-f]{8})-[0-9a-f]{4}-[0-9a-f-]{22}/g, '$1'),
        detailText(detail),
      ],
      data: (line) => ({ event: 'audit', ...line }),
      none: 'there is no such line',
    });
    if (more) tellMore(output, limit);
  });

/** `key value, key value`, as far as there is room; --json has all of it. */
function detailText(detail: JsonObject): string {
  const text = Object.entries(detail)
    .map(([name, value]) => `${name} ${valueText(value) || 'none'}`)
    .join(', ');
  return text.length <= shownDetail ? text : `${text.slice(0, shownDetail)}…`;
}

function valueText(value: JsonValue | undefined): string {
  if (typeof value !== 'object' || value === null) return String(value);
  const parts = Object.entries(value).map(([name, part]) => [name, valueText(part)] as const);
  const said = parts.filter(([, part]) => part !== '');
  return said
    .map(([name, part]) => (Array.isArray(value) ? part : `${name} ${part}`))
    .join(Array.isArray(value) ? ' ' : '; ');
}

const shownDetail = 200;

const verify = (options: VerifyOptions): Promise<void> =>
  withOperations(options, async (operations, output) => {
    const verdict = await operations.verifyAudit(options);
    if (verdict.ok) {
      const { lines, head } = verdict;
      output.data({ event: 'audit-verified', lines, head });
      output.line(`${good('whole')}: ${counted(lines, 'line')}, the last one with the hash`);
      output.line(head);
      output.line(faint('keep this hash elsewhere and give it as --head the next time'));
      return;
    }
    const { fault, expected, found } = verdict.problem;
    throw failure('operator.audit', { line: verdict.seq, fault, expected, found }, damage[fault]);
  });

const damage = {
  sequence: 'lines are missing or were put in before this one; compare with a backup of the data folder',
  link: 'this line does not follow the one before: one of both was changed; compare with a backup of the data folder',
  content: 'this line was changed after it was written; compare with a backup of the data folder',
  tail: 'the last lines are missing; compare with a backup of the data folder',
  head: 'no line has the hash that you kept: the log was written anew; compare with a backup of the data folder',
} as const;
