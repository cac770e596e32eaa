import Type from 'typebox';
import { limits } from '../../core/limits.ts';
import type { WebhookView } from '../../operator/operations.ts';
import type { Delivery } from '../../store/model.ts';
import { event, eventTypes } from './event.ts';
import {
  asRead,
  closed,
  count,
  flag,
  listOf,
  maybe,
  outcome,
  page,
  part,
  resource,
  text,
  time,
  uuid,
  wholeList,
} from './parts.ts';

const view = {
  webhook: part<WebhookView['webhook']>({
    id: uuid('its id'),
    name: text('its name'),
    url: text('where it is told'),
    types: listOf<string>(Type.String(), 'what it is told of: types, or how they begin; none: all'),
    enabled: flag('whether it is told; what happens while it is not is told later, as far as it is kept'),
    ownerId: maybe(uuid('it is told of what is of this owner only')),
    createdAt: time('when it was made'),
    revision: count('counts changes: the ETag'),
  }),
  waiting: count('events that wait for another try'),
  dead: count('dead letters: events that could not be delivered'),
  lastError: maybe(text('why the last try of those failed')),
};

export const webhook = resource<WebhookView>('Webhook', 'A program that is told of events by HTTP.', view);
export const webhookList = wholeList('WebhookList', listOf<WebhookView>(webhook, 'by name'));
export const webhookOutcome = outcome<WebhookView>('WebhookOutcome', webhook);

type Told = WebhookView & { readonly secret?: string };
export const toldWebhookOutcome = outcome<Told>(
  'ToldWebhookOutcome',
  resource<Told>('ToldWebhook', 'A webhook, and its secret when that is a new one: it is told this once.', {
    ...view,
    secret: maybe(text('key of the signatures: `whsec_` and base64')),
  }),
);

const fields = {
  name: Type.String({ minLength: 1, maxLength: limits.api.name, description: 'one line, its own' }),
  url: Type.String({
    minLength: 8,
    maxLength: limits.webhooks.url,
    description: 'http or https, without user and password',
  }),
  types: maybe(eventTypes),
  enabled: maybe(flag('default: true')),
  secret: maybe(
    Type.String({
      maxLength: 100,
      description: 'base64 of 24 to 64 bytes, with or without `whsec_`; missing: one is made',
    }),
  ),
};
export const newWebhook = Type.Object(fields, { ...closed, $id: 'NewWebhook' });
export const changedWebhook = Type.Object(
  { ...fields, id: asRead, ownerId: asRead, createdAt: asRead, revision: asRead },
  { ...closed, $id: 'ChangedWebhook', description: 'What is left out stays as it is.' },
);

export const deliveryPage = page<Delivery>(
  'DeliveryPage',
  resource<Delivery>('Delivery', 'An event on its way to a webhook, or one that could not be delivered.', {
    webhookId: uuid('of which webhook'),
    event,
    attempts: count('tries so far'),
    dueAt: maybe(time('when it is tried next; missing: it is a dead letter')),
    error: maybe(text('why the last try failed')),
    lastTriedAt: maybe(time('when it was tried last')),
  }),
);

export const redelivery = Type.Object(
  { event: maybe(Type.String({ minLength: 3, maxLength: 40, description: 'id of one of them; missing: all' })) },
  { ...closed, $id: 'Redelivery' },
);
export const redeliveryOutcome = outcome<number>('RedeliveryOutcome', count('dead letters that are tried again'));
