import Type from 'typebox';
import { failure } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { newestEvents, eventHistory as readHistory } from '../../operator/event-history.ts';
import type { EventHub } from '../../operator/event-hub.ts';
import { withoutAudit } from '../../operator/event-told.ts';
import type { StoredEvent } from '../../store/model.ts';
import { EventStream } from '../event-stream.ts';
import { isInsider } from '../roles.ts';
import { type Principal, route } from '../route.ts';
import { eventHistory, eventId, eventIdPattern, eventTypes } from '../schemas/event.ts';
import { closed, flag, maybe } from '../schemas/parts.ts';
import type { ApiService } from '../service.ts';

const tag = 'events';
const types = maybe(eventTypes);

const follow = route({
  id: 'followEvents',
  method: 'GET',
  path: '/events',
  tag,
  summary: 'Follow what happens, as server-sent events',
  description:
    'Begins behind `after`, or behind the Last-Event-ID header, which wins; with neither, with what happens from now on. ' +
    'When that event is kept no more, the first event is `lost`, with the oldest one that is. A reader that falls too far ' +
    'behind is let go: it comes back with Last-Event-ID.',
  role: 'viewer',
  query: Type.Object({ after: maybe(eventId('id of an event')), types }, closed),
  produces: 'text/event-stream',
  errors: ['api.too-many'],
  handle: async ({ query, lastEventId, principal, service, gone }) => {
    const hub = eventsOf(service);
    const after = lastEventId || query.after;
    requireEventId(after);
    requirePlace(hub, principal);
    let stream: EventStream | undefined;
    const reader = hub.since(after, {
      ownerId: principal.ownerId,
      types: query.types,
      by: principal.id,
      // Nothing more can be said to who does not read.
      onEnd: (why) => why === 'slow' && stream?.destroy(),
    });
    stream = new EventStream(reader, { timers: service.timers, gone, told: (event) => toldTo(principal, event) });
    return { body: stream, headers: { 'cache-control': 'no-store', 'x-accel-buffering': 'no' } };
  },
});

const history = route({
  id: 'listEvents',
  method: 'GET',
  path: '/events/history',
  tag,
  summary: 'List events that are kept, oldest or newest first',
  description:
    'Oldest first, behind `after`; or, with `newest` or `before`, newest first. So much is looked through for one answer that a ' +
    'page may be short, or empty, and have a next one.',
  role: 'viewer',
  query: Type.Object(
    {
      after: maybe(eventId('id of an event, exclusive; missing: from the oldest that is kept')),
      before: maybe(eventId('id of an event, exclusive: those in front of it, newest first; not with `after`')),
      newest: maybe(flag('newest first; not with `after`')),
      types,
      limit: maybe(Type.Integer({ minimum: 1, maximum: limits.api.listed, default: limits.api.page })),
    },
    closed,
  ),
  answer: eventHistory,
  errors: [],
  handle: async ({ query, principal, service }) => {
    const { after, before, types: wished, limit = limits.api.page } = query;
    const newestFirst = query.newest === true || before !== undefined;
    if (after !== undefined && newestFirst) {
      throw failure('request.malformed', { at: 'query.after' }, 'leave it out, or `newest` and `before`');
    }
    const wishes = { ownerId: principal.ownerId, types: wished };
    const hub = eventsOf(service);
    const { items, ...rest } = await (newestFirst
      ? newestEvents(hub, wishes, { before, limit })
      : readHistory(hub, wishes, { after, limit }));
    return { body: { items: items.map((event) => toldTo(principal, event)), ...rest } };
  },
});

export const eventRoutes = [follow, history];

/** One principal must not take the places of all. */
function requirePlace(hub: EventHub, { id }: Principal): void {
  const { eventStreams: most, eventStreamsEach: each } = limits.api;
  const [all, own] = [hub.streams(), hub.streams(id)];
  if (own >= each) throw failure('api.too-many', { streams: own }, `close some of your ${each} live streams`);
  if (all >= most) throw failure('api.too-many', { streams: all }, `close some of the ${most} live streams`);
}

/** The audit log is for admins who see everything. */
const toldTo = (principal: Principal, event: StoredEvent): StoredEvent =>
  isInsider(principal) ? event : withoutAudit(event);

function eventsOf({ events }: ApiService): EventHub {
  if (events) return events;
  throw failure('service.busy', {}, 'the service is starting');
}

function requireEventId(id: string | undefined): void {
  if (id === undefined || new RegExp(eventIdPattern).test(id)) return;
  throw failure('request.malformed', { at: 'header.last-event-id' }, 'send the id of an event');
}
