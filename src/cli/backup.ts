import { join, resolve } from 'node:path';
import { Command, Option } from 'commander';
import { type BackupReport, backUp, restore } from '../backup.ts';
import { judgePolicy } from '../config/policy.ts';
import { settings } from '../config/settings.ts';
import { configuredParts, loadConfig } from '../config.ts';
import { systemTimers } from '../core/clock.ts';
import { FirstbootError, failure } from '../core/errors.ts';
import { counted } from '../core/words.ts';
import { openDataFolder } from './data-folder.ts';
import { createOutput, exitCodes, faint, good, type Output, reportFailure, shownPath } from './output.ts';
import { asks, serverAddress, type TargetOptions } from './with-operations.ts';

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
    .action((folder: string, options: BackupOptions) =>
      run(options.json === true, (output) => write(folder, options, output)),
    );
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
      run(options.json === true, (output) => read(backup, options.data, output)),
    );
}

async function write(name: string, options: BackupOptions, output: Output): Promise<void> {
  const { server, data = settings.data.fallback, config } = options;
  if (server === undefined) return writeFolder(name, { data, config }, output);
  if (config !== undefined) {
    throw failure('command.usage', { option: '--config' }, 'the service knows what it was started from');
  }
  const { createApiClient } = await import('./remote/client.ts');
  const { blamed } = await import('./remote/blame.ts');
  const client = createApiClient(serverAddress({ ...options, server }));
  type Report = { readonly name: string; readonly rows: number; readonly bytes: number };
  try {
    const report = await client.ask<Report>('/backups', { method: 'POST', body: { name } });
    output.data({ event: 'backup', ...report });
    output.line(`${good('written')} by the service, into ${join('backups', report.name)} of its data folder`);
    output.line(faint(`  ${counted(report.rows, 'row')}, ${report.bytes} bytes`));
  } catch (error) {
    throw await blamed(error, client);
  }
}

async function writeFolder(
  folder: string,
  { data, config }: { readonly data: string; readonly config: string | undefined },
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
    };
    const report = await backUp(source, folder);
    output.data({ event: 'backup', folder: resolve(folder), ...report });
    output.line(`${good('written')} to ${shownPath(resolve(folder))}`);
    output.line(faint(`  ${sizeOf(report)}. It holds every private key of the service: keep it safe.`));
  } finally {
    await close();
  }
}

async function read(backup: string, data: string, output: Output): Promise<void> {
  const report = await restore(backup, data, systemTimers.now());
  output.data({ event: 'restored', data: resolve(data), ...report });
  output.line(`${good('restored')} to ${shownPath(resolve(data))}, as it was at ${report.createdAt}`);
  output.line(faint(`  ${sizeOf(report)}, written by firstboot ${report.firstboot}`));
  const { configuration, development, outside } = report;
  for (const { from, to } of outside) output.line(faint(`  ${from} is now ${shownPath(to)}`));
  const moved = outside.filter(({ beside }) => !beside);
  if (configuration !== undefined) {
    output.line('Before it is started: absolute paths in the configuration still lead to the old files.');
    for (const { from, to } of moved) output.line(`  what names ${from} has to be changed to ${to}`);
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

async function run(json: boolean, work: (output: Output) => Promise<void>): Promise<void> {
  const output = createOutput(json);
  try {
    await work(output);
  } catch (error) {
    reportFailure(error, output);
    if (error instanceof FirstbootError && error.code === 'command.usage') process.exitCode = exitCodes.usage;
  }
}
