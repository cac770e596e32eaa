import { readFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { settings } from '../config/settings.ts';
import { type Millis, systemTimers } from '../core/clock.ts';
import { failure } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import type { Operations } from '../operator/operations.ts';
import { unreadable } from './named-file.ts';
import { createOutput, faint, type Output, reportFailure } from './output.ts';
import type { ServerAddress } from './remote/client.ts';

/** Options of every command of an operator: over a data folder, or over the API of a running service. */
export interface TargetOptions extends ServerOptions {
  readonly data?: string;
  readonly json?: boolean;
}

export interface ServerOptions {
  readonly server?: string;
  readonly serverCa?: string;
  readonly tokenFile?: string;
}

export interface ChangeOptions extends TargetOptions {
  readonly dryRun?: boolean;
}

/** What a command has beside the operations. */
export interface CommandContext {
  readonly now: () => Millis;
  /** The data folder; undefined: a service is asked. */
  readonly folder: string | undefined;
}

/** Where a service has its API, unless it is told otherwise. */
export const defaultServer = 'http://127.0.0.1:20090';

/** Adds `--data`, `--server` and what belongs to it, and `--json`. */
export function asks(command: Command): Command {
  const { fallback, variable, flag } = settings.data;
  return asksServer(
    command.addOption(
      new Option(flag, `the service's data folder, while it is stopped (default: ${fallback})`).env(variable),
    ),
  ).hook('preAction', (_parent, chosen) => settleTarget(chosen));
}

/** Adds `--dry-run` as well. */
export const changes = (command: Command): Command =>
  asks(command.option('--dry-run', 'say what would change, and change nothing'));

/** Adds `--server` and what belongs to it, and `--json`. */
export const asksServer = (command: Command): Command =>
  command
    .addOption(new Option('--server <url>', 'ask the API of a running service').env('FIRSTBOOT_SERVER'))
    .addOption(
      new Option('--token-file <file>', 'with --server: file with the token (or FIRSTBOOT_TOKEN has it)').env(
        'FIRSTBOOT_TOKEN_FILE',
      ),
    )
    .addOption(
      new Option('--server-ca <file>', 'with --server: PEM of the authority behind its certificate').env(
        'FIRSTBOOT_SERVER_CA',
      ),
    )
    .option('--json', 'one JSON object a line');

/**
 * What an operator's command does: opens the data folder or asks the service, works, and says why it failed. A signal ends
 * it: what is being written is written whole or not at all.
 * @param authority folder of the service's authority, for the commands about it; found in the data folder
 */
export async function withOperations(
  options: ChangeOptions & { readonly authority?: string },
  work: (operations: Operations, output: Output, context: CommandContext) => Promise<void>,
): Promise<void> {
  const output = createOutput(options.json === true);
  let close = (): Promise<void> => Promise.resolve();
  let blame: Target['blame'] = async (error) => error;
  let interrupted = false;
  const stop = (signal: NodeJS.Signals): void => {
    interrupted = true;
    const code = signal === 'SIGINT' ? 130 : 143;
    process.stderr.write('firstboot: interrupted; a change is made whole or not at all\n');
    void close().finally(() => process.exit(code));
  };
  process.once('SIGINT', stop).once('SIGTERM', stop);
  try {
    const target = await openTarget(options);
    ({ close, blame } = target);
    await work(target.operations, output, { now: () => systemTimers.now(), folder: target.folder });
    if (options.dryRun === true) output.line(faint('a dry run: nothing was changed'));
  } catch (error) {
    // Work that goes on for a moment finds its store closed.
    if (interrupted) return;
    reportFailure(await blame(error), output);
  } finally {
    await close();
    process.off('SIGINT', stop).off('SIGTERM', stop);
  }
}

/** Operations, and what has to be closed after them. */
interface Target {
  readonly operations: Operations;
  readonly folder: string | undefined;
  readonly close: () => Promise<void>;
  /** What an error of the work is. */
  readonly blame: (error: unknown) => Promise<unknown>;
}

/** What asks over the network does not load the store, and the other way round. */
async function openTarget(options: TargetOptions & { readonly authority?: string }): Promise<Target> {
  const { server, data = settings.data.fallback, authority } = options;
  if (server !== undefined) {
    if (authority !== undefined) {
      throw failure('command.usage', { option: '--authority' }, 'the service knows where its authority is');
    }
    const [{ createApiClient }, { remoteOperations }, { blamed }] = await Promise.all([
      import('./remote/client.ts'),
      import('./remote/operations.ts'),
      import('./remote/blame.ts'),
    ]);
    const client = createApiClient(serverAddress({ ...options, server }));
    return {
      operations: remoteOperations(client),
      folder: undefined,
      close: () => Promise.resolve(),
      blame: (error) => blamed(error, client),
    };
  }
  const [{ openDataFolder }, { createOperations }, { systemRandom }] = await Promise.all([
    import('./data-folder.ts'),
    import('../operator/local-operations.ts'),
    import('../core/random.ts'),
  ]);
  const folder = await openDataFolder(data);
  const deps = { ...folder, random: systemRandom, authority: authority ?? folder.authority };
  return {
    operations: createOperations(deps),
    folder: data,
    close: () => folder.close(),
    blame: async (error) => error,
  };
}

/**
 * The service that the options name, with the token of the environment or of a file: never of the command line, which others
 * can see.
 * @throws FirstbootError command.usage, command.file
 */
export function serverAddress({
  server,
  serverCa,
  tokenFile,
}: ServerOptions & { readonly server: string }): ServerAddress {
  const token = tokenFile === undefined ? process.env.FIRSTBOOT_TOKEN : readText(tokenFile, limits.client.tokenBytes);
  if (token === undefined || token.trim() === '') {
    const fix = 'put the token into FIRSTBOOT_TOKEN, or name a file that holds it with --token-file';
    throw failure('command.usage', { option: '--server', token: 'none' }, fix);
  }
  // It becomes a header, and errors of headers show what was in them.
  if (!/^[\x21-\x7e]+$/.test(token.trim())) {
    throw failure('command.usage', { option: '--server', token: 'not one word' }, 'give the token alone, in one line');
  }
  const ca = serverCa === undefined ? undefined : readText(serverCa);
  return { url: server, token: token.trim(), ...(ca !== undefined && { ca }) };
}

/** A small text file that an option names. @throws FirstbootError command.file */
export function readText(file: string, most: number = limits.config.fileCharacters): string {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw unreadable(file, error);
  }
  if (text.length <= most) return text;
  throw failure('command.file', { file, found: 'a file that is too large' }, 'name the file that is meant');
}

/** The command line counts before the environment; both in one place is a contradiction. */
function settleTarget(command: Command): void {
  const sources = ['data', 'server'].map((name) => command.getOptionValueSource(name));
  const [data, server] = sources;
  if (data === undefined || server === undefined) return;
  if (data === server) {
    const names = data === 'env' ? 'FIRSTBOOT_DATA and FIRSTBOOT_SERVER' : '--data and --server';
    command.error(`error: ${names} name two places: leave one away`);
  }
  command.setOptionValue(data === 'env' ? 'data' : 'server', undefined);
}
