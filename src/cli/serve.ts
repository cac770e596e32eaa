import { Command } from 'commander';
import { type Overrides, settings } from '../config/settings.ts';
import type { Millis } from '../core/clock.ts';
import { describe } from '../core/errors.ts';
import type { Uuid } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import { startService } from '../main.ts';
import { createLog } from '../ops/log.ts';
import type { EntryListener } from '../provision/ports.ts';
import { clockTime, createOutput, faint, type Output, reportFailure, strong, untilInterrupted } from './output.ts';
import { plain } from './plain.ts';
import { readSettings } from './service-source.ts';
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
One line is printed for each attempt of a device as it ends. SIGTERM takes
nobody new, gives open attempts drainSeconds (20) and ends the service; SIGINT
ends it at once, and so does a second signal. SIGHUP reads certificates,
authority and policy again; sessions go on.

Examples:
  $ firstboot serve
  $ firstboot serve -c firstboot.yaml --log-level debug
  $ firstboot serve --host 0.0.0.0 --transports udp --mtu 512`,
    )
    .action((options: ServeOptions) => serve(options));
}

async function serve(options: ServeOptions): Promise<void> {
  const output = createOutput(options.json === true);
  let patience = limits.operations.drain;
  const interrupted = untilInterrupted(() => patience);
  // While it starts there is nothing to read again.
  const early = (): void => undefined;
  process.on('SIGHUP', early);
  try {
    const source = { flags: options, environment: process.env, file: options.config };
    const { config, settings, reload } = await readSettings(source);
    patience = config.drain;
    const log = createLog(config.logLevel);
    const { facts, hints, ...made } = settings;
    const service = await startService({ ...made.service, reload, log, onEntry: tellAttempts(output) });
    const hangUp = (): void => {
      // What is wrong is in the log, in the events and in the readiness of the service.
      service.reload({ kind: 'operator', name: 'SIGHUP', from: 'this host' }).then(
        ({ effects }) => output.data({ event: 'reloaded', effects }),
        (error: unknown) => output.data({ event: 'reload-failed', error: String(error) }),
      );
    };
    process.off('SIGHUP', early).on('SIGHUP', hangUp);
    const { endpoints, issuerUrl, apiUrl, adminToken } = service;
    output.data({ event: 'listening', endpoints, issuer: issuerUrl, api: apiUrl, data: config.data, ...made.files });
    output.line(strong('firstboot is listening'));
    const found = Object.values(endpoints).filter((endpoint) => endpoint !== undefined);
    const rows = [
      ...found.map((endpoint) => ['devices', endpoint] as const),
      ['token issuer', issuerUrl] as const,
      ...(apiUrl === undefined ? [] : [['dashboard', apiUrl] as const]),
    ];
    for (const [name, value] of [...rows, ...facts]) output.line(`  ${name.padEnd(14)} ${value}`);
    if (adminToken !== undefined) tellToken(output, adminToken);
    for (const hint of hints(service)) output.line(faint(hint));
    output.line();
    const signal = await interrupted;
    if (signal === 'SIGTERM') {
      output.data({ event: 'draining' });
      const open = await service.drain();
      if (open > 0) log.warn({ open }, 'attempts are left open: their devices try again');
    }
    await service.close();
    output.data({ event: 'stopped' });
  } catch (error) {
    reportFailure(error, output);
  }
}

/** Once, at the first start: only a hash of it is kept. */
function tellToken(output: Output, token: string): void {
  output.data({ event: 'admin-token', token });
  output.line(`  ${'admin token'.padEnd(14)} ${strong(token)}`);
  output.line(
    faint('  Sign in at the dashboard with it, or send it as a bearer token. Keep it: it is not shown again.'),
  );
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
