import { Command } from 'commander';
import { judgePolicy, policyParts } from '../config/policy.ts';
import { configuredParts } from '../config.ts';
import { systemTimers } from '../core/clock.ts';
import { failure } from '../core/errors.ts';
import { counted } from '../core/words.ts';
import { createOutput, good, reportFailure } from './output.ts';
import { addDryRun } from './policy-dry-run.ts';
import { policyFacts, policyLines, warningLine } from './policy-view.ts';
import { printTable } from './table.ts';
import { asks, type TargetOptions, withOperations } from './with-operations.ts';

export function policyCommand(): Command {
  const policy = new Command('policy')
    .description('Policy as code: groups and hubs in YAML files.')
    .summary('groups and hubs in YAML files: check, try, show')
    .helpCommand('help [command]', 'show help for a command');
  policy
    .command('check')
    .description(
      'Check policy files: everything that is wrong in them, and what they say. Starts nothing, changes nothing.',
    )
    .argument('[path...]', 'policy files, or folders of them; read as one policy')
    .option('-c, --config <file>', 'a configuration of firstboot serve, with the policy folder that it names')
    .option('--json', 'one JSON object a line')
    .addHelpText(
      'after',
      '\nExamples:\n  $ firstboot policy check policy/\n  $ firstboot policy check -c firstboot.yaml',
    )
    .action((paths: string[], options: CheckOptions) => check(paths, options));
  asks(
    policy
      .command('show')
      .description('Show the policy in force, as YAML that can be a policy file.')
      .argument('[group...]', 'only these groups, by id or name, without hubs')
      .option('--secrets', 'with pre-shared keys and owner keys; without, they are left out and the file is refused'),
  )
    .addHelpText(
      'after',
      `
Examples:
  $ firstboot policy show --secrets > policy/all.yaml
  $ firstboot policy show 'washing machines'`,
    )
    .action((groups: string[], options: ShowOptions) => show(groups, options));
  addDryRun(policy);
  return policy;
}

interface CheckOptions {
  readonly config?: string;
  readonly json?: boolean;
}

function check(paths: readonly string[], options: CheckOptions): void {
  const output = createOutput(options.json === true);
  try {
    if (options.config === undefined && paths.length === 0) {
      const fix = 'name a policy file, a folder of them, or with -c a configuration';
      throw failure('command.usage', {}, fix);
    }
    const now = systemTimers.now();
    const configured = options.config === undefined ? [] : configuredParts(options.config);
    const parts = [...configured, ...paths.flatMap(policyPartsAt)];
    const { problems, warnings, ...policy } = judgePolicy(parts, { now });
    if (problems.length === 0) {
      output.data({ event: 'policy', ...policyFacts(policy), warnings });
      printTable(output, policyLines(policy, now));
    }
    for (const warning of warnings) output.line(warningLine(warning));
    for (const problem of problems) reportFailure(problem, output);
    const { groups, hubs } = policy;
    const count = [counted(groups.length, 'group'), counted(hubs.length, 'hub'), counted(warnings.length, 'warning')];
    if (problems.length === 0) output.line(`${good('the policy is good')}: ${count.join(', ')}`);
  } catch (error) {
    reportFailure(error, output);
  }
}

/** What is at a path to be checked: where nothing is, nothing is good. */
function policyPartsAt(path: string): ReturnType<typeof policyParts> {
  const parts = policyParts(path);
  if (parts.length > 0) return parts;
  const evidence = { folder: path, found: 'no *.yaml or *.yml file' };
  throw failure('command.file', evidence, 'name the folder that the policy is in, or a file of it');
}

interface ShowOptions extends TargetOptions {
  readonly secrets?: boolean;
}

const show = (names: readonly string[], options: ShowOptions): Promise<void> =>
  withOperations(options, async (operations, output, { folder }) => {
    if (options.secrets === true && folder === undefined) {
      const fix = 'a service tells nobody its keys: give the command over its data folder, while it is stopped';
      throw failure('command.usage', { option: '--secrets', with: '--server' }, fix);
    }
    const groups =
      names.length === 0 ? await operations.groups() : await Promise.all(names.map((name) => operations.group(name)));
    const hubs = names.length === 0 ? await operations.hubs() : [];
    const policy = { groups: groups.map(({ group }) => group), hubs: hubs.map(({ hub }) => hub) };
    const { policyDocument } = await import('../config/document.ts');
    output.data({ event: 'policy', ...policyFacts(policy) });
    output.line(policyDocument(policy, { secrets: options.secrets === true }).trimEnd());
  });
