import { Command } from 'commander';
import { settings } from '../config/settings.ts';
import { addDeviceOptions, type DeviceOptions } from './device-options.ts';
import { deviceRecordCommands } from './operator/device-records.ts';

export function deviceCommand(): Command {
  const command = new Command('device')
    .description(
      "Run a simulated device, shaped like plgd's dps_cloud_server: it is provisioned, goes to its cloud and stays there. " +
        'What fails is tried again, for ever.',
    )
    .summary("run a simulated device; list, approve, quarantine... a service's devices")
    .enablePositionalOptions()
    .helpCommand(false)
    .commandsGroup('Commands over the devices of a service:')
    .argument('[name]', 'device name', 'dps')
    .argument(
      '[endpoint]',
      'provisioning service: coaps+tcp://host:port or coaps://host:port; "": none, it waits to be told one',
      `coaps+tcp://127.0.0.1:${settings.port.fallback}`,
    );
  for (const inner of deviceRecordCommands()) command.addCommand(inner);
  return addDeviceOptions(command)
    .option('--json', 'one JSON object a line')
    .addHelpText(
      'after',
      `
SIGHUP is a factory reset: new uuid, new key, the same manufacturer certificate,
and it is provisioned again. SIGINT and SIGTERM end it. Exit codes: 0 ended so;
1 it failed; 2 the command line is wrong, or what it names cannot be used.
A simulated device cannot have the name of a command above (list, show, ...).

Examples:
  $ firstboot device
  $ firstboot device dps coaps://127.0.0.1:20030 --state dps-state \\
      --certs firstboot-data/pki/devices/device-0001
  $ firstboot device dps coaps+tcp://dps.example.com:20030 -n -r 3,10,30
  $ firstboot device dps "" -x -f /var/lib/dhcp/dhclient.leases`,
    )
    .action(async (name: string, endpoint: string, options: DeviceOptions) => {
      const { runDevice } = await import('./device-run.ts');
      await runDevice(name, endpoint, options);
    });
}
