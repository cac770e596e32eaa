import { limits } from '../../core/limits.ts';
import type { Outcome } from '../../operator/change.ts';
import type { WebhookView } from '../../operator/operations.ts';
import { type Reply, route } from '../route.ts';
import { flag, listQuery, maybe, plainChange, which } from '../schemas/parts.ts';
import {
  changedWebhook,
  deliveryPage,
  newWebhook,
  redelivery,
  redeliveryOutcome,
  toldWebhookOutcome,
  webhook,
  webhookList,
  webhookOutcome,
} from '../schemas/webhook.ts';
import { listTold, pageTold } from '../told.ts';

const params = which('webhook', 'id or name of the webhook');
const known = ['operator.not-found', 'operator.ambiguous'] as const;
const common = { tag: 'webhooks', role: 'admin' } as const;

const list = route({
  ...common,
  id: 'listWebhooks',
  method: 'GET',
  path: '/webhooks',
  summary: 'List webhooks with what waits for them',
  answer: webhookList,
  errors: [],
  handle: async ({ operations }) => listTold(await operations.webhooks()),
});

const create = route({
  ...common,
  id: 'createWebhook',
  method: 'POST',
  path: '/webhooks',
  summary: 'Make a webhook',
  description:
    'It is told of what happens from now on (docs/webhooks.md). The secret is in this answer and in no other.',
  query: plainChange,
  body: newWebhook,
  answer: toldWebhookOutcome,
  status: 201,
  secret: true,
  errors: ['operator.input', 'operator.conflict'],
  handle: async ({ operations, body, query }) => webhookTold(await operations.putWebhook(body, query)),
});

const get = route({
  ...common,
  id: 'getWebhook',
  method: 'GET',
  path: '/webhooks/{webhook}',
  summary: 'Show a webhook',
  params,
  answer: webhook,
  errors: known,
  handle: async ({ operations, params: asked }) => {
    const view = await operations.webhook(asked.webhook);
    return { body: view, revision: view.webhook.revision };
  },
});

const put = route({
  ...common,
  id: 'putWebhook',
  method: 'PUT',
  path: '/webhooks/{webhook}',
  summary: 'Change a webhook',
  params,
  query: plainChange,
  body: changedWebhook,
  answer: toldWebhookOutcome,
  conditional: true,
  secret: true,
  errors: [...known, 'operator.input', 'operator.conflict', 'api.precondition'],
  handle: async ({ operations, params: asked, body, query, ifMatch }) => {
    const { id: _, ownerId: _owner, createdAt: _created, revision: _revision, ...request } = body;
    const options = { which: asked.webhook, ...query, ...(ifMatch !== undefined && { revision: ifMatch }) };
    return webhookTold(await operations.putWebhook(request, options));
  },
});

const remove = route({
  ...common,
  id: 'deleteWebhook',
  method: 'DELETE',
  path: '/webhooks/{webhook}',
  summary: 'Delete a webhook with what waits for it',
  params,
  query: plainChange,
  answer: webhookOutcome,
  conditional: true,
  errors: [...known, 'api.precondition'],
  handle: async ({ operations, params: asked, query, ifMatch }) => ({
    body: await operations.deleteWebhook(asked.webhook, { ...query, revision: ifMatch }),
  }),
});

const deliveries = route({
  ...common,
  id: 'listDeliveries',
  method: 'GET',
  path: '/webhooks/{webhook}/deliveries',
  summary: 'List events that wait for a webhook, and dead letters',
  params,
  query: listQuery({ dead: maybe(flag('dead letters only, or what is still tried only')) }),
  answer: deliveryPage,
  errors: known,
  handle: async ({ operations, params: asked, query: { cursor, limit = limits.api.page, dead } }) => {
    const page = { after: cursor, limit, ...(dead !== undefined && { dead }) };
    return pageTold(await operations.deliveries(asked.webhook, page));
  },
});

const again = route({
  ...common,
  id: 'redeliver',
  method: 'POST',
  path: '/webhooks/{webhook}/redeliver',
  summary: 'Try dead letters again: one, or all',
  params,
  query: plainChange,
  body: redelivery,
  answer: redeliveryOutcome,
  errors: [...known, 'operator.conflict'],
  handle: async ({ operations, params: asked, body: { event }, query }) => ({
    body: await operations.redeliver(asked.webhook, { ...query, ...(event !== undefined && { event }) }),
  }),
});

export const webhookRoutes = [list, create, get, put, remove, deliveries, again];

const webhookTold = <T extends WebhookView>(outcome: Outcome<T>): Reply<Outcome<T>> => ({
  body: outcome,
  ...(outcome.applied && { revision: outcome.result.webhook.revision }),
});
