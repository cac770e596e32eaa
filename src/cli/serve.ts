import { Command } from 'commander';
import { loadConfig, type Overrides } from '../config.ts';
import { systemTimers } from '../core/clock.ts';
import { systemRandom } from '../core/random.ts';
import { startService } from '../main.ts';
import { createLog } from '../ops/log.ts';
import { createOutput, faint, reportFailure, strong, untilInterrupted } from './output.ts';
import { serviceSettings } from './service-settings.ts';

interface ServeOptions extends Overrides {
  readonly config?: string;
  readonly json?: boolean;
}

export function serveCommand(): Command {
  return new Command('serve')
    .description('run the provisioning service; without a configuration on a development PKI of its own')
    .option('-c, --config <file>', 'YAML configuration')
    .option('--data <folder>', 'store, keys and certificates (default: firstboot-data)')
    .option('--host <address>', 'address to listen on (default: 127.0.0.1)')
    .option('--port <number>', 'UDP and TCP port of the device endpoints, 0 for any (default: 20030)')
    .option('--transports <list>', 'udp, tcp or udp,tcp (default: both)')
    .option('--issuer-port <number>', 'HTTP port of the built-in token issuer (default: 20080)')
    .option('--log-level <level>', 'silent, error, warn, info or debug (default: info)')
    .option('--json', 'one JSON object a line')
    .action((options: ServeOptions) => serve(options));
}

async function serve(options: ServeOptions): Promise<void> {
  const output = createOutput(options.json === true);
  try {
    const config = loadConfig(options, process.env, options.config);
    const log = createLog(config.logLevel);
    const settings = await serviceSettings(config, { now: systemTimers.now(), random: systemRandom });
    const service = await startService({
      ...settings.service,
      log,
      onEntry: (attempt, entry, device) => {
        if (entry.type !== 'closed') return;
        const fields = { attempt, device: device?.deviceId, verdict: entry.verdict, reason: entry.refusal };
        const failed = entry.verdict === 'refused' || entry.verdict === 'failed';
        log[failed ? 'warn' : 'info'](fields, `attempt ${entry.verdict}`);
      },
    });
    const { endpoints, issuerUrl } = service;
    output.data({ event: 'listening', endpoints, issuer: issuerUrl, data: config.data });
    output.line(strong('firstboot is listening'));
    for (const endpoint of [endpoints.udp, endpoints.tcp]) if (endpoint) output.line(`  devices        ${endpoint}`);
    output.line(`  token issuer   ${issuerUrl}`);
    output.line(`  data           ${config.data}`);
    for (const group of settings.service.groups)
      output.line(`  group          ${group.name} (owner ${group.owner.name})`);
    for (const hub of settings.service.hubs) output.line(`  hub            ${hub.name}, ${hub.gateways.join(', ')}`);
    for (const hint of settings.hints) output.line(faint(hint));
    await untilInterrupted();
    await service.close();
    output.data({ event: 'stopped' });
  } catch (error) {
    reportFailure(error, output);
  }
}
