import { fromBase64, toBase64 } from '../core/bytes.ts';
import { type FirstbootError, failure } from '../core/errors.ts';
import { parseUuid, type Uuid, uuidV4 } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import type { RandomSource } from '../core/random.ts';
import { type Delivery, eventTypePattern, type Webhook } from '../store/model.ts';
import type { Store } from '../store/store.ts';
import { asStored, carryOut, type OperatorDeps, type Outcome, type RowOptions, requireRevision } from './change.ts';
import { differences } from './difference.ts';
import type { DryRun, ListPage, WebhookRequest, WebhookView } from './operations.ts';
import { requireFreeName, takenName } from './policy-rows.ts';
import { everyDelivery, firstOf, type Page } from './scan.ts';
import { isPlainText } from './selectors.ts';

type Standing = Pick<Store, 'deliveryCounts' | 'lastDeliveryError'>;

type Hooks = Pick<Store, 'webhooks'> & Standing;

/** All, by name. */
export async function listWebhooks(store: Hooks): Promise<readonly WebhookView[]> {
  const views: WebhookView[] = [];
  for (const webhook of await store.webhooks.list()) views.push(await viewOf(store, webhook));
  return views.toSorted((a, b) => (a.webhook.name < b.webhook.name ? -1 : 1));
}

/** @throws FirstbootError operator.not-found */
export const viewWebhook = async (store: Hooks, which: string): Promise<WebhookView> =>
  viewOf(store, await findWebhook(store, which));

/**
 * Writes a webhook: a new one, or `which`, of which stays what the request leaves out. The secret is told this once, when it is
 * a new one: `whsec_` and base64, as Standard Webhooks writes it.
 * @throws FirstbootError operator.input, operator.not-found, operator.conflict (the name is taken, there are too many),
 *   api.precondition (it is not of `revision` any more)
 */
export async function putWebhook(
  deps: OperatorDeps & { readonly random: RandomSource; readonly ownerId?: Uuid | undefined },
  request: WebhookRequest,
  { which, revision, ...options }: RowOptions & { readonly which?: string },
): Promise<Outcome<WebhookView & { readonly secret?: string }>> {
  const { store, now, random, ownerId } = deps;
  const asked = checkedRequest(request);
  const made = toBase64(random.bytes(madeSecretBytes));
  const id = uuidV4(random);
  const outcome = await carryOut(
    deps,
    async () => {
      const known = which === undefined ? undefined : await findWebhook(store, which);
      const { name, url } = asked;
      const next: Webhook = {
        ...(known ?? { id, ownerId, createdAt: now(), revision: 0 }),
        name,
        url,
        types: asked.types ?? known?.types ?? [],
        enabled: asked.enabled ?? known?.enabled ?? true,
        secret: asked.secret ?? known?.secret ?? made,
      };
      requireRevision(next, revision);
      requireRoom(next, await store.webhooks.list(), known);
      const changed = known ? differences(known, next) : [];
      return {
        action: known ? 'webhook.update' : 'webhook.create',
        target: `webhook ${next.id}`,
        detail: { name, host: new URL(url).host, ...(known && { changed: changed.map(({ field }) => field) }) },
        changes: { webhooks: [next], names: takenName('webhooks', next, known) },
        effects: known
          ? changed.map(({ text }) => `webhook ${known.name}: ${text}`)
          : [`webhook ${name} is added: ${url} is told of ${next.types.join(', ') || 'all events'}`],
        result: next,
      };
    },
    options,
  );
  const { result } = asStored(outcome);
  const tells = outcome.applied && (which === undefined || asked.secret !== undefined);
  // A new one that is only foreseen has nothing in the store: nothing can wait for it.
  const foreseen = !outcome.applied && which === undefined;
  const view = await viewOf(foreseen ? noDeliveries : store, result);
  return { ...outcome, result: { ...view, ...(tells && { secret: `${secretPrefix}${result.secret}` }) } };
}

/** @throws FirstbootError operator.not-found, api.precondition */
export function deleteWebhook(
  deps: OperatorDeps,
  which: string,
  { revision, ...options }: RowOptions = {},
): Promise<Outcome<WebhookView>> {
  return carryOut(
    deps,
    async () => {
      const webhook = await findWebhook(deps.store, which);
      requireRevision(webhook, revision);
      const view = await viewOf(deps.store, webhook);
      const left = view.waiting + view.dead;
      return {
        action: 'webhook.delete',
        target: `webhook ${webhook.id}`,
        detail: { name: webhook.name },
        changes: { deletedWebhooks: [webhook.id] },
        effects: [`webhook ${webhook.name} is deleted${left > 0 ? `, with ${left} events that wait for it` : ''}`],
        result: view,
      };
    },
    options,
  );
}

/**
 * What waits for a webhook, and what it was not to be had for, in order of event.
 * @throws FirstbootError operator.not-found
 */
export async function listDeliveries(
  store: Pick<Store, 'webhooks' | 'deliveries'>,
  which: string,
  { dead, after, limit }: ListPage & { readonly dead?: boolean },
): Promise<Page<Delivery, string>> {
  const { id } = await findWebhook(store, which);
  return firstOf(everyDelivery(store, id, { dead, after }), {
    fits: () => true,
    most: limit,
    position: ({ event }) => event.id,
  });
}

/**
 * Tries dead letters again: one, or all. The outcome says how many; of those who ask for the same one at once, the first has it.
 * @throws FirstbootError operator.not-found (also: this event is no dead letter of it), operator.conflict (it is tried again
 *   already)
 */
export function redeliver(
  deps: OperatorDeps,
  which: string,
  { event, ...options }: { readonly event?: string | undefined } & DryRun,
): Promise<Outcome<number>> {
  const { store, now } = deps;
  return carryOut(
    deps,
    async () => {
      const { id, name } = await findWebhook(store, which);
      const again: Delivery[] = [];
      // There are limits.webhooks.dead of them at most.
      for await (const letter of everyDelivery(store, id, { dead: true })) {
        if (event === undefined || letter.event.id === event) again.push({ ...letter, attempts: 0, dueAt: now() });
      }
      const count = again.length;
      if (event !== undefined && count === 0) throw await noDeadLetter(store, { id, name }, event);
      return {
        action: 'webhook.redeliver',
        target: `webhook ${id}`,
        detail: { name, count, ...(event !== undefined && { event }) },
        changes: { revived: again },
        effects: count === 0 ? [] : [`${count} dead letters of webhook ${name} are tried again`],
        result: count,
      };
    },
    options,
  );
}

/** @throws FirstbootError operator.not-found, operator.ambiguous: owners may have chosen the same name */
async function findWebhook(store: Pick<Store, 'webhooks'>, which: string): Promise<Webhook> {
  const id = parseUuid(which.trim());
  const byId = id === undefined ? undefined : await store.webhooks.get(id);
  const [webhook, ...others] = byId ? [byId] : (await store.webhooks.list()).filter(({ name }) => name === which);
  if (others.length > 0) throw failure('operator.ambiguous', { webhook: which }, 'write its id');
  if (webhook) return webhook;
  throw failure(
    'operator.not-found',
    { webhook: which.slice(0, limits.api.name) },
    '`firstboot webhook list` shows them',
  );
}

async function noDeadLetter(
  store: Pick<Store, 'deliveries'>,
  { id, name }: Pick<Webhook, 'id' | 'name'>,
  event: string,
): Promise<FirstbootError> {
  const about = { webhook: name, event: event.slice(0, limits.policy.text) };
  for await (const one of everyDelivery(store, id, { dead: false })) {
    if (one.event.id === event)
      return failure('operator.conflict', about, 'it is on its way: wait for what comes of it');
  }
  return failure('operator.not-found', about, '`firstboot webhook deliveries --dead` shows them');
}

async function viewOf(store: Standing, { secret: _, ...webhook }: Webhook): Promise<WebhookView> {
  const { waiting, dead } = await store.deliveryCounts({ webhookId: webhook.id });
  return { webhook, waiting, dead, lastError: await store.lastDeliveryError(webhook.id) };
}

/** @throws FirstbootError operator.input */
function checkedRequest(request: WebhookRequest): WebhookRequest {
  const { name, url, types } = request;
  const wrong = (field: string, fix: string) => failure('operator.input', { field }, fix);
  if (name.length > limits.api.name || !isPlainText(name)) {
    throw wrong('name', `write one line of 1 to ${limits.api.name} characters`);
  }
  if (url.length > limits.webhooks.url || !isPlainAddress(url)) {
    throw wrong(
      'url',
      `write an http or https URL of at most ${limits.webhooks.url} characters, without a user or password`,
    );
  }
  if (types && (types.length > limits.events.types || !types.every(isEventType))) {
    throw wrong('types', 'write types like attempt.closed, or how they begin: device');
  }
  return { ...request, types: types && [...new Set(types)], secret: checkedSecret(request.secret) };
}

function checkedSecret(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const { secretLeast, secretMost } = limits.webhooks;
  const base64 = text.startsWith(secretPrefix) ? text.slice(secretPrefix.length) : text;
  const bytes = /^[A-Za-z0-9+/]+={0,2}$/.test(base64) ? fromBase64(base64) : new Uint8Array();
  if (bytes.length >= secretLeast && bytes.length <= secretMost) return toBase64(bytes);
  const fix = `write base64 of ${secretLeast} to ${secretMost} random bytes, or leave it out: one is made then`;
  throw failure('operator.input', { field: 'secret' }, fix);
}

function requireRoom(webhook: Webhook, rows: readonly Webhook[], known: Webhook | undefined): void {
  requireFreeName('webhook', webhook, rows, known);
  if (known === undefined && rows.length >= limits.api.webhooks) {
    throw failure('operator.conflict', { webhooks: rows.length }, 'delete webhooks that nobody needs any more');
  }
}

function isPlainAddress(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '';
}

/** A type of events, or how it begins. */
const isEventType = (text: string): boolean =>
  text.length <= limits.events.typeCharacters && new RegExp(eventTypePattern).test(text);

const noDeliveries: Standing = {
  deliveryCounts: async () => ({ waiting: 0, dead: 0 }),
  lastDeliveryError: async () => undefined,
};

const secretPrefix = 'whsec_';
const madeSecretBytes = 32;
