import { Argument, Command, Option } from 'commander';
import { days, type Millis } from '../core/clock.ts';
import { failure } from '../core/errors.ts';
import type { ListStatus } from '../operator/ca.ts';
import type { CutOffReason } from '../operator/ca-rehearsal.ts';
import type { RotationOptions } from '../operator/ca-rotation.ts';
import { tellOutcome } from './operator/outcome.ts';
import { bad, faint, type Output, strong } from './output.ts';
import { plain } from './plain.ts';
import { printTable, table } from './table.ts';
import { atTime, moment, momentWords, whenWords } from './times.ts';
import { asks, type ChangeOptions, changes, type TargetOptions, withOperations } from './with-operations.ts';

export function caCommand(): Command {
  const ca = new Command('ca')
    .description('The authorities behind identity certificates, and those of manufacturers.')
    .summary('certificate authorities: status, roll-over, rehearsal')
    .helpCommand('help [command]', 'show help for a command');
  ofAuthority(
    asks(
      ca.command('status').description('Show roots, issuing authorities, manufacturer anchors and revocation lists.'),
    ),
  )
    .addHelpText('after', '\nExample:\n  $ firstboot ca status')
    .action((options: CaOptions) => status(options));
  ofAuthority(
    changes(
      ca
        .command('rotate')
        .description(
          'Take the next step of a roll-over. An issuing authority gets a successor below the same root at once. A new root is ' +
            'announced first (devices get both roots), then it signs, then the old one is not delivered any more.',
        )
        .summary('roll over to a new issuing authority or root')
        .addArgument(new Argument('<what>', 'which authority').choices(['issuing', 'root']))
        .addOption(
          new Option('--stage <stage>', 'of a root; default: the next').choices(['announce', 'switch', 'retire']),
        )
        .option('--force', 'even if devices are cut off until they renew'),
    ),
  )
    .addHelpText(
      'after',
      `
A running service (--server) reloads by itself and signs with the new authority
at once. A data folder is for a service that does not run: it takes the new
authority when it starts.

Examples:
  $ firstboot ca rotate issuing --dry-run
  $ firstboot ca rotate root`,
    )
    .action((what: 'issuing' | 'root', options: RotateOptions) => rotate(what, options));
  ofAuthority(
    asks(
      ca
        .command('rehearse')
        .description('Say who is cut off if an anchor goes on a day: a root of ours, or an anchor of a manufacturer.')
        .summary('who is cut off if this anchor goes on that day')
        .argument('<anchor>', 'its fingerprint or key id, 8 digits or more, or root for our present one')
        .requiredOption('--on <day>', 'a date, today or later', atTime),
    ),
  )
    .addHelpText('after', '\nExample:\n  $ firstboot ca rehearse root --on 2027-03-01')
    .action((anchor: string, options: RehearseOptions) => rehearse(anchor, options));
  return ca;
}

interface CaOptions extends TargetOptions {
  readonly authority?: string;
}

interface RotateOptions extends ChangeOptions, CaOptions {
  readonly stage?: NonNullable<RotationOptions['stage']>;
  readonly force?: boolean;
}

interface RehearseOptions extends CaOptions {
  readonly on: Millis;
}

const ofAuthority = (command: Command): Command =>
  command.option(
    '--authority <folder>',
    "the authority's folder (default: authority or pki/authority in the data folder)",
  );

const status = (options: CaOptions): Promise<void> =>
  withOperations(options, async (operations, output, { now }) => {
    const at = now();
    const { roots, issuing, manufacturers } = await operations.ca();
    output.data({ event: 'ca-status', roots, issuing, manufacturers });
    output.line(strong('roots'));
    printTable(
      output,
      table(
        roots.map(({ role, subject, fingerprint, notAfter }) => [
          role,
          subject,
          fingerprint.slice(0, shown),
          momentWords(notAfter, at),
        ]),
        ['role', 'name', 'fingerprint', 'until'],
      ),
    );
    output.line();
    output.line(strong('issuing authorities'));
    printTable(
      output,
      table(
        issuing.map(({ role, subject, keyId, notAfter, live, revoked, crlNumber }) => [
          ...[role, subject, keyId.slice(0, shown), momentWords(notAfter, at)],
          ...[live, revoked, crlNumber].map((count) => String(count ?? '?')),
        ]),
        ['role', 'name', 'key id', 'until', 'live', 'revoked', 'list'],
      ),
    );
    for (const { group, anchors, lists } of manufacturers) {
      output.line();
      output.line(strong(`manufacturer anchors of ${plain(group.name)}`));
      const rows = anchors.map(({ subject, fingerprint, notAfter }) => [
        subject,
        fingerprint.slice(0, shown),
        momentWords(notAfter, at),
      ]);
      printTable(output, table(rows, ['name', 'fingerprint', 'until']));
      for (const list of lists) tellList(list, at, output);
    }
  });

function tellList(
  { url, issuer, revoked, nextUpdate, fetchedAt, stale, error }: ListStatus,
  now: Millis,
  output: Output,
): void {
  const what = `  list ${url ?? 'in the group'}: ${issuer ?? 'never fetched'}`;
  const facts = [
    revoked === undefined ? undefined : `${revoked} revoked`,
    nextUpdate === undefined ? undefined : `next ${whenWords(nextUpdate, now)}`,
    fetchedAt === undefined ? undefined : `fetched ${whenWords(fetchedAt, now)}`,
  ].filter((fact) => fact !== undefined);
  output.line(`${plain([what, ...facts].join(', '))}${stale ? bad(' stale') : ''}`);
  if (error !== undefined) output.line(`    ${plain(error)}`);
}

const rotate = (what: 'issuing' | 'root', options: RotateOptions): Promise<void> =>
  withOperations(options, async (operations, output) => {
    const { stage: wanted, force, dryRun } = options;
    const outcome = await operations.rotate({ what, stage: wanted, force, dryRun });
    const { stage, next, safeFrom, cutOff } = outcome.result;
    tellOutcome(output, outcome, options, { stage, next, safeFrom, cutOff });
    if (next.length > 0) output.line();
    for (const step of next) output.line(`next: ${step}`);
    if (safeFrom !== undefined) output.line(faint(`every device has renewed by ${moment(safeFrom)} at the latest`));
  });

const rehearse = (anchor: string, options: RehearseOptions): Promise<void> =>
  withOperations(options, async (operations, output, { now }) => {
    const at = now();
    // A day is one of UTC; today is not over.
    if (options.on + days(1) <= at) {
      const found = moment(options.on);
      throw failure('command.usage', { option: '--on', found }, 'that day is over: give today or a day to come');
    }
    const on = Math.max(options.on, at);
    const found = await operations.rehearse({ anchor, on });
    output.data({ event: 'ca-rehearsal', ...found });
    const { cutOff, devices, renewing, expired } = found;
    output.line(`${strong(plain(found.anchor.subject))}, until ${momentWords(found.anchor.notAfter, at)}`);
    output.line(`without it on ${moment(on)}: ${cutOff.length} of ${devices} devices are cut off`);
    if (renewing > 0) output.line(faint(`${renewing} more will have renewed by themselves before`));
    if (expired > 0)
      output.line(faint(`${expired} have a manufacturer certificate that has ended by then, anchor or not`));
    if (cutOff.length === 0) return;
    output.line();
    const rows = cutOff.map(({ subject, deviceId, reason, until }) => [
      subject,
      deviceId ?? '',
      reasons[reason],
      moment(until),
    ]);
    printTable(output, table(rows, ['device', 'id', 'why', 'certificate until']));
  });

const reasons: Readonly<Record<CutOffReason, string>> = {
  'signed-under-it': 'its certificate was issued below it: gateways refuse it',
  'renewals-under-it': 'its next certificates will be issued below it: announce a new root first',
  'knows-no-other': 'it was given no other anchor: it does not trust the hub any more',
  'no-other-anchor': 'its manufacturer certificate does not verify without it',
};

/** Digits of an id in a table. */
const shown = 16;
