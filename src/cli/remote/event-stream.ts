import type { Millis } from '../../core/clock.ts';
import { FirstbootError, failure } from '../../core/errors.ts';
import { isRecord } from '../../core/json.ts';
import { limits } from '../../core/limits.ts';
import { isAfter, parseEventId } from '../../operator/event-ids.ts';
import type { StoredEvent } from '../../store/model.ts';
import type { ApiClient } from './client.ts';

export interface FollowOptions {
  /** Types that are wanted, or how they begin; none: all. */
  readonly types: string | undefined;
  /** Begin behind this event; default: with what happens from now on. */
  readonly after: string | undefined;
  /** Ends it. */
  readonly signal: AbortSignal;
  /** Waits, and is cut short by the signal. */
  readonly pause: (time: Millis) => Promise<void>;
  /** Told when the stream broke, and why, before it is asked for again. */
  readonly onBreak: (error: FirstbootError) => void;
}

/** What is told: an event, or that some are lost because the service does not keep them any more. */
export type Followed =
  | { readonly kind: 'event'; readonly event: StoredEvent }
  | { readonly kind: 'lost'; readonly oldest: string };

/**
 * Live events of a running service (Server-Sent Events). When the connection breaks it is made again, from the last event on:
 * nothing is lost or told twice while the service keeps what was missed.
 * @throws FirstbootError what the service refuses with; api.unreachable when it cannot be had the first time
 */
export async function* followEvents(
  client: Pick<ApiClient, 'open'>,
  { types, after, signal, pause, onBreak }: FollowOptions,
): AsyncGenerator<Followed> {
  let last = after;
  let connected = false;
  for (let failures = 0; !signal.aborted; ) {
    try {
      const headers = last === undefined ? {} : { 'last-event-id': last };
      const answer = await client.open('/events', { query: { types }, headers }, signal);
      connected = true;
      for await (const { id, name, data } of messagesIn(answer)) {
        failures = 0;
        if (name === 'lost') yield { kind: 'lost', oldest: oldestOf(data) };
        else if (id !== undefined && last !== undefined && !isLater(last, id)) continue;
        // Without data it tells the place alone, up to which there was nothing to tell.
        else if (data !== '') yield { kind: 'event', event: eventOf(data) };
        last = id ?? last;
      }
    } catch (error) {
      if (signal.aborted) return;
      const broken = asFailure(error);
      if (!connected || !passes(broken)) throw broken;
      onBreak(broken);
    }
    if (signal.aborted) return;
    await pause(Math.min(limits.client.comeBack * 2 ** failures++, limits.client.comeBackMost));
  }
}

interface Message {
  readonly id: string | undefined;
  readonly name: string;
  readonly data: string;
}

/** Messages of a text/event-stream (HTML Living Standard, 9.2.6), as far as a service of ours writes them. */
export async function* messagesIn(pieces: AsyncIterable<Uint8Array | string>): AsyncGenerator<Message> {
  const decoder = new TextDecoder();
  let rest = '';
  let id: string | undefined;
  let [name, data] = ['message', ''];
  for await (const piece of pieces) {
    rest += typeof piece === 'string' ? piece : decoder.decode(piece, { stream: true });
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? '';
    if (rest.length + data.length > limits.client.eventBytes) {
      throw failure('api.unreachable', { answered: 'an event that is too large' }, '');
    }
    for (const line of lines) {
      if (line === '') {
        if (id !== undefined || data !== '') yield { id, name, data };
        [id, name, data] = [undefined, 'message', ''];
        continue;
      }
      const [, field, value = ''] = /^([^:]*)(?:: ?(.*))?$/.exec(line) ?? [];
      if (field === 'id') id = value;
      else if (field === 'event') name = value;
      else if (field === 'data') data += data === '' ? value : `\n${value}`;
    }
  }
}

function eventOf(text: string): StoredEvent {
  const event: unknown = JSON.parse(text);
  if (isRecord(event) && isRecord(event.data) && typeof event.id === 'string' && typeof event.type === 'string') {
    if (Number.isSafeInteger(event.at)) return event as unknown as StoredEvent;
  }
  throw failure('api.unreachable', { found: 'what is no event' }, 'check that this is firstboot');
}

/** Ids of another form are taken as they come. */
function isLater(last: string, id: string): boolean {
  const [before, now] = [parseEventId(last), parseEventId(id)];
  return before === undefined || now === undefined || isAfter(before, now);
}

function oldestOf(data: string): string {
  const told: unknown = JSON.parse(data);
  return typeof told === 'object' && told !== null && 'oldest' in told ? String(told.oldest) : '';
}

/** Whether it may be otherwise in a moment: the service is away, or has too much to do. */
const passes = ({ code }: FirstbootError): boolean =>
  ['api.unreachable', 'api.too-many', 'service.busy', 'service.store'].includes(code);

function asFailure(error: unknown): FirstbootError {
  if (error instanceof FirstbootError) return error;
  const found = error instanceof Error && 'code' in error ? String(error.code) : 'broken off';
  return failure('api.unreachable', { found }, 'it is asked again', error);
}
