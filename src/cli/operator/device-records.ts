import { Command, Option } from 'commander';
import { failure } from '../../core/errors.ts';
import type { Uuid } from '../../core/ids.ts';
import type { Outcome } from '../../operator/change.ts';
import type { DeviceOptions } from '../../operator/devices.ts';
import type { DeviceTurn, Operations } from '../../operator/operations.ts';
import { type Device, deviceStates } from '../../store/model.ts';
import { oneLine } from '../arguments.ts';
import { faint, type Output } from '../output.ts';
import { asks, type ChangeOptions, changes, type TargetOptions, withOperations } from '../with-operations.ts';
import { printDevices } from './device-list.ts';
import { deviceLines, shownDevice } from './device-show.ts';
import { each, tellOutcome } from './outcome.ts';
import { limited } from './rows.ts';

/** What `firstboot device` has for the devices of a service, beside running a simulated one. */
export function deviceRecordCommands(): Command[] {
  return [listCommand(), showCommand(), approveCommand(), ...turns.map(turnCommand), transferCommand(), rekeyCommand()];
}

const which = ['<device...>', 'key id, device id, or the first 8 characters of one'] as const;

function listCommand(): Command {
  const command = new Command('list')
    .description('List the devices of a service.')
    .addOption(new Option('--state <state>', 'only in this state').choices(deviceStates))
    .option('--group <group>', 'only of this group: id or name')
    .option('--owner <owner>', 'only of this owner: id or name')
    .option('--alarms', 'only with open alarms')
    .option('--text <text>', 'only with this in an id, the subject, the serial number or the address', oneLine());
  return limited(asks(command))
    .addHelpText(
      'after',
      '\nExamples:\n  $ firstboot device list --state pending\n  $ firstboot device list --alarms --json',
    )
    .action(printDevices);
}

function showCommand(): Command {
  const command = new Command('show')
    .description('Show a device: its state, what it has been through, its certificates, alarms and last attempts.')
    .summary('show a device: state, lineage, certificates, alarms, attempts')
    .argument('<device>', which[1]);
  return asks(command)
    .addHelpText('after', '\nExample:\n  $ firstboot device show 3fa2b1c4')
    .action((name: string, options: TargetOptions) =>
      withOperations(options, async (operations, output, { now }) => {
        const view = await operations.device(name);
        output.data({ event: 'device', ...shownDevice(view) });
        if (!output.json) for (const line of deviceLines(view, now())) output.line(line);
      }),
    );
}

type ReasonOptions = ChangeOptions & Pick<DeviceOptions, 'reason'>;

/** Turns in the life of a device that need nothing but a reason. */
const turns: readonly {
  readonly verb: DeviceTurn;
  readonly does: string;
  readonly summary?: string;
  readonly example: string;
}[] = [
  {
    verb: 'reject',
    does: 'Turn pending devices away. One that is enabled later waits for approval again.',
    summary: 'turn pending devices away',
    example: "reject 3fa2b1c4 --reason 'not ours'",
  },
  {
    verb: 'quarantine',
    does: 'Hold devices until somebody has looked at them: they are refused, their certificates are on hold.',
    summary: 'hold devices until somebody has looked at them',
    example: "quarantine 3fa2b1c4 --reason 'seen in two places'",
  },
  {
    verb: 'release',
    does: 'Let devices out of quarantine. Their certificates hold again.',
    summary: 'let devices out of quarantine',
    example: 'release 3fa2b1c4',
  },
  {
    verb: 'disable',
    does: 'Refuse devices until they are enabled. Their certificates are on hold.',
    summary: 'refuse devices until they are enabled',
    example: 'disable 3fa2b1c4',
  },
  { verb: 'enable', does: 'Let disabled devices in again.', example: 'enable 3fa2b1c4' },
  {
    verb: 'decommission',
    does: 'End the life of devices: they are refused, and their certificates are revoked for good.',
    summary: 'end the life of devices, and revoke their certificates',
    example: "decommission 3fa2b1c4 --reason 'scrapped'",
  },
  {
    verb: 'allow-reset',
    does: 'Let devices of a group with reprovisioning: never come in once more after a factory reset.',
    summary: 'let devices come in once more after a factory reset',
    example: 'allow-reset 3fa2b1c4',
  },
  {
    verb: 'clear-alarms',
    does: 'Clear the alarms of devices that somebody has looked at.',
    summary: 'clear the alarms of devices',
    example: 'clear-alarms 3fa2b1c4',
  },
];

const turnCommand = ({ verb, does, summary = '', example }: (typeof turns)[number]): Command =>
  changes(
    reasoned(
      new Command(verb)
        .description(does)
        .summary(summary)
        .argument(...which),
    ),
  )
    .addHelpText('after', `${manyHelp}\nExample:\n  $ firstboot device ${example}`)
    .action((devices: string[], options: ReasonOptions) =>
      change(devices, options, (operations, device) => operations.turnDevice(verb, device, options)),
    );

type ApproveOptions = ReasonOptions & { readonly allPending?: boolean; readonly group?: string };

const approveCommand = (): Command =>
  changes(
    reasoned(
      new Command('approve')
        .description(
          'Let pending devices in at their next try. A decommissioned device may begin anew, with new certificates.',
        )
        .summary('let pending devices in at their next try')
        .argument('[device...]', which[1])
        .option('--all-pending', 'all that wait now')
        .option('--group <group>', 'with --all-pending, those of this group: id or name'),
    ),
  )
    .addHelpText(
      'after',
      `${manyHelp}
--all-pending approves each group's in lots of some hundred: a lot is one
change, with one line group.approve in the audit log that names its devices.
Events and webhooks tell device.approve for each device all the same.

Examples:
  $ firstboot device approve 3fa2b1c4 77d0e912
  $ firstboot device approve --all-pending --group 'washing machines' --dry-run`,
    )
    .action(approve);

const approve = (devices: string[], options: ApproveOptions): Promise<void> =>
  withOperations(options, async (operations, output) => {
    const { allPending = false, group: name } = options;
    if (allPending === devices.length > 0 || (name !== undefined && !allPending)) {
      const fix = 'name devices, or give --all-pending, which --group narrows';
      throw failure(
        'command.usage',
        { found: allPending ? 'both' : name === undefined ? 'neither' : '--group alone' },
        fix,
      );
    }
    if (!allPending) {
      return turnEach(operations, devices, output, options, (_, device) =>
        operations.turnDevice('approve', device, options),
      );
    }
    const groups = name === undefined ? await operations.groups() : [await operations.group(name)];
    for (const { group } of groups) {
      const outcome = await operations.approveGroup(group.id, options);
      if (outcome.result.length > 0 || groups.length === 1) {
        tellOutcome(output, outcome, options, { group: group.id, devices: outcome.result });
      }
    }
  });

const transferCommand = (): Command =>
  changes(
    reasoned(
      new Command('transfer')
        .description('Give devices to another owner. Each is provisioned for the new owner at its next try.')
        .summary('give devices to another owner')
        .argument(...which)
        .requiredOption('--owner <owner>', 'a UUID, or any text (its UUIDv5 is the id)'),
    ),
  )
    .addHelpText('after', `${manyHelp}\nExample:\n  $ firstboot device transfer 3fa2b1c4 --owner 'second hand ltd'`)
    .action((devices: string[], options: ReasonOptions & { readonly owner: string }) =>
      change(devices, options, (operations, device) => operations.transferDevice(device, options.owner, options)),
    );

const rekeyCommand = (): Command =>
  changes(
    reasoned(
      new Command('rekey')
        .description(
          'Say that a device has another manufacturer key now: the record of the new key goes on for the old one.',
        )
        .summary('say that a device has another manufacturer key now')
        .argument('<old>', which[1])
        .argument('<new>', 'key id of the new key, or its first 8 characters'),
    ),
  )
    .addHelpText('after', "\nExample:\n  $ firstboot device rekey 3fa2b1c4 77d0e912 --reason 'board swapped'")
    .action((from: string, to: string, options: ReasonOptions) =>
      change([from], options, (operations, device) => operations.rekeyDevice(device, to, options)),
    );

const reasoned = (command: Command): Command =>
  command.option('--reason <text>', 'for the audit log, and for people', oneLine());

type Turn = (operations: Operations, device: string) => Promise<Outcome<Device>>;

const change = (devices: readonly string[], options: ReasonOptions, turn: Turn): Promise<void> =>
  withOperations(options, (operations, output) => turnEach(operations, devices, output, options, turn));

/** All are looked up first: of a list with a name that fits nothing, or several, nothing is done. */
async function turnEach(
  operations: Operations,
  names: readonly string[],
  output: Output,
  options: ReasonOptions,
  turn: Turn,
): Promise<void> {
  const keys = new Set<Uuid>();
  let missing = 0;
  await each(names, output, async (name) => {
    missing++;
    keys.add((await operations.device(name)).device.keyId);
    missing--;
  });
  if (missing > 0) {
    if (names.length > 1)
      output.line(faint('nothing is changed: give the command again with devices that are all known'));
    return;
  }
  await each([...keys], output, async (keyId) => {
    const outcome = await turn(operations, keyId);
    tellOutcome(output, outcome, options, { device: outcome.result });
  });
}

/** Of the commands that take several devices. */
const manyHelp = `
All devices are looked up first: when one of them is not found, none is changed.
Then each is a change of its own, with its own line in the audit log.
`;
