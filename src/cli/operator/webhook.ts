import { Command } from 'commander';
import { failure } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import type { Outcome } from '../../operator/change.ts';
import type { WebhookRequest, WebhookView } from '../../operator/operations.ts';
import { oneLine } from '../arguments.ts';
import { faint, type Output, strong } from '../output.ts';
import { plain } from '../plain.ts';
import { facts, printTable, table } from '../table.ts';
import { momentWords, whenWords } from '../times.ts';
import { asks, type ChangeOptions, changes, readText, type TargetOptions, withOperations } from '../with-operations.ts';
import { tellOutcome } from './outcome.ts';
import { everyPage, limited, printListing } from './rows.ts';

/** `firstboot webhook`: programs that are told of events. */
export function webhookCommand(): Command {
  const webhook = new Command('webhook')
    .description('Webhooks: programs that are told of events by HTTP, signed, again and again until they take them.')
    .summary('programs that are told of events by HTTP')
    .helpCommand('help [command]', 'show help for a command');
  changes(
    describing(
      webhook
        .command('create')
        .description('Tell a program of events. The key of the signatures is made, and told this once.')
        .argument('<name>', 'for people', oneLine(limits.api.name))
        .requiredOption('--url <url>', 'where it is: http: or https:'),
    ),
  )
    .addHelpText(
      'after',
      '\nExample:\n  $ firstboot webhook create shop --url https://shop.example.com/devices \\\n      --types device,attempt.closed',
    )
    .action((name: string, options: PutOptions & { readonly url: string }) => create(name, options));
  asks(webhook.command('list').description('List the webhooks, with what waits for each.'))
    .addHelpText('after', '\nExample:\n  $ firstboot webhook list')
    .action((options: TargetOptions) => list(options));
  asks(
    webhook
      .command('show')
      .description('Show a webhook.')
      .argument(...which),
  )
    .addHelpText('after', '\nExample:\n  $ firstboot webhook show shop')
    .action((name: string, options: TargetOptions) => show(name, options));
  changes(
    describing(
      webhook
        .command('update')
        .description('Change a webhook. What is not named stays as it is.')
        .argument(...which)
        .option('--name <name>', 'for people')
        .option('--url <url>', 'where it is')
        .option('--enable', 'tell it again what happens')
        .option('--disable', 'tell it nothing for now'),
    ),
  )
    .addHelpText('after', '\nExample:\n  $ firstboot webhook update shop --disable')
    .action((name: string, options: UpdateOptions) => update(name, options));
  changes(
    webhook
      .command('delete')
      .description('Delete a webhook with what waits for it.')
      .argument(...which),
  )
    .addHelpText('after', '\nExample:\n  $ firstboot webhook delete shop')
    .action((name: string, options: ChangeOptions) =>
      withOperations(options, async (operations, output) => {
        const outcome = await operations.deleteWebhook(name, options);
        tellOutcome(output, outcome, options, outcome.result.webhook);
      }),
    );
  const deliveries = webhook
    .command('deliveries')
    .description('List events that wait for a webhook, and those that were given up (dead letters).')
    .summary('list what waits for a webhook, and what was given up')
    .argument(...which)
    .option('--dead', 'only those that were given up')
    .option('--no-dead', 'only those that are tried again');
  limited(asks(deliveries))
    .addHelpText('after', '\nExample:\n  $ firstboot webhook deliveries shop --dead')
    .action((name: string, options: DeliveryOptions) => listDeliveries(name, options));
  changes(
    webhook
      .command('redeliver')
      .description('Try again what was given up: one event, or all of them.')
      .argument(...which)
      .option('--event <id>', 'only this one'),
  )
    .addHelpText('after', '\nExample:\n  $ firstboot webhook redeliver shop --event 3-1200')
    .action((name: string, options: ChangeOptions & { readonly event?: string }) =>
      withOperations(options, async (operations, output) => {
        const outcome = await operations.redeliver(name, options);
        tellOutcome(output, outcome, options, { number: outcome.result });
      }),
    );
  return webhook;
}

const which = ['<webhook>', 'its name or id'] as const;

const describing = (command: Command): Command =>
  command
    .option('--types <list>', 'events that it wants, or how they begin: device,attempt.closed (none: all)')
    .option('--secret-file <file>', 'file with the key of the signatures, base64 of 24 to 64 bytes');

interface PutOptions extends ChangeOptions {
  readonly url?: string;
  readonly types?: string;
  readonly secretFile?: string;
}

interface UpdateOptions extends PutOptions {
  readonly name?: string;
  readonly enable?: boolean;
  readonly disable?: boolean;
}

interface DeliveryOptions extends TargetOptions {
  readonly dead?: boolean;
  readonly limit: number;
}

/** What both say; an empty list of types is all of them. */
const described = ({ types, secretFile }: PutOptions): Pick<WebhookRequest, 'types' | 'secret'> => ({
  types:
    types === undefined ? undefined : types.split(',').flatMap((type) => (type.trim() === '' ? [] : [type.trim()])),
  secret: secretFile === undefined ? undefined : readText(secretFile).trim(),
});

const create = (name: string, options: PutOptions & { readonly url: string }): Promise<void> =>
  withOperations(options, async (operations, output) => {
    const outcome = await operations.putWebhook({ name, url: options.url, ...described(options) }, options);
    tellPut(outcome, options, output);
  });

const update = (name: string, options: UpdateOptions): Promise<void> =>
  withOperations(options, async (operations, output) => {
    const { enable, disable, name: called, url, dryRun } = options;
    if (enable === true && disable === true) {
      throw failure('command.usage', { found: '--enable and --disable' }, 'give one of them');
    }
    const { webhook } = await operations.webhook(name);
    const outcome = await operations.putWebhook(
      {
        name: called ?? webhook.name,
        url: url ?? webhook.url,
        ...described(options),
        enabled: enable === true ? true : disable === true ? false : undefined,
      },
      { which: webhook.id, revision: webhook.revision, dryRun },
    );
    tellPut(outcome, options, output);
  });

function tellPut(
  outcome: Outcome<WebhookView & { readonly secret?: string }>,
  options: ChangeOptions,
  output: Output,
): void {
  const { webhook, secret } = outcome.result;
  tellOutcome(output, outcome, options, { ...shown(webhook), ...(secret !== undefined && { secret }) });
  if (secret === undefined) return;
  output.line(strong(secret));
  output.line(faint('the key of its signatures: keep it now, it is not told again'));
}

const shown = (webhook: WebhookView['webhook']) => ({ webhook });

const list = (options: TargetOptions): Promise<void> =>
  withOperations(options, async (operations, output) => {
    const webhooks = await operations.webhooks();
    for (const { webhook, ...counts } of webhooks) output.data({ event: 'webhook', ...webhook, ...counts });
    const rows = webhooks.map(({ webhook: { name, url, types, enabled }, waiting, dead }) => [
      name,
      url,
      enabled ? 'on' : 'off',
      types.join(' ') || 'all',
      String(waiting),
      String(dead),
    ]);
    const head = ['name', 'url', 'is', 'is told of', 'waiting', 'given up'];
    printTable(output, table(rows, head, { none: 'there are no webhooks' }));
  });

const show = (name: string, options: TargetOptions): Promise<void> =>
  withOperations(options, async (operations, output, { now }) => {
    const { webhook, waiting, dead, lastError } = await operations.webhook(name);
    output.data({ event: 'webhook', ...webhook, waiting, dead, lastError });
    output.line(strong(`webhook ${plain(webhook.name)}`));
    printTable(
      output,
      facts([
        ['id', webhook.id],
        ['url', webhook.url],
        ['enabled', webhook.enabled ? 'yes' : 'no: it is told nothing'],
        ['is told of', webhook.types.join(', ') || 'everything'],
        ['of owner', webhook.ownerId],
        ['waiting', String(waiting)],
        ['given up', String(dead)],
        ['last error', lastError],
        ['made', momentWords(webhook.createdAt, now())],
      ]),
    );
  });

const listDeliveries = (name: string, { dead, limit, ...options }: DeliveryOptions): Promise<void> =>
  withOperations(options, (operations, output, { now }) =>
    printListing(output, {
      rows: everyPage((page) => operations.deliveries(name, { ...page, ...(dead !== undefined && { dead }) })),
      limit,
      head: ['event', 'type', 'tries', 'next', 'last error'],
      cells: ({ event, attempts, dueAt, error }) => [
        event.id,
        event.type,
        String(attempts),
        dueAt === undefined ? 'given up' : whenWords(dueAt, now()),
        error ?? '',
      ],
      data: ({ event, ...delivery }) => ({ event: 'delivery', of: event, ...delivery }),
      none: 'nothing waits',
    }),
  );
