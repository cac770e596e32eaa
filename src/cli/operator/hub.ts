import { Command } from 'commander';
import type { Hub } from '../../store/model.ts';
import { strong } from '../output.ts';
import { plain } from '../plain.ts';
import { facts, printTable, table } from '../table.ts';
import { asks, type ChangeOptions, changes, type TargetOptions, withOperations } from '../with-operations.ts';
import { tellOutcome } from './outcome.ts';

export function hubCommand(): Command {
  const hub = new Command('hub')
    .description('Hubs: the clouds that devices are sent to.')
    .summary('the clouds that devices are sent to')
    .helpCommand('help [command]', 'show help for a command');
  asks(hub.command('list').description('List the hubs.'))
    .addHelpText('after', '\nExample:\n  $ firstboot hub list')
    .action((options: TargetOptions) => list(options));
  asks(hub.command('show').description('Show a hub.').argument('<hub>', 'its id or name'))
    .addHelpText('after', '\nExample:\n  $ firstboot hub show production')
    .action((name: string, options: TargetOptions) => show(name, options));
  for (const [verb, does] of [
    ['create', 'Make the hubs of a YAML file. None may be there yet.'],
    ['update', 'Change the hubs of a YAML file to what it says. All must be there.'],
  ] as const) {
    changes(hub.command(verb).description(does).requiredOption('-f, --file <file>', 'YAML, or - for standard input'))
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
  changes(
    hub
      .command('delete')
      .description('Delete a hub. A hub that a group sends devices to stays.')
      .argument('<hub>', 'its id or name'),
  )
    .addHelpText('after', '\nExample:\n  $ firstboot hub delete staging')
    .action((name: string, options: ChangeOptions) =>
      withOperations(options, async (operations, output) => {
        const outcome = await operations.deleteHub(name, options);
        tellOutcome(output, outcome, options, { hub: outcome.result });
      }),
    );
  return hub;
}

interface FileOptions extends ChangeOptions {
  readonly file: string;
}

const list = (options: TargetOptions): Promise<void> =>
  withOperations(options, async (operations, output) => {
    const hubs = await operations.hubs();
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

const show = (name: string, options: TargetOptions): Promise<void> =>
  withOperations(options, async (operations, output) => {
    const { hub, groups } = await operations.hub(name);
    output.data({ event: 'hub', ...hub });
    output.line(strong(`hub ${plain(hub.name)}`));
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
  withOperations(options, async (operations, output, context) => {
    const { policyFile } = await import('./policy-file.ts');
    const { hubs } = await policyFile(operations, context, options.file, 'hubs');
    for (const hub of hubs) await operations.putHub(hub, { create, dryRun: true });
    for (const hub of hubs) {
      const outcome = await operations.putHub(hub, { ...options, create });
      tellOutcome(output, outcome, options, { hub: outcome.result });
    }
  });

const authorizationText = ({ authorization }: Hub): string =>
  authorization.type === 'built-in' ? 'the built-in issuer' : authorization.authority;
