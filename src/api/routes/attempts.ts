import Type from 'typebox';
import { hours } from '../../core/clock.ts';
import { limits } from '../../core/limits.ts';
import { route } from '../route.ts';
import { attempt, attemptPage, refusalCounts, verdictOrOpen, whichAttempt } from '../schemas/attempt.ts';
import { closed, listQuery, maybe, shortText, time } from '../schemas/parts.ts';
import { pageTold } from '../told.ts';

const tag = 'attempts';

const list = route({
  id: 'listAttempts',
  method: 'GET',
  path: '/attempts',
  tag,
  summary: 'List provisioning runs, newest first',
  description: 'A page looks through so many attempts at a time: it may be short, or empty, and still have a next one.',
  role: 'viewer',
  query: listQuery({
    device: maybe(shortText('key id or device id')),
    verdict: maybe(verdictOrOpen),
    code: maybe(shortText('code of the refusal: `bind.device-id-taken`, or `bind` for all that begin so')),
    group: maybe(shortText('id or name of the group that it was matched to')),
    since: maybe(time('those that began from then on')),
    text: maybe(shortText('a part of the subject, PSK identity, address, key id or device id, in any case')),
  }),
  answer: attemptPage,
  errors: ['operator.not-found', 'operator.ambiguous', 'operator.input'],
  handle: async ({ query: { cursor: after, limit = limits.api.page, ...filter }, operations }) =>
    pageTold(await operations.attempts(filter, { after, limit })),
});

const get = route({
  id: 'getAttempt',
  method: 'GET',
  path: '/attempts/{attempt}',
  tag,
  summary: 'Show everything that happened in a provisioning run',
  role: 'viewer',
  params: whichAttempt,
  answer: attempt,
  errors: ['operator.not-found', 'operator.ambiguous', 'operator.input'],
  handle: async ({ params, operations }) => ({ body: await operations.attempt(params.attempt) }),
});

const refusals = route({
  id: 'listRefusals',
  method: 'GET',
  path: '/refusals',
  tag,
  summary: 'Count refusals of strangers by hour and reason',
  description: 'Callers that are bound to an owner see none: a stranger is nobody’s.',
  role: 'viewer',
  query: Type.Object({ since: maybe(time('from the hour of this on; default: a day ago')) }, closed),
  answer: refusalCounts,
  errors: [],
  handle: async ({ query, operations, now }) => ({
    body: { items: await operations.refusals(query.since ?? now - hours(24)) },
  }),
});

export const attemptRoutes = [list, get, refusals];
