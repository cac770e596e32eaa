import { Command } from 'commander';
import { findHub } from '../../operator/find.ts';
import { deleteHub, listHubs, putHub } from '../../operator/hubs.ts';
import type { Hub } from '../../store/model.ts';
import { type ChangeOptions, changesData, type DataOptions, inDataFolder, readsData } from '../data-folder.ts';
import { strong } from '../output.ts';
import { plain } from '../plain.ts';
import { facts, printTable, table } from '../table.ts';
import { tellOutcome } from './outcome.ts';
import { policyFile } from './policy-file.ts';

export function hubCommand(): Command {
  const hub = new Command('hub')
    .description('Hubs: the clouds that devices are sent to.')
    .summary('the clouds that devices are sent to')
    .helpCommand('help [command]', 'show help for a command');
  readsData(hub.command('list').description('List the hubs.'))
    .addHelpText('after', '\nExample:\n  $ firstboot hub list')
    .action((options: DataOptions) => list(options));
  readsData(hub.command('show').description('Show a hub.').argument('<hub>', 'its id or name'))
    .addHelpText('after', '\nExample:\n  $ firstboot hub show production')
    .action((name: string, options: DataOptions) => show(name, options));
  for (const [verb, does] of [
    ['create', 'Make the hubs of a YAML file. None may be there yet.'],
    ['update', 'Change the hubs of a YAML file to what it says. All must be there.'],
  ] as const) {
    changesData(
      hub.command(verb).description(does).requiredOption('-f, --file <file>', 'YAML, or - for standard input'),
    )
      .addHelpText(
        'after',
        `
The file is written as in a policy folder:

  hubs:
    - id: d03a1bb4-0a77-428c-b78c-1c46efe6a38e
      name: production
      gateways: ['coaps+tcp://hub.example.com:5684']

Example:
  $ firstboot hub ${verb} -f hub.yaml --dry-run`,
      )
      .action((options: FileOptions) => put(verb === 'create', options));
  }
  changesData(
    hub
      .command('delete')
      .description('Delete a hub. A hub that a group sends devices to stays.')
      .argument('<hub>', 'its id or name'),
  )
    .addHelpText('after', '\nExample:\n  $ firstboot hub delete staging')
    .action((name: string, options: ChangeOptions) =>
      inDataFolder(options, async (folder, output) => {
        const outcome = await deleteHub(folder, name, options);
        tellOutcome(output, outcome, options, { hub: outcome.result });
      }),
    );
  return hub;
}

interface FileOptions extends ChangeOptions {
  readonly file: string;
}

const list = (options: DataOptions): Promise<void> =>
  inDataFolder(options, async ({ store }, output) => {
    const hubs = await listHubs(store);
    for (const { hub, groups, devices } of hubs) output.data({ event: 'hub', ...hub, groups, devices });
    const rows = hubs.map(({ hub, groups, devices }) => [
      hub.name,
      hub.id,
      hub.gateways.join(' '),
      String(groups),
      String(devices),
      hub.source,
    ]);
    const head = ['name', 'id', 'gateways', 'groups', 'devices', 'written by'];
    printTable(output, table(rows, head, { none: 'there are no hubs' }));
  });

const show = (name: string, options: DataOptions): Promise<void> =>
  inDataFolder(options, async ({ store }, output) => {
    const hub = await findHub(store, name);
    output.data({ event: 'hub', ...hub });
    output.line(strong(`hub ${plain(hub.name)}`));
    const groups = (await store.groups.list()).filter((group) => group.hubs.includes(hub.id));
    printTable(
      output,
      facts([
        ['id', hub.id],
        ['gateways', hub.gateways.join(', ')],
        ['provider', hub.provider],
        ['tokens from', authorizationText(hub)],
        ['of groups', groups.map((group) => group.name).join(', ') || 'none'],
        ['written by', hub.source],
      ]),
    );
  });

/** All of them are tried before the first is written. */
const put = (create: boolean, options: FileOptions): Promise<void> =>
  inDataFolder(options, async (folder, output) => {
    const { hubs } = await policyFile(folder, options.file, 'hubs');
    for (const hub of hubs) await putHub(folder, hub, { create, dryRun: true });
    for (const hub of hubs) {
      const outcome = await putHub(folder, hub, { ...options, create });
      tellOutcome(output, outcome, options, { hub: outcome.result });
    }
  });

const authorizationText = ({ authorization }: Hub): string =>
  authorization.type === 'built-in' ? 'the built-in issuer' : authorization.authority;
