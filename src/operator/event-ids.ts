/** Where an event stands: in which epoch (start of the service), and its number there, from 1 without gaps; 0: before the first. */
export interface EventPlace {
  readonly epoch: number;
  readonly n: number;
}

export const eventId = ({ epoch, n }: EventPlace): string => `${epoch}-${n}`;

/** The place that an id names, or undefined when it is none. */
export function parseEventId(id: string): EventPlace | undefined {
  const [, epoch, n] = /^(\d{1,15})-(\d{1,15})$/.exec(id) ?? [];
  return epoch === undefined || n === undefined ? undefined : { epoch: Number(epoch), n: Number(n) };
}

/** Whether `b` is told after `a`. */
export const isAfter = (a: EventPlace, b: EventPlace): boolean =>
  b.epoch > a.epoch || (b.epoch === a.epoch && b.n > a.n);

/** Whether nothing can have been between the two: the next number, or the first one after a start. */
export const follows = (a: EventPlace, b: EventPlace): boolean =>
  b.epoch === a.epoch ? b.n === a.n + 1 : b.epoch > a.epoch && b.n === 1;
