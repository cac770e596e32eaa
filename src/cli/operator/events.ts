import { setTimeout as delay } from 'node:timers/promises';
import { Command } from 'commander';
import type { JsonObject, JsonValue } from '../../core/json.ts';
import { limits } from '../../core/limits.ts';
import type { StoredEvent } from '../../store/model.ts';
import { bad, faint, type Output, strong, untilInterrupted } from '../output.ts';
import { plain } from '../plain.ts';
import type { ApiClient, ApiRequest } from '../remote/client.ts';
import { moment } from '../times.ts';
import { asksServer, defaultServer, type ServerOptions } from '../with-operations.ts';
import { withServer } from '../with-server.ts';
import { everyPage, limited, tellMore } from './rows.ts';

/** `firstboot events`: what happens in a running service. */
export function eventsCommand(): Command {
  const command = new Command('events')
    .description(
      'Tell what has happened in a running service, or with --follow what happens: devices that come, each stage, each change ' +
        'by an operator.',
    )
    .summary('what happens in a running service, live')
    .option('--follow', 'tell what happens from now on, until a signal; a broken connection is made again')
    .option('--types <list>', 'only these, or those that begin so: device,attempt.closed')
    .option('--after <id>', 'only what happened after this event');
  return limited(asksServer(command), 100)
    .addHelpText(
      'after',
      `
Without --server the service is asked at ${defaultServer}.

Examples:
  $ firstboot events --follow
  $ firstboot events --types attempt.closed,device --limit 20
  $ firstboot events --follow --after 3-1200 --json`,
    )
    .action((options: EventOptions) =>
      withServer(options, (client, output) =>
        options.follow === true ? follow(client, options, output) : history(client, options, output),
      ),
    );
}

interface EventOptions extends ServerOptions {
  readonly follow?: boolean;
  readonly types?: string;
  readonly after?: string;
  readonly limit: number;
  readonly json?: boolean;
}

async function follow(client: ApiClient, { types, after }: EventOptions, output: Output): Promise<void> {
  const end = new AbortController();
  void untilInterrupted().then(() => end.abort());
  const { followEvents } = await import('../remote/event-stream.ts');
  const told = followEvents(client, {
    types,
    after,
    signal: end.signal,
    pause: (time) => delay(time, undefined, { signal: end.signal }).catch(() => undefined),
    onBreak: ({ evidence }) => {
      process.stderr.write(
        `firstboot: the connection broke (${plain(String(evidence.found ?? evidence.status ?? ''))}); trying again\n`,
      );
    },
  });
  for await (const one of told) {
    if (one.kind === 'event') tell(one.event, output);
    else {
      output.data({ event: 'lost', oldest: one.oldest });
      output.line(bad(`events are lost: the service keeps them from ${plain(one.oldest)} on`));
    }
  }
}

/** The last of them, or with --after the first of those behind it. */
async function history(client: ApiClient, { types, after, limit }: EventOptions, output: Output): Promise<void> {
  const ask = (page: ApiRequest['query'], most: number): Promise<EventList> =>
    client.ask('/events/history', { query: { types, ...page, limit: Math.min(most, limits.api.listed) } });
  // All of them are told as they come.
  if (after === undefined && Number.isFinite(limit)) {
    let [kept, next]: [readonly StoredEvent[], string | null] = [[], null];
    do {
      const { items, next: further } = await ask({ newest: true, before: next ?? undefined }, limit - kept.length);
      [kept, next] = [[...kept, ...items], further];
    } while (kept.length < limit && next !== null);
    for (const event of kept.toReversed()) tell(event, output);
    if (kept.length === 0) output.line(faint('there is no such event'));
    return;
  }
  const all = everyPage<StoredEvent>(async (page) => {
    const { items, next } = await ask({ after: page.after ?? after }, page.limit);
    return { rows: items, next: next ?? undefined };
  });
  let told = 0;
  for await (const event of all) {
    if (told++ === limit) return tellMore(output, limit);
    tell(event, output);
  }
  if (told === 0) output.line(faint('there is no such event'));
}

interface EventList {
  readonly items: readonly StoredEvent[];
  readonly next: string | null;
}

function tell(event: StoredEvent, output: Output): void {
  output.data({ event: 'event', ...event });
  output.line(
    `${faint(moment(event.at))}  ${strong(plain(event.type))}  ${plain(dataText(event.data))}  ${faint(event.id)}`,
  );
}

const dataText = (data: JsonObject): string =>
  Object.entries(data)
    .flatMap(([name, value]) => (value === null || value === undefined ? [] : [`${name} ${valueText(value)}`]))
    .join(', ');

function valueText(value: JsonValue): string {
  if (typeof value !== 'object' || value === null) return String(value);
  return Array.isArray(value) ? value.map(valueText).join(' ') : `(${dataText(value as JsonObject)})`;
}
