import { Command } from 'commander';
import { failure } from '../../core/errors.ts';
import type { Outcome } from '../../operator/change.ts';
import type { Operations } from '../../operator/operations.ts';
import type { AccessEntry, AccessList, DeviceSelector } from '../../store/model.ts';
import { oneLine } from '../arguments.ts';
import { whenWords } from '../times.ts';
import { asks, type ChangeOptions, changes, type TargetOptions, withOperations } from '../with-operations.ts';
import { importCommand } from './group-import.ts';
import { listOption } from './list-option.ts';
import { each, tellOutcome } from './outcome.ts';
import { everyPage, limited, printListing } from './rows.ts';

/** `firstboot group access`: the long lists of a group. */
export function accessCommand(): Command {
  const access = new Command('access')
    .description(
      'Lists of a group: devices that may come (allow), may not (deny), or are approved already (preauthorized).',
    )
    .summary('who may come, may not, or is approved already')
    .helpCommand('help [command]', 'show help for a command');
  limited(
    asks(
      access.command('list').description('List the entries.').argument('<group>', 'id or name').addOption(listOption()),
    ),
  )
    .addHelpText('after', "\nExample:\n  $ firstboot group access list 'washing machines' --list deny")
    .action((group: string, options: ListOptions) => list(group, options));
  const add = access
    .command('add')
    .description('Put devices on a list. A device that is on it already stays as it is.')
    .summary('put devices on a list')
    .argument('<group>', 'id or name')
    .addOption(listOption().makeOptionMandatory())
    .option('--note <text>', 'for people: why, or what it is', oneLine());
  changes(selecting(add))
    .addHelpText(
      'after',
      `
Examples:
  $ firstboot group access add 'washing machines' --list deny --serial 3fa2b1
  $ firstboot group access add 'washing machines' --list allow \\
      --subject 'CN=wm-*' --note 'first line'`,
    )
    .action((group: string, options: EntryOptions) =>
      forEntries(options, (operations, entry) =>
        operations.addAccess({ group, ...entry, note: options.note }, options),
      ),
    );
  const remove = access
    .command('remove')
    .description('Take devices from a list.')
    .argument('<group>', 'id or name')
    .addOption(listOption().makeOptionMandatory());
  changes(selecting(remove))
    .addHelpText(
      'after',
      "\nExample:\n  $ firstboot group access remove 'washing machines' --list deny --serial 3fa2b1",
    )
    .action((group: string, options: EntryOptions) =>
      forEntries(options, (operations, entry) => operations.removeAccess({ group, ...entry }, options)),
    );
  access.addCommand(importCommand());
  return access;
}

interface ListOptions extends TargetOptions {
  readonly list?: AccessList;
  readonly limit: number;
}

interface EntryOptions extends ChangeOptions {
  readonly list: AccessList;
  readonly note?: string;
  readonly key?: readonly string[];
  readonly serial?: readonly string[];
  readonly subject?: readonly string[];
}

const selecting = (command: Command): Command =>
  command
    .option('--key <uuid...>', 'manufacturer key ids, as firstboot device list shows')
    .option('--serial <hex...>', 'serial numbers of manufacturer certificates')
    .option('--subject <pattern...>', 'subjects of such certificates or PSK identities; * is any text');

const list = (group: string, options: ListOptions): Promise<void> =>
  withOperations(options, async (operations, output, { now }) => {
    const { list: only, limit } = options;
    await printListing(output, {
      rows: everyPage((page) => operations.access(group, { ...page, list: only })),
      limit,
      head: ['list', 'by', 'value', 'added', 'note'],
      cells: (entry) => [
        entry.list,
        entry.device.by,
        entry.device.value,
        whenWords(entry.addedAt, now()),
        entry.note ?? '',
      ],
      data: (entry) => ({ event: 'access', ...entry }),
      none: 'there is no entry',
    });
  });

type Entry = { readonly list: AccessList; readonly device: DeviceSelector };

const forEntries = (
  options: EntryOptions,
  change: (operations: Operations, entry: Entry) => Promise<Outcome<AccessEntry>>,
): Promise<void> =>
  withOperations(options, async (operations, output) => {
    const { key = [], serial = [], subject = [] } = options;
    const devices: DeviceSelector[] = [
      ...key.map((value) => ({ by: 'key', value }) as const),
      ...serial.map((value) => ({ by: 'serial', value }) as const),
      ...subject.map((value) => ({ by: 'subject', value }) as const),
    ];
    if (devices.length === 0) {
      throw failure('command.usage', { found: 'no device' }, 'name some with --key, --serial or --subject');
    }
    await each(devices, output, async (device) => {
      const outcome = await change(operations, { list: options.list, device });
      tellOutcome(output, outcome, options, { entry: outcome.result });
    });
  });
