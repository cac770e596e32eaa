import Type from 'typebox';
import { days } from '../../core/clock.ts';
import { limits } from '../../core/limits.ts';
import { viewStatistics } from '../../operator/statistics-view.ts';
import { route } from '../route.ts';
import { closed, maybe, time } from '../schemas/parts.ts';
import { statistics } from '../schemas/statistics.ts';

const slot = limits.store.statisticsSlot;

const get = route({
  id: 'getStatistics',
  method: 'GET',
  path: '/statistics',
  tag: 'overview',
  summary: 'Count what ended, by slots of time',
  description: `At most ${limits.statistics.answered} slots. What ended in the last seconds may not be counted yet.`,
  role: 'viewer',
  query: Type.Object(
    {
      since: maybe(time('from then on; default: a day before `until`')),
      until: maybe(time('before that; default: now')),
      step: maybe(
        Type.Integer({ minimum: slot, multipleOf: slot, default: slot, description: 'length of a slot, ms' }),
      ),
    },
    closed,
  ),
  answer: statistics,
  errors: ['operator.input'],
  handle: async ({ query: { until, since, step = slot }, store, principal, now }) => {
    const end = until ?? now + 1;
    const question = { since: since ?? end - days(1), until: end, step, ownerId: principal.ownerId };
    return { body: await viewStatistics(store, question) };
  },
});

export const statisticsRoutes = [get];
