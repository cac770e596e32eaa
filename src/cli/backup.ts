import { join, resolve } from 'node:path';
import { Command, Option } from 'commander';
import type { BackupReport as NamedReport } from '../api/service.ts';
import { type BackupReport, backUp, backupsFolder, restore } from '../backup.ts';
import { judgePolicy } from '../config/policy.ts';
import { settings } from '../config/settings.ts';
import { configuredParts, loadConfig } from '../config.ts';
import { systemTimers } from '../core/clock.ts';
import { failure } from '../core/errors.ts';
import { counted } from '../core/words.ts';
import { openDataFolder } from './data-folder.ts';
import { createOutput, faint, good, type Output, reportFailure, shownPath } from './output.ts';
import type { ApiClient } from './remote/client.ts';
import { asks, type TargetOptions } from './with-operations.ts';
import { withServer } from './with-server.ts';

interface BackupOptions extends TargetOptions {
  readonly config?: string;
}

export function backupCommand(): Command {
  return asks(
    new Command('backup')
      .description(
        'Write everything that a service is into a new folder: its store, its authority, its keys and what it was configured ' +
          'with. Over its data folder while it is stopped; with --server a running service writes it, into ' +
          'backups/<name> of its data folder, and goes on meanwhile.',
      )
      .summary('write a backup of a service')
      .argument('<folder>', 'a new folder; with --server a name')
      .option('-c, --config <file>', 'the configuration of the service: what it names is backed up, too'),
  )
    .addHelpText(
      'after',
      `
A backup holds every private key of the service: keep it as safe as the service
itself. Nothing is ever written over.

Examples:
  $ firstboot backup /backups/monday -c firstboot.yaml
  $ firstboot backup monday --server http://127.0.0.1:20090`,
    )
    .action((folder: string, options: BackupOptions) => {
      const { server, data = settings.data.fallback, config } = options;
      if (server === undefined)
        return run(options.json === true, (output, signal) => writeFolder(folder, { data, config, signal }, output));
      return withServer(options, (client, output) => askFor(folder, config, client, output));
    });
}

export function restoreCommand(): Command {
  const { flag, variable } = settings.data;
  return new Command('restore')
    .description(
      'Make a data folder of a backup, after a look at every file of it. Numbers that may have been given out since the backup ' +
        'was made are left out, so that a service over it can take the place of the other.',
    )
    .summary('make a data folder of a backup')
    .argument('<backup>', 'folder that firstboot backup has written')
    .addOption(new Option(flag, 'the new data folder').env(variable).makeOptionMandatory())
    .option('--json', 'one JSON object a line')
    .addHelpText('after', '\nExample:\n  $ firstboot restore /backups/monday --data firstboot-data')
    .action((backup: string, options: { readonly data: string; readonly json?: boolean }) =>
      run(options.json === true, (output, signal) => read(backup, options.data, output, signal)),
    );
}

/** The running service writes it. */
async function askFor(name: string, config: string | undefined, client: ApiClient, output: Output): Promise<void> {
  if (config !== undefined) {
    throw failure('command.usage', { option: '--config' }, 'the service knows what it was started from');
  }
  const report = await client.ask<NamedReport>('/backups', { method: 'POST', body: { name } });
  output.data({ event: 'backup', ...report });
  output.line(`${good('written')} by the service, into ${join(backupsFolder, report.name)} of its data folder`);
  output.line(faint(`  ${counted(report.rows, 'row')}, ${report.bytes} bytes. ${holdsKeys}`));
}

const holdsKeys = 'It holds every private key of the service: keep it safe.';

async function writeFolder(
  folder: string,
  {
    data,
    config,
    signal,
  }: { readonly data: string; readonly config: string | undefined; readonly signal: AbortSignal },
  output: Output,
): Promise<void> {
  const { authority: configured, outside } = config === undefined ? { outside: [] } : namedBy(config);
  const { store, authority, close } = await openDataFolder(data);
  try {
    const source = {
      store,
      data,
      outside,
      configuration: config,
      authority: configured ?? authority,
      now: systemTimers.now(),
      signal,
    };
    const report = await backUp(source, folder);
    output.data({ event: 'backup', folder: resolve(folder), ...report });
    output.line(`${good('written')} to ${shownPath(resolve(folder))}`);
    output.line(faint(`  ${sizeOf(report)}. ${holdsKeys}`));
  } finally {
    await close();
  }
}

async function read(backup: string, data: string, output: Output, signal: AbortSignal): Promise<void> {
  const report = await restore(backup, data, systemTimers.now(), signal);
  output.data({ event: 'restored', data: resolve(data), ...report });
  output.line(`${good('restored')} to ${shownPath(resolve(data))}, as it was at ${report.createdAt}`);
  output.line(faint(`  ${sizeOf(report)}, written by firstboot ${report.firstboot}`));
  const { configuration, development, outside } = report;
  for (const { from, to } of outside) output.line(faint(`  ${from} is now ${shownPath(to)}`));
  const moved = outside.filter(({ beside }) => !beside);
  if (configuration !== undefined) {
    output.line('Before it is started: absolute paths in the configuration still lead to the old files.');
    for (const { from, to } of moved) output.line(`  where it names ${from}, write ${to}`);
  }
  const given = configuration ?? (development ? undefined : '<its configuration, which is not in the backup>');
  const named = given === undefined ? '' : ` -c ${configuration === undefined ? given : shownPath(given)}`;
  output.line(`Start it: firstboot serve${named} --data ${shownPath(resolve(data))}`);
}

/** What lies outside of the data folder. @throws FirstbootError service.config */
function namedBy(config: string): { readonly authority: string | undefined; readonly outside: readonly string[] } {
  const { authority, certificate, api, policyFolder } = loadConfig({}, {}, config);
  const { chain, key } = certificate ?? {};
  const tls = api?.tls;
  const files = [config, policyFolder, chain, key, tls?.chain, tls?.key, tls?.clientCas, ...filesOf(config)];
  return { authority, outside: files.filter((file) => file !== undefined) };
}

const filesOf = (config: string): readonly string[] => judgePolicy(configuredParts(config)).files;

const sizeOf = ({ rows, files, bytes }: BackupReport): string =>
  `${counted(rows, 'row')}, ${counted(files, 'file')}, ${bytes} bytes`;

/** A signal ends it with nothing left behind; one that comes too late finds it done. */
async function run(json: boolean, work: (output: Output, signal: AbortSignal) => Promise<void>): Promise<void> {
  const output = createOutput(json);
  const ending = new AbortController();
  const stop = (signal: NodeJS.Signals): void => ending.abort(signal);
  process.once('SIGINT', stop).once('SIGTERM', stop);
  try {
    await work(output, ending.signal);
  } catch (error) {
    if (error === ending.signal.reason) {
      process.stderr.write('firstboot: interrupted; nothing is left behind\n');
      process.exitCode = error === 'SIGINT' ? 130 : 143;
      return;
    }
    reportFailure(error, output);
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop);
  }
}
