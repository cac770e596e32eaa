import Type from 'typebox';
import { limits } from '../../core/limits.ts';
import type { EventHistory } from '../../operator/event-history.ts';
import { eventTypePattern, type StoredEvent } from '../../store/model.ts';
import { flag, jsonObject, listOf, maybe, resource, text, time, uuid } from './parts.ts';

export const event = resource<StoredEvent>('Event', 'Something that happened (docs/events.md).', {
  id: text('`<epoch>-<number>`: the epoch counts the starts of the service, numbers have no gaps'),
  at: time('when'),
  type: text('`attempt.closed`, `device.pending`, or the action of a line of the audit log: `device.approve`'),
  ownerId: maybe(uuid('whose it is; missing: it is told only to those who see everything')),
  data: jsonObject('what there is to say about it, by type'),
});

export const eventIdPattern = '^[0-9]{1,14}-[0-9]{1,14}$';
export const eventId = (description: string) => Type.String({ pattern: eventIdPattern, description });

export const eventTypes = Type.Array(
  Type.String({
    minLength: 1,
    maxLength: limits.events.typeCharacters,
    pattern: eventTypePattern,
  }),
  {
    maxItems: limits.events.types,
    description: '`attempt.closed`, or `attempt` for all that begin so; none: all',
  },
);

export const eventHistory = resource<EventHistory>('EventHistory', 'Events, oldest or newest first.', {
  items: listOf<StoredEvent>(event, 'a page may be short, or empty, and have a next one'),
  next: Type.Union([Type.String(), Type.Null()], {
    description: '`after` of the next page, or `before` when the newest come first; null: there is no more for now',
  }),
  last: text('up to here everything was looked at: come back later with it as `after`'),
  lost: flag('some of what was asked for is kept no more'),
});
