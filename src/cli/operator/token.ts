import { Command, Option } from 'commander';
import type { Millis } from '../../core/clock.ts';
import { limits } from '../../core/limits.ts';
import { type Role, roles } from '../../store/model.ts';
import { oneLine, timeSpan } from '../arguments.ts';
import { faint, strong } from '../output.ts';
import { printTable, table } from '../table.ts';
import { momentWords, whenWords } from '../times.ts';
import { asks, type ChangeOptions, changes, type TargetOptions, withOperations } from '../with-operations.ts';
import { tellOutcome } from './outcome.ts';

/** `firstboot token`: who may use the API. */
export function tokenCommand(): Command {
  const token = new Command('token')
    .description('Tokens for the API: who may ask a running service, and what.')
    .summary('tokens for the API: who may ask, and what')
    .helpCommand('help [command]', 'show help for a command');
  changes(
    token
      .command('create')
      .description('Make a token and tell it: this once, what is kept is its hash.')
      .argument('<name>', 'who it is for: it stands in the audit log', oneLine(limits.api.name))
      .addOption(
        new Option('--role <role>', 'viewer reads; operator also acts on devices; admin does everything')
          .choices(roles)
          .makeOptionMandatory(),
      )
      .option('--owner <owner>', 'sees and changes what is of this owner only: a UUID, or its name')
      .option('--expires <time>', 'of no use after this time: 30d, 12h', timeSpan),
  )
    .addHelpText(
      'after',
      `
Examples:
  $ firstboot token create grafana --role viewer --expires 365d
  $ firstboot token create acme-shop --role operator --owner acme`,
    )
    .action((name: string, options: CreateOptions) => create(name, options));
  asks(token.command('list').description('List the tokens: not what they are, but whose.'))
    .addHelpText('after', '\nExample:\n  $ firstboot token list')
    .action((options: TargetOptions) => list(options));
  changes(
    token
      .command('revoke')
      .description('Take a token back: nobody gets in with it any more.')
      .argument('<token>', 'its name or id'),
  )
    .addHelpText('after', '\nExample:\n  $ firstboot token revoke grafana')
    .action((which: string, options: ChangeOptions) =>
      withOperations(options, async (operations, output) => {
        const outcome = await operations.revokeToken(which, options);
        tellOutcome(output, outcome, options, { token: outcome.result });
      }),
    );
  return token;
}

interface CreateOptions extends ChangeOptions {
  readonly role: Role;
  readonly owner?: string;
  readonly expires?: Millis;
}

const create = (name: string, options: CreateOptions): Promise<void> =>
  withOperations(options, async (operations, output, { now }) => {
    const { role, owner, expires } = options;
    const expiresAt = expires === undefined ? undefined : now() + expires;
    const outcome = await operations.createToken({ name, role, owner, expiresAt }, options);
    tellOutcome(output, outcome, options, { token: outcome.result });
    if (!outcome.applied) return;
    output.line(strong(outcome.result.token));
    output.line(faint('keep it now: it is not told again'));
  });

const list = (options: TargetOptions): Promise<void> =>
  withOperations(options, async (operations, output, { now }) => {
    const tokens = await operations.tokens();
    for (const token of tokens) output.data({ event: 'token', ...token });
    const rows = tokens.map(({ name, role, ownerId, createdAt, expiresAt, id }) => [
      name,
      role,
      ownerId ?? 'everybody',
      whenWords(createdAt, now()),
      expiresAt === undefined ? 'never' : momentWords(expiresAt, now()),
      id,
    ]);
    printTable(
      output,
      table(rows, ['name', 'role', 'of owner', 'made', 'ends', 'id'], { none: 'there are no tokens' }),
    );
  });
