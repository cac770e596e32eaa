import { Command, Option } from 'commander';
import type { Millis } from '../../core/clock.ts';
import { errorTable, failure } from '../../core/errors.ts';
import { attemptLines } from '../../operator/attempt-report.ts';
import type { AttemptFilter, ListedAttempt } from '../../operator/attempts.ts';
import { verdicts } from '../../store/model.ts';
import { oneLine } from '../arguments.ts';
import { plain } from '../plain.ts';
import { moment, sinceTime } from '../times.ts';
import { wrapped } from '../width.ts';
import { asks, type TargetOptions, withOperations } from '../with-operations.ts';
import { everyPage, limited, printListing, short, shortAttempt } from './rows.ts';

export function attemptCommand(): Command {
  const attempt = new Command('attempt')
    .description('Attempts of devices to be provisioned, those that failed included, step by step.')
    .summary('what devices tried, step by step')
    .helpCommand('help [command]', 'show help for a command');
  const list = attempt
    .command('list')
    .description('List attempts, newest first.')
    .option('--device <device>', 'only of this device: key id, device id, or the first 8 characters of one')
    .addOption(new Option('--verdict <verdict>', 'only with this end').choices([...verdicts, 'open']))
    .option('--code <code>', 'only refused for this reason: bind.device-id-taken, or bind for all of that stage')
    .option('--since <time>', 'a date, or so long ago: 30d, 12h', sinceTime)
    .option('--text <text>', 'only with this in the subject, PSK identity, address, key id or device id', oneLine());
  limited(asks(list), 100)
    .addHelpText(
      'after',
      `
Examples:
  $ firstboot attempt list --text 'device-0007'
  $ firstboot attempt list --verdict refused --since 24h
  $ firstboot attempt list --device 3fa2b1c4 --code attest`,
    )
    .action((options: ListOptions) => printAttempts(options));
  asks(
    attempt
      .command('show')
      .description('Show an attempt: what was offered and presented, each decision, each request and answer.')
      .summary('show an attempt, step by step')
      .argument('<attempt>', 'its id, or the beginning of it'),
  )
    .addHelpText(
      'after',
      '\nExample:\n  $ firstboot attempt show 0199f3a2-77d0\n\nfirstboot explain says what it means and what to do.',
    )
    .action((id: string, options: TargetOptions) =>
      withOperations(options, async (operations, output) => {
        const found = await operations.attempt(id);
        output.data({ event: 'attempt', ...found });
        for (const line of attemptLines(found)) output.line(wrapped(plain(line), hangOf(line)));
      }),
    );
  const refusals = attempt
    .command('refusals')
    .description('Count refused strangers by hour and reason. Under attack most of them are only counted.')
    .summary('count refused strangers by hour and reason')
    .option('--since <time>', 'a date, or so long ago (default: 7d)', sinceTime);
  limited(asks(refusals))
    .addHelpText('after', '\nExample:\n  $ firstboot attempt refusals --since 24h')
    .action((options: RefusalOptions) => countRefusals(options));
  return attempt;
}

type ListOptions = TargetOptions & AttemptFilter & { readonly limit: number };

interface RefusalOptions extends TargetOptions {
  readonly since?: Millis;
  readonly limit: number;
}

const printAttempts = (options: ListOptions): Promise<void> =>
  withOperations(options, async (operations, output) => {
    const { code, limit } = options;
    if (code !== undefined && !isReason(code)) {
      throw failure('command.usage', { option: '--code', found: code }, 'docs/errors.md lists the codes');
    }
    await printListing(output, {
      rows: everyPage((page) => operations.attempts(options, page)),
      limit,
      head: ['attempt', 'when', 'verdict', 'reason', 'who'],
      cells: (attempt) => [
        shortAttempt(attempt.id),
        moment(attempt.openedAt),
        attempt.verdict ?? 'open',
        attempt.refusal?.code ?? '',
        whoText(attempt),
      ],
      data: (attempt) => ({ event: 'attempt', ...attempt }),
      none: 'there is no such attempt',
    });
  });

/** The key of a device that is known; a stranger by what it said of itself. */
function whoText({ keyId, peer: { subject, pskIdentity, addresses } }: ListedAttempt): string {
  if (keyId !== undefined) return subject === undefined ? short(keyId) : `${short(keyId)} ${subject}`;
  if (pskIdentity !== undefined) return `PSK ${pskIdentity}`;
  return subject ?? `a stranger at ${addresses[0] ?? 'an unknown address'}`;
}

/** Below the text of an entry, behind its time. */
const hangOf = (line: string): number => (/^ *\+\d+ ms +| */.exec(line)?.[0].length ?? 0) + 2;

const countRefusals = ({ since = sinceTime('7d'), limit, ...options }: RefusalOptions): Promise<void> =>
  withOperations(options, async (operations, output) => {
    await printListing(output, {
      rows: [...(await operations.refusals(since))].reverse(),
      limit,
      head: ['hour', 'reason', 'refused', 'with an attempt'],
      cells: ({ hour, code, count, recorded }) => [moment(hour), code, String(count), String(recorded)],
      data: (count) => ({ event: 'refusals', ...count }),
      none: 'no stranger was refused',
    });
  });

const isReason = (code: string): boolean =>
  Object.keys(errorTable).some((known) => known === code || known.startsWith(`${code}.`));
