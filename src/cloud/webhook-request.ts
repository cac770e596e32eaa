import { createHmac } from 'node:crypto';
import { fromBase64 } from '../core/bytes.ts';
import type { Timers } from '../core/clock.ts';
import { limits } from '../core/limits.ts';
import type { StoredEvent, Webhook } from '../store/model.ts';
import { type PublicRequest, requestPublic } from './public-request.ts';

/** gone: 410, the receiver wants nothing any more. stopped: this service gave up, nothing is known. */
export type Told =
  | { readonly kind: 'told' }
  | { readonly kind: 'failed' | 'gone'; readonly error: string }
  | { readonly kind: 'stopped' };

export type Fetch = typeof fetch;

/**
 * One try to tell a receiver of an event, as Standard Webhooks 1.0 has it: POST of the event as JSON with `webhook-id` (the
 * event's), `webhook-timestamp` (s) and `webhook-signature` (`v1,` and the base64 of HMAC-SHA256 over
 * `<id>.<timestamp>.<body>`). Any 2xx is a yes; redirects are not followed, and nothing of an answer's body is read.
 * @param reachPrivate whether the receiver may be anywhere that this machine reaches; else on the public Internet only, and
 *   why it cannot be reached is not told: that would say what is there
 */
export async function tellReceiver(
  { url, secret }: Pick<Webhook, 'url' | 'secret'>,
  event: StoredEvent,
  {
    timers,
    fetch,
    reachPrivate,
    stop,
  }: {
    readonly timers: Timers;
    readonly fetch: Fetch;
    readonly reachPrivate: boolean;
    readonly stop: AbortSignal;
  },
): Promise<Told> {
  const body = JSON.stringify(event);
  const timestamp = Math.floor(timers.now() / 1000);
  const signature = createHmac('sha256', fromBase64(secret))
    .update(`${event.id}.${timestamp}.${body}`)
    .digest('base64');
  const late = new AbortController();
  const cancel = timers.schedule(timers.now() + limits.webhooks.timeout, () => late.abort());
  try {
    const request = {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'user-agent': 'firstboot',
        'webhook-id': event.id,
        'webhook-timestamp': String(timestamp),
        'webhook-signature': `v1,${signature}`,
      },
      body,
      signal: AbortSignal.any([late.signal, stop]),
    };
    const status = await (reachPrivate ? postAnywhere(fetch, url, request) : postToPublic(url, request));
    if (status >= 200 && status < 300) return { kind: 'told' };
    return { kind: status === 410 ? 'gone' : 'failed', error: answered(status) };
  } catch (error) {
    if (late.signal.aborted) return { kind: 'failed', error: `no answer within ${limits.webhooks.timeout / 1000} s` };
    if (stop.aborted) return { kind: 'stopped' };
    return { kind: 'failed', error: `no connection: ${reachPrivate ? causeOf(error) : noPublicServer}` };
  } finally {
    cancel();
  }
}

async function postToPublic(url: string, request: PublicRequest): Promise<number> {
  const answer = await requestPublic(url, request);
  answer.destroy();
  return answer.statusCode ?? 0;
}

async function postAnywhere(
  fetch: Fetch,
  url: string,
  request: PublicRequest & { readonly body: string },
): Promise<number> {
  const response = await fetch(url, { redirect: 'manual', ...request });
  await response.body?.cancel().catch(() => undefined);
  return response.status;
}

const noPublicServer = 'it cannot be reached, or is not on the public Internet';

const answered = (status: number): string =>
  status >= 300 && status < 400 ? `answered ${status}: redirects are not followed` : `answered ${status}`;

/** The code of the system or of TLS, when there is one. */
function causeOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (!(cause instanceof Error)) return 'unknown';
  return 'code' in cause && typeof cause.code === 'string' ? cause.code : cause.name;
}
