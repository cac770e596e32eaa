import { Command, Option } from 'commander';
import type { GatewayEvent } from '../cloud/gateway-resources.ts';
import { settings } from '../config/settings.ts';
import { seconds, systemTimers } from '../core/clock.ts';
import { startGateway } from '../gateway.ts';
import { createLog, type LogLevel, logLevels } from '../ops/log.ts';
import { gatewayIdentity } from '../pki/development.ts';
import { portNumber } from './arguments.ts';
import {
  clockTime,
  createOutput,
  faint,
  good,
  type Output,
  reportFailure,
  strong,
  untilInterrupted,
} from './output.ts';
import { plain } from './plain.ts';
import { developmentFolder, existingDevelopmentPki } from './service-settings.ts';

interface GatewayCommandOptions {
  readonly data: string;
  readonly pki?: string;
  readonly host: string;
  readonly port: number;
  readonly issuer: string;
  readonly logLevel: LogLevel;
  readonly json?: boolean;
}

export function gatewayCommand(): Command {
  const { data } = settings;
  return new Command('gateway')
    .description(
      'Run a small cloud for the devices of a development PKI: they sign up, sign in and publish here. It checks their ' +
        'identity certificate and their token, and tells the service who has arrived. Start the service first.',
    )
    .summary('run a small cloud where provisioned devices arrive')
    .addOption(
      new Option('--data <folder>', "the service's data folder, with its development PKI")
        .default(data.fallback)
        .env(data.variable),
    )
    .option('--pki <folder>', 'another development PKI (default: pki in the data folder)')
    .addOption(
      new Option('--host <address>', 'address that devices reach').default('127.0.0.1').env('FIRSTBOOT_GATEWAY_HOST'),
    )
    .addOption(
      new Option('--port <number>', 'TCP port (coaps+tcp); 0: any free one')
        .default(20_031)
        .argParser(portNumber)
        .env('FIRSTBOOT_GATEWAY_PORT'),
    )
    .addOption(
      new Option('--issuer <url>', "the service's token issuer")
        .default(`http://127.0.0.1:${settings.issuerPort.fallback}`)
        .env('FIRSTBOOT_ISSUER'),
    )
    .addOption(
      new Option('--log-level <level>', 'log on standard error')
        .choices(logLevels)
        .default('warn')
        .env(settings.logLevel.variable),
    )
    .option('--json', 'one JSON object a line')
    .addHelpText(
      'after',
      `
The service must send devices here: firstboot serve does unless its --gateway
says otherwise.

Examples:
  $ firstboot gateway
  $ firstboot gateway --data /tmp/try --issuer http://127.0.0.1:8080`,
    )
    .action((options: GatewayCommandOptions) => runGateway(options));
}

async function runGateway(options: GatewayCommandOptions): Promise<void> {
  const output = createOutput(options.json === true);
  const interrupted = untilInterrupted();
  try {
    const pki = await existingDevelopmentPki(options.pki ?? developmentFolder(options.data), systemTimers.now());
    const gateway = await startGateway({
      host: options.host,
      port: options.port,
      hubId: pki.hubId,
      identity: gatewayIdentity(pki, systemTimers.now()),
      trustAnchors: pki.authority.trustAnchors,
      issuer: options.issuer,
      keepWaiting: waiting(options.issuer, interrupted, output),
      onEvent: (event) => tell(event, output),
      log: createLog(options.logLevel),
    });
    output.data({ event: 'listening', uri: gateway.uri, hub: pki.hubId, issuer: options.issuer });
    output.line(`${strong('cloud gateway')} ${gateway.uri}`);
    output.line(faint(`  hub ${pki.hubId}, tokens of ${options.issuer}`));
    output.line();
    await interrupted;
    await gateway.close();
    output.data({ event: 'stopped' });
  } catch (error) {
    reportFailure(error, output);
  }
}

/** The service may be starting beside it: for a while its token issuer is waited for, which is said once. */
function waiting(issuer: string, interrupted: Promise<unknown>, output: Output): () => boolean {
  const until = systemTimers.now() + patience;
  let told = false;
  let over = false;
  void interrupted.then(() => {
    over = true;
  });
  return () => {
    if (!told) {
      output.data({ event: 'waiting', issuer });
      output.line(faint(`waiting for the token issuer at ${issuer} (firstboot serve starts it)`));
    }
    told = true;
    return !over && systemTimers.now() < until;
  };
}

const patience = seconds(20);

function tell(event: GatewayEvent, output: Output): void {
  const { type, at, ...facts } = event;
  output.data({ event: type, at, ...facts });
  const what = type === 'online' ? good(type) : type;
  const more = event.type === 'published' ? ` ${plain(event.hrefs.join(' '))}` : '';
  output.line(`${faint(clockTime(at))}  ${event.deviceId}  ${what}${faint(more)}`);
}
