import type { Command } from 'commander';
import type { Millis } from '../core/clock.ts';
import { counted } from '../core/words.ts';
import type { DryRunChange, DryRunReport } from '../operator/replay.ts';
import { faint, good, strong } from './output.ts';
import { plain } from './plain.ts';
import { warningLine } from './policy-view.ts';
import { printTable, table } from './table.ts';
import { moment, sinceTime } from './times.ts';
import { asks, type TargetOptions, withOperations } from './with-operations.ts';

/** Adds `policy dry-run`. */
export const addDryRun = (policy: Command): Command =>
  asks(
    policy
      .command('dry-run')
      .description(
        'Judge everybody who came lately by a new policy, and list whose verdict, group, owner or hub would be another. ' +
          'Groups and hubs of operators are judged along; nothing is changed.',
      )
      .argument('<new>', 'policy file, or folder of them')
      .requiredOption('--since <time>', 'how far back: 30d, 12h, or a date', sinceTime),
  )
    .addHelpText('after', '\nExample:\n  $ firstboot policy dry-run policy/ --since 30d')
    .action((path: string, options: DryRunCommandOptions) => dryRun(path, options));

interface DryRunCommandOptions extends TargetOptions {
  readonly since: Millis;
}

const dryRun = (path: string, options: DryRunCommandOptions): Promise<void> =>
  withOperations(options, async (operations, output, { now, folder }) => {
    const { policyFiles, policyPartAt, readPolicy } = await import('../config/policy.ts');
    const { groups, hubs, warnings } = readPolicy(policyFiles(path).map(policyPartAt), {
      now: now(),
      ...(folder === undefined && { secretFiles: 'elsewhere' }),
    });
    for (const warning of warnings) output.line(warningLine(warning));
    const { effects, report } = await operations.dryRun({ groups, hubs }, options.since);
    output.line(strong('what would change in the policy'));
    for (const effect of effects.length > 0 ? effects : ['nothing']) output.line(`  ${plain(effect)}`);
    output.line();
    for (const change of report.changes) output.data({ event: 'change', ...change });
    const { changes: _, ...counts } = report;
    output.data({ event: 'dry-run', policy: path, effects, warnings, ...counts });
    if (!output.json) printTable(output, reportLines(report));
  });

function reportLines(report: DryRunReport): string[] {
  const { devices, strangers, unchanged, changes, kinds, notListed, notJudged, since } = report;
  const judged = `${counted(devices, 'device')} and ${counted(strangers, 'stranger')} since ${moment(since)}; ${unchanged} fare as now`;
  if (changes.length === 0)
    return [`${good('nobody would fare otherwise')}: ${judged}`, ...leftOut(notListed, notJudged)];
  const head = ['device', 'subject', 'verdict', 'group', 'owner', 'hub', 'last seen'];
  return [
    strong('who would fare otherwise'),
    ...table(changes.map(rowOf), head),
    '',
    ...kinds.map(({ from, to, count }) => `${count} x ${from === to ? `${from}, elsewhere` : `${from} -> ${to}`}`),
    judged,
    ...leftOut(notListed, notJudged),
  ];
}

function rowOf({ who, keyId, fingerprint, subject, proved, from, to, lastSeen }: DryRunChange): string[] {
  const turn = (before: string | undefined, after: string | undefined): string =>
    before === after ? (after ?? '-') : `${before ?? '-'} -> ${after ?? '-'}`;
  return [
    (keyId ?? fingerprint ?? '').slice(0, 12) + (who === 'stranger' ? ' (stranger)' : ''),
    subject,
    turn(from.verdict, to.verdict) + (to.verdict === 'accepted' && !proved ? ', if it holds the key' : ''),
    turn(from.group, to.group),
    turn(from.owner, to.owner),
    turn(from.hub, to.hub),
    moment(lastSeen),
  ];
}

function leftOut(notListed: number, notJudged: number): string[] {
  return [
    ...(notListed > 0 ? [faint(`${notListed} more are not listed`)] : []),
    ...(notJudged > 0 ? [faint(`${notJudged} attempts show nothing that could be judged`)] : []),
  ];
}
