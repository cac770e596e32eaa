import { Command } from 'commander';
import type { ReloadReport } from '../api/service.ts';
import { FirstbootError } from '../core/errors.ts';
import { faint, good } from './output.ts';
import { plain } from './plain.ts';
import { asksServer, defaultServer, type ServerOptions } from './with-operations.ts';
import { withServer } from './with-server.ts';

interface ReloadOptions extends ServerOptions {
  readonly json?: boolean;
}

/** `firstboot reload`: what SIGHUP does, with an answer. */
export function reloadCommand(): Command {
  const command = new Command('reload')
    .description(
      'Make a running service read again what it was started with: its configuration, policy, certificates, revocation lists ' +
        'and authority. Open sessions go on. Tells what has changed, and what counts after a restart only. What is wrong is ' +
        'refused as a whole, with the reason; what was in force stays.',
    )
    .summary('make a running service read its configuration again');
  return asksServer(command)
    .addHelpText(
      'after',
      `
Without --server the service is asked at ${defaultServer}.
It takes a token of an admin of the whole service. On the machine of the
service kill -HUP does the same (systemctl reload firstboot): its log says then
what came of it.

Examples:
  $ firstboot policy check -c firstboot.yaml && firstboot reload
  $ firstboot reload --server https://firstboot.example.com:20090 --json`,
    )
    .action((options: ReloadOptions) =>
      withServer(options, async (client, output) => {
        const { effects } = await client
          .ask<ReloadReport>('/reload', { method: 'POST' })
          .catch((error: unknown) => Promise.reject(refusedWhole(error)));
        output.data({ event: 'reloaded', effects });
        output.line(good('reloaded'));
        for (const effect of effects) output.line(`  ${plain(effect)}`);
        if (effects.length === 0) output.line(faint('  nothing has changed'));
      }),
    );
}

/** What is wrong in the service's files is told with what that means for it. */
function refusedWhole(error: unknown): unknown {
  if (error instanceof FirstbootError && error.code === 'service.config')
    process.stderr.write('firstboot: the reload was refused as a whole: what was in force stays in force\n');
  return error;
}
