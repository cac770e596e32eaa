import { join } from 'node:path';
import { Command } from 'commander';
import { configDefaults } from '../config.ts';
import { systemTimers } from '../core/clock.ts';
import { systemRandom } from '../core/random.ts';
import { startGateway } from '../gateway.ts';
import { portNumber } from './arguments.ts';
import { createOutput, faint, good, reportFailure, strong, untilInterrupted } from './output.ts';
import { developmentPki } from './service-settings.ts';

interface GatewayCommandOptions {
  readonly data: string;
  readonly pki?: string;
  readonly host: string;
  readonly port: number;
  readonly issuer: string;
  readonly json?: boolean;
}

export function gatewayCommand(): Command {
  return new Command('gateway')
    .description('run a small cloud where provisioned devices sign up, sign in and publish')
    .option(
      '--data <folder>',
      "the service's data folder, for its development PKI",
      process.env.FIRSTBOOT_DATA ?? configDefaults.data,
    )
    .option('--pki <folder>', 'development PKI to use (default: pki in the data folder)')
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--port <number>', 'TCP port', portNumber, 20_031)
    .option('--issuer <url>', 'token issuer of the service', `http://127.0.0.1:${configDefaults.issuerPort}`)
    .option('--json', 'one JSON object a line')
    .action((options: GatewayCommandOptions) => runGateway(options));
}

async function runGateway(options: GatewayCommandOptions): Promise<void> {
  const output = createOutput(options.json === true);
  try {
    const folder = options.pki ?? join(options.data, 'pki');
    const pki = await developmentPki(folder, { now: systemTimers.now(), random: systemRandom });
    const gateway = await startGateway({
      host: options.host,
      port: options.port,
      hubId: pki.hubId,
      identity: pki.gateway,
      trustAnchors: [pki.authority.trustAnchor],
      issuer: options.issuer,
      onEvent: (event) => {
        output.data({ ...event, event: event.type });
        const what = event.type === 'online' ? good(event.type) : event.type;
        output.line(`${faint(new Date(event.at).toISOString().slice(11, 23))}  ${event.deviceId}  ${what}`);
      },
    });
    output.data({ event: 'listening', uri: gateway.uri, hub: pki.hubId });
    output.line(`${strong('cloud gateway')} ${gateway.uri}`);
    output.line(faint(`  hub ${pki.hubId}, tokens of ${options.issuer}`));
    await untilInterrupted();
    await gateway.close();
    output.data({ event: 'stopped' });
  } catch (error) {
    reportFailure(error, output);
  }
}
