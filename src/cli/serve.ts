import { Command } from 'commander';
import { type Overrides, settings } from '../config/settings.ts';
import { loadConfig } from '../config.ts';
import { type Millis, systemTimers } from '../core/clock.ts';
import { describe } from '../core/errors.ts';
import type { Uuid } from '../core/ids.ts';
import { systemRandom } from '../core/random.ts';
import { startService } from '../main.ts';
import { createLog } from '../ops/log.ts';
import type { EntryListener } from '../provision/ports.ts';
import { clockTime, createOutput, faint, type Output, reportFailure, strong, untilInterrupted } from './output.ts';
import { plain } from './plain.ts';
import { serviceSettings } from './service-settings.ts';
import { verdictText } from './steps.ts';

interface ServeOptions extends Overrides {
  readonly config?: string;
  readonly json?: boolean;
}

export function serveCommand(): Command {
  const command = new Command('serve')
    .description(
      'Run the provisioning service. Without a configuration it makes a development PKI in its data folder and takes the ' +
        'devices of that PKI.',
    )
    .summary('run the provisioning service')
    .option('-c, --config <file>', 'YAML configuration: enrollment groups, hubs and everything below');
  for (const { flag, what, fallback, variable } of Object.values(settings)) {
    command.option(flag, `${what} (default: ${fallback}, env: ${variable})`);
  }
  return command
    .option('--json', 'one JSON object a line')
    .addHelpText(
      'after',
      `
A flag beats its environment variable (FIRSTBOOT_...), and that beats the file.
One line is printed for each attempt of a device as it ends. SIGINT and SIGTERM
end the service.

Examples:
  $ firstboot serve
  $ firstboot serve -c firstboot.yaml --log-level debug
  $ firstboot serve --host 0.0.0.0 --transports udp --mtu 512`,
    )
    .action((options: ServeOptions) => serve(options));
}

async function serve(options: ServeOptions): Promise<void> {
  const output = createOutput(options.json === true);
  const interrupted = untilInterrupted();
  try {
    const config = loadConfig(options, process.env, options.config);
    const log = createLog(config.logLevel);
    const { facts, hints, ...made } = await serviceSettings(config, { now: systemTimers.now(), random: systemRandom });
    const service = await startService({ ...made.service, log, onEntry: tellAttempts(output) });
    const { endpoints, issuerUrl } = service;
    output.data({ event: 'listening', endpoints, issuer: issuerUrl, data: config.data, ...made.files });
    output.line(strong('firstboot is listening'));
    const found = Object.values(endpoints).filter((endpoint) => endpoint !== undefined);
    const rows = [...found.map((endpoint) => ['devices', endpoint] as const), ['token issuer', issuerUrl] as const];
    for (const [name, value] of [...rows, ...facts]) output.line(`  ${name.padEnd(14)} ${value}`);
    for (const hint of hints(service)) output.line(faint(hint));
    output.line();
    await interrupted;
    await service.close();
    output.data({ event: 'stopped' });
  } catch (error) {
    reportFailure(error, output);
  }
}

/** One line for each attempt that ends. */
function tellAttempts(output: Output): EntryListener {
  // An attempt that is open has a place here; the pipeline bounds them and closes every one.
  const open = new Map<Uuid, { readonly peer: string; readonly transport: string; readonly at: Millis }>();
  return (attempt, entry, device) => {
    if (entry.type === 'opened') open.set(attempt, entry);
    if (entry.type !== 'closed') return;
    const opened = open.get(attempt);
    open.delete(attempt);
    const { verdict, refusal } = entry;
    const { deviceId, generation, manufacturer } = device ?? {};
    output.data({
      event: 'attempt',
      attempt,
      verdict,
      transport: opened?.transport,
      peer: opened?.peer,
      device: deviceId,
      generation,
      manufacturer: manufacturer?.subject,
      refusal,
    });
    const who = device
      ? [manufacturer?.subject, deviceId && `is ${deviceId}, generation ${generation}`].filter((part) => part).join(' ')
      : typeof refusal?.evidence.keyId === 'string'
        ? `key ${refusal.evidence.keyId}`
        : 'a stranger';
    const from = opened ? ` from ${opened.transport} ${opened.peer}` : '';
    output.line(`${faint(clockTime(entry.at))}  ${verdictText(verdict)}  ${plain(who)}${faint(from)}`);
    if (refusal) output.line(`              ${plain(describe(refusal))}`);
  };
}
