import { Command } from 'commander';
import { counted } from '../../core/words.ts';
import { findGroup } from '../../operator/find.ts';
import { deleteGroup, listGroups, putGroup, setGroupEnabled } from '../../operator/groups.ts';
import type { EnrollmentGroup } from '../../store/model.ts';
import { type ChangeOptions, changesData, type DataOptions, inDataFolder, readsData } from '../data-folder.ts';
import { printTable, table } from '../table.ts';
import { accessCommand } from './group-access.ts';
import { groupLines, shownGroup } from './group-view.ts';
import { tellOutcome } from './outcome.ts';
import { policyFile } from './policy-file.ts';

export function groupCommand(): Command {
  const group = new Command('group')
    .description('Enrollment groups: which devices may come in, and what they get.')
    .summary('which devices may come in, and what they get')
    .helpCommand('help [command]', 'show help for a command');
  readsData(group.command('list').description('List the groups, with how many devices each has.'))
    .addHelpText('after', '\nExample:\n  $ firstboot group list')
    .action((options: DataOptions) => list(options));
  readsData(group.command('show').description('Show a group. Keys are not shown.').argument('<group>', 'id or name'))
    .addHelpText('after', "\nExample:\n  $ firstboot group show 'washing machines'")
    .action((name: string, options: DataOptions) => show(name, options));
  for (const [verb, does] of [
    ['create', 'Make the groups of a YAML file. None may be there yet.'],
    ['update', 'Change the groups of a YAML file to what it says. All must be there.'],
  ] as const) {
    changesData(
      group
        .command(verb)
        .description(`${does} Hubs in the file are left to firstboot hub ${verb}.`)
        .requiredOption('-f, --file <file>', 'YAML, or - for standard input'),
    )
      .addHelpText('after', fileHelp(verb))
      .action((options: FileOptions) => put(verb === 'create', options));
  }
  changesData(
    group
      .command('delete')
      .description('Delete a group and its lists. Its devices stay on record.')
      .argument('<group>', 'id or name')
      .option('--force', 'also when it has devices'),
  )
    .addHelpText('after', "\nExample:\n  $ firstboot group delete 'old line' --dry-run")
    .action((name: string, options: ChangeOptions & { readonly force?: boolean }) =>
      inDataFolder(options, async (folder, output) => {
        const outcome = await deleteGroup(folder, name, options);
        tellOutcome(output, outcome, options, { group: shownGroup(outcome.result) });
      }),
    );
  for (const [verb, enabled, does] of [
    ['enable', true, 'Let the devices of a group in again.'],
    ['disable', false, 'Refuse all devices of a group until it is enabled.'],
  ] as const) {
    changesData(group.command(verb).description(does).argument('<group>', 'id or name'))
      .addHelpText('after', `\nExample:\n  $ firstboot group ${verb} 'washing machines'`)
      .action((name: string, options: ChangeOptions) =>
        inDataFolder(options, async (folder, output) => {
          const outcome = await setGroupEnabled(folder, name, { ...options, enabled });
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

const list = (options: DataOptions): Promise<void> =>
  inDataFolder(options, async ({ store }, output) => {
    const groups = await listGroups(store);
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

const show = (name: string, options: DataOptions): Promise<void> =>
  inDataFolder(options, async ({ store, now }, output) => {
    const group = await findGroup(store, name);
    output.data({ event: 'group', ...shownGroup(group) });
    if (!output.json) for (const line of await groupLines(store, group, now())) output.line(line);
  });

/** All of them are tried before the first is written. */
const put = (create: boolean, options: FileOptions): Promise<void> =>
  inDataFolder(options, async (folder, output) => {
    const { groups } = await policyFile(folder, options.file, 'groups');
    for (const group of groups) await putGroup(folder, group, { create, dryRun: true });
    for (const group of groups) {
      const outcome = await putGroup(folder, group, { ...options, create });
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
