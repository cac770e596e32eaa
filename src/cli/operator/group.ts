import { Command } from 'commander';
import { counted } from '../../core/words.ts';
import type { EnrollmentGroup } from '../../store/model.ts';
import { printTable, table } from '../table.ts';
import { asks, type ChangeOptions, changes, type TargetOptions, withOperations } from '../with-operations.ts';
import { accessCommand } from './group-access.ts';
import { groupLines, shownGroup } from './group-view.ts';
import { tellOutcome } from './outcome.ts';

export function groupCommand(): Command {
  const group = new Command('group')
    .description('Enrollment groups: which devices may come in, and what they get.')
    .summary('which devices may come in, and what they get')
    .helpCommand('help [command]', 'show help for a command');
  asks(group.command('list').description('List the groups, with how many devices each has.'))
    .addHelpText('after', '\nExample:\n  $ firstboot group list')
    .action((options: TargetOptions) => list(options));
  asks(group.command('show').description('Show a group. Keys are not shown.').argument('<group>', 'id or name'))
    .addHelpText('after', "\nExample:\n  $ firstboot group show 'washing machines'")
    .action((name: string, options: TargetOptions) => show(name, options));
  for (const [verb, does] of [
    ['create', 'Make the groups of a YAML file. None may be there yet.'],
    ['update', 'Change the groups of a YAML file to what it says. All must be there.'],
  ] as const) {
    changes(
      group
        .command(verb)
        .description(`${does} Hubs in the file are left to firstboot hub ${verb}.`)
        .requiredOption('-f, --file <file>', 'YAML, or - for standard input'),
    )
      .addHelpText('after', fileHelp(verb))
      .action((options: FileOptions) => put(verb === 'create', options));
  }
  changes(
    group
      .command('delete')
      .description('Delete a group and its lists. Its devices stay on record.')
      .argument('<group>', 'id or name')
      .option('--force', 'also when it has devices'),
  )
    .addHelpText('after', "\nExample:\n  $ firstboot group delete 'old line' --dry-run")
    .action((name: string, options: ChangeOptions & { readonly force?: boolean }) =>
      withOperations(options, async (operations, output) => {
        const outcome = await operations.deleteGroup(name, options);
        tellOutcome(output, outcome, options, { group: shownGroup(outcome.result) });
      }),
    );
  for (const [verb, enabled, does] of [
    ['enable', true, 'Let the devices of a group in again.'],
    ['disable', false, 'Refuse all devices of a group until it is enabled.'],
  ] as const) {
    changes(group.command(verb).description(does).argument('<group>', 'id or name'))
      .addHelpText('after', `\nExample:\n  $ firstboot group ${verb} 'washing machines'`)
      .action((name: string, options: ChangeOptions) =>
        withOperations(options, async (operations, output) => {
          const outcome = await operations.setGroupEnabled(name, { ...options, enabled });
          tellOutcome(output, outcome, options, { group: shownGroup(outcome.result) });
        }),
      );
  }
  group.addCommand(accessCommand());
  return group;
}

interface FileOptions extends ChangeOptions {
  readonly file: string;
}

const list = (options: TargetOptions): Promise<void> =>
  withOperations(options, async (operations, output) => {
    const groups = await operations.groups();
    for (const { group, devices } of groups) output.data({ event: 'group', ...shownGroup(group), devices });
    const rows = groups.map(({ group, devices }) => [
      group.name,
      group.enabled ? group.admission : 'disabled',
      group.owner.name,
      attestationText(group),
      String(devices.active),
      String(devices.pending),
      String(devices.quarantined + devices.disabled + devices.decommissioned),
      group.source,
      group.id,
    ]);
    const head = ['name', 'admission', 'owner', 'attested by', 'active', 'pending', 'out', 'written by', 'id'];
    printTable(output, table(rows, head, { none: 'there are no groups' }));
  });

const show = (name: string, options: TargetOptions): Promise<void> =>
  withOperations(options, async (operations, output, { now }) => {
    const view = await operations.group(name);
    output.data({ event: 'group', ...shownGroup(view.group) });
    if (!output.json) for (const line of groupLines(view, now())) output.line(line);
  });

/** All of them are tried before the first is written. */
const put = (create: boolean, options: FileOptions): Promise<void> =>
  withOperations(options, async (operations, output, context) => {
    const { policyFile } = await import('./policy-file.ts');
    const { groups } = await policyFile(operations, context, options.file, 'groups');
    for (const group of groups) await operations.putGroup(group, { create, dryRun: true });
    for (const group of groups) {
      const outcome = await operations.putGroup(group, { ...options, create });
      tellOutcome(output, outcome, options, { group: shownGroup(outcome.result) });
    }
  });

function attestationText({ attestation: { x509, psk, pins } }: EnrollmentGroup): string {
  const ways = [
    ...(x509 ? [`${x509.anchors.length} CA`] : []),
    ...(psk.length > 0 ? [`${psk.length} PSK`] : []),
    ...(pins.length > 0 ? [counted(pins.length, 'pin')] : []),
  ];
  return ways.join(', ');
}

const fileHelp = (verb: string): string => `
The file is written as in a policy folder (docs/policy.md):

  groups:
    - name: washing machines
      owner: acme
      anchors: [factory-root.pem]
      admission: manual
      hubs: [d03a1bb4-0a77-428c-b78c-1c46efe6a38e]

Example:
  $ firstboot group ${verb} -f washing-machines.yaml --dry-run`;
