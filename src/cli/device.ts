import { join } from 'node:path';
import { Command, Option } from 'commander';
import { settings } from '../config/settings.ts';
import { failure } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { factoryFiles } from '../device/identity.ts';
import { endpointOf } from '../device/network.ts';
import { SimulatedDevice } from '../device/simulator.ts';
import { createLog, type LogLevel, logLevels } from '../ops/log.ts';
import { pathExists } from '../pki/files.ts';
import { retryTable } from './arguments.ts';
import { createOutput, faint, good, type Output, reportFailure, strong, untilInterrupted } from './output.ts';
import { stepHeading, writeStep } from './steps.ts';

interface DeviceOptions {
  readonly certs: string;
  readonly state?: string;
  readonly verifyCa: boolean;
  readonly retry?: number[];
  readonly logLevel: LogLevel;
  readonly json?: boolean;
}

export function deviceCommand(): Command {
  return new Command('device')
    .description(
      "Run a simulated device, shaped like plgd's dps_cloud_server: it is provisioned, goes to its cloud and stays there. " +
        'What fails is tried again, for ever.',
    )
    .summary("run a simulated device, shaped like plgd's dps_cloud_server")
    .argument('[name]', 'device name', 'dps')
    .argument(
      '[endpoint]',
      'provisioning service: coaps+tcp://host:port or coaps://host:port',
      `coaps+tcp://127.0.0.1:${settings.port.fallback}`,
    )
    .addOption(
      new Option('--certs <folder>', `what it left the factory with: ${Object.values(factoryFiles).join(', ')}`)
        .default('pki_certs')
        .env('FIRSTBOOT_CERTS'),
    )
    .addOption(
      new Option(
        '--state <folder>',
        'keep its state there: with a good one it goes straight to its cloud. Without this every start is a first boot',
      ).env('FIRSTBOOT_STATE'),
    )
    .option('-n, --no-verify-ca', "accept any provisioning service, without asking for the service's certificate")
    .option(
      '-r, --retry <seconds>',
      'wait this long before the next tries of a step, in a loop: 1 to 8 numbers (default: 10,20,40,80,120)',
      retryTable,
    )
    .addOption(
      new Option('--log-level <level>', 'log on standard error')
        .choices(logLevels)
        .default('silent')
        .env(settings.logLevel.variable),
    )
    .option('--json', 'one JSON object a line')
    .addHelpText(
      'after',
      `
SIGHUP is a factory reset: new uuid, new key, the same manufacturer certificate,
and it is provisioned again. SIGINT and SIGTERM end it.

Examples:
  $ firstboot device
  $ firstboot device dps coaps://127.0.0.1:20030 --state dps-state \\
      --certs firstboot-data/pki/devices/device-0001
  $ firstboot device dps coaps+tcp://dps.example.com:20030 -n --retry 3,10,30`,
    )
    .action((name: string, endpoint: string, options: DeviceOptions) => runDevice(name, endpoint, options));
}

async function runDevice(name: string, endpoint: string, options: DeviceOptions): Promise<void> {
  const output = createOutput(options.json === true);
  const interrupted = untilInterrupted();
  try {
    endpointOf(endpoint);
    await requireCertificates(options);
    const device = await SimulatedDevice.create({
      name,
      endpoint,
      identity: options.certs,
      skipVerification: !options.verifyCa,
      log: overheard(createLog(options.logLevel), output),
      ...(options.state !== undefined && { state: options.state }),
      ...(options.retry && { retry: { table: options.retry, variant: 'documented' } }),
    });
    narrate(device, output);
    const boot = (): void => {
      const { endpoints, selected } = device.client.state;
      // A device with a state keeps to the service that it knows.
      const asked = endpoints[selected]?.uri ?? endpoint;
      output.data({ event: 'boot', device: name, id: device.deviceId, endpoint: asked, pid: process.pid });
      const kept = asked === endpoint ? '' : `, as its state in ${options.state} says`;
      output.line(`${strong(name)} ${device.deviceId} ${faint(`boots, asks ${asked}${kept}`)}`);
      output.line(stepHeading());
    };
    process.on('SIGHUP', () => {
      output.data({ event: 'factory-reset', device: name, was: device.deviceId });
      output.line();
      output.line(`${strong(name)} ${device.deviceId} ${faint('is reset to its factory state')}`);
      device.factoryReset();
      boot();
    });
    boot();
    device.client.start();
    await interrupted;
    await device.close();
    output.data({ event: 'stopped', device: name });
  } catch (error) {
    reportFailure(error, output);
  }
}

/** A folder that is not there is the first thing that goes wrong for a new user: say how to get one. */
async function requireCertificates({ certs, verifyCa }: DeviceOptions): Promise<void> {
  const needed = [factoryFiles.chain, factoryFiles.key, ...(verifyCa ? [factoryFiles.serviceCa] : [])];
  for (const name of needed) {
    const file = join(certs, name);
    if (await pathExists(file)) continue;
    const more = name === factoryFiles.serviceCa ? ', or trust any service with --no-verify-ca' : '';
    const fix = `name a device folder with --certs (firstboot pki dev makes some)${more}`;
    throw failure('command.file', { file, found: 'no such file' }, fix);
  }
}

/** Warnings that are no step's (the cloud cannot be reached) are told as well. */
function overheard(log: Log, output: Output): Log {
  return {
    ...log,
    warn: (fields, text) => {
      log.warn(fields, text);
      if (fields.step !== undefined) return;
      output.data({ event: 'warning', text });
      output.line(faint(`  ${text}`));
    },
  };
}

function narrate(device: SimulatedDevice, output: Output): void {
  const { client, name } = device;
  let wasOnline = false;
  client.onStep((report) => writeStep(output, name, report));
  client.onStatus(({ text, flags, progress, lastError }) => {
    output.data({ event: 'status', device: name, status: text, flags, progress, lastError });
  });
  client.onCloudStatus(() => {
    const { online } = client;
    if (online === wasOnline) return;
    wasOnline = online;
    output.data({ event: online ? 'online' : 'offline', device: name, id: device.deviceId });
    if (!online) {
      output.line('  offline');
      return;
    }
    output.line(
      `  ${good('online at its cloud')} ${faint(`(kill -HUP ${process.pid} resets it to its factory state)`)}`,
    );
  });
}
