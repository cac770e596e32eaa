import { get as getHttp, type IncomingMessage } from 'node:http';
import { get as getHttps } from 'node:https';

/** One server-sent event as it came. */
export interface SentEvent {
  readonly id: string | undefined;
  readonly event: string | undefined;
  readonly data: string;
}

export interface EventClient {
  /** Of the answer. */
  readonly status: number;
  readonly response: IncomingMessage;
  /** What has come so far. */
  readonly events: readonly SentEvent[];
  /** What to send as Last-Event-ID after this. */
  readonly lastEventId: string;
  /** Resolves when the stream is over, however. */
  readonly over: Promise<void>;
  cut(): void;
}

/**
 * Reads server-sent events as the HTML standard says (9.2.6), over a connection of its own.
 * @param ca of the server, PEM
 * @param cutAfter cuts the connection behind so many events, whatever has come with them
 */
export function followEvents(
  url: string,
  {
    token,
    after,
    cutAfter,
    ca,
  }: { token: string; after?: string | undefined; cutAfter?: number | undefined; ca?: string },
): Promise<EventClient> {
  return new Promise((resolve, reject) => {
    const headers = {
      authorization: `Bearer ${token}`,
      ...(after !== undefined && after !== '' && { 'last-event-id': after }),
    };
    const get = url.startsWith('https:') ? getHttps : getHttp;
    const request = get(url, { agent: false, headers, ...(ca !== undefined && { ca }) }, (response) => {
      const events: SentEvent[] = [];
      let [text, lastEventId] = ['', after ?? ''];
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part;
        for (let end = text.indexOf('\n\n'); end >= 0 && !response.destroyed; end = text.indexOf('\n\n')) {
          const event = parsed(text.slice(0, end));
          text = text.slice(end + 2);
          lastEventId = event.id ?? lastEventId;
          if (event.data === '') continue;
          events.push(event);
          if (events.length === cutAfter) response.destroy();
        }
      });
      const over = new Promise<void>((done) => response.once('close', done));
      response.once('error', () => undefined);
      resolve({
        status: response.statusCode ?? 0,
        response,
        events,
        get lastEventId() {
          return lastEventId;
        },
        over,
        cut: () => response.destroy(),
      });
    });
    request.once('error', reject);
  });
}

function parsed(block: string): SentEvent {
  const fields = new Map<string, string>();
  for (const line of block.split('\n')) {
    const [, name = '', value = ''] = /^([^:]*):? ?(.*)$/.exec(line) ?? [];
    fields.set(name, value);
  }
  return { id: fields.get('id'), event: fields.get('event'), data: fields.get('data') ?? '' };
}
