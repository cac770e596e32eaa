import { Command, Option } from 'commander';
import { SimulatedDevice } from '../device/simulator.ts';
import { createLog, type LogLevel, logLevels } from '../ops/log.ts';
import { retryTable } from './arguments.ts';
import { createOutput, faint, good, reportFailure, strong, untilInterrupted } from './output.ts';
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
    .description("run a simulated device, shaped like plgd's dps_cloud_server")
    .argument('[name]', 'device name', 'dps')
    .argument(
      '[endpoint]',
      'provisioning service: coaps+tcp://host:port or coaps://host:port',
      'coaps+tcp://127.0.0.1:20030',
    )
    .option('--certs <folder>', 'folder with mfgcrt.pem, mfgkey.pem and dpsca.pem', 'pki_certs')
    .option('--state <folder>', 'keep the state there (default: in memory, so every start is a first boot)')
    .option('-n, --no-verify-ca', "do not check the service's certificate")
    .option('-r, --retry <seconds>', 'retry intervals (default: 10,20,40,80,120)', retryTable)
    .addOption(new Option('--log-level <level>', 'log of the client library').choices(logLevels).default('silent'))
    .option('--json', 'one JSON object a line')
    .addHelpText(
      'after',
      '\nSIGHUP is a factory reset: new uuid, new key, and it is provisioned again. SIGINT and SIGTERM end it.',
    )
    .action((name: string, endpoint: string, options: DeviceOptions) => runDevice(name, endpoint, options));
}

async function runDevice(name: string, endpoint: string, options: DeviceOptions): Promise<void> {
  const output = createOutput(options.json === true);
  try {
    const device = await SimulatedDevice.create({
      name,
      endpoint,
      identity: options.certs,
      skipVerification: !options.verifyCa,
      log: createLog(options.logLevel),
      ...(options.state !== undefined && { state: options.state }),
      ...(options.retry && { retry: { table: options.retry, variant: 'documented' } }),
    });
    const introduce = (): void => {
      output.data({ event: 'boot', device: name, id: device.deviceId, endpoint });
      output.line(`${strong(name)} ${device.deviceId} ${faint(`asks ${endpoint}`)}`);
      output.line(stepHeading());
    };
    let wasOnline = false;
    device.client.onStep((report) => writeStep(output, name, report));
    device.client.onStatus(({ text, flags, progress, lastError }) => {
      output.data({ event: 'status', device: name, status: text, flags, progress, lastError });
    });
    device.client.onCloudStatus(() => {
      const { online } = device.client;
      if (online !== wasOnline) {
        output.data({ event: online ? 'online' : 'offline', device: name, id: device.deviceId });
        output.line(`  ${online ? good('online') : 'offline'}`);
      }
      wasOnline = online;
    });
    introduce();
    device.client.start();
    process.on('SIGHUP', () => {
      output.line(faint('  factory reset'));
      device.factoryReset();
      introduce();
    });
    await untilInterrupted();
    await device.close();
    output.data({ event: 'stopped', device: name });
  } catch (error) {
    reportFailure(error, output);
  }
}
