import type { Stage, Verdict } from '../../store/model.ts';
import { stages, verdicts } from '../api/attempt-words.ts';
import type { LiveEvent } from '../api/event-stream.ts';

/** Where an attempt is: just there, in a stage, or at its end. */
export type Lane = 'arrive' | Stage | Verdict;

const stageLanes: readonly Lane[] = ['arrive', ...stages];

export interface Card {
  readonly attempt: string;
  /** The device as far as it is known: subject, key id, address. */
  readonly name: string;
  readonly lane: Lane;
  /** A stage said no. */
  readonly refused: boolean;
  /** Its cloud said that it arrived: that comes when the attempt has ended. */
  readonly arrived: boolean;
}

export interface LaneView {
  readonly lane: Lane;
  /** There now; `cards` are the newest of them, newest first. */
  readonly total: number;
  readonly cards: readonly Card[];
  /** Attempts that came by since the page was opened. */
  readonly passed: number;
}

export interface Ending {
  readonly attempt: string;
  readonly at: number;
  readonly name: string;
  readonly verdict: Verdict;
  readonly code: string | undefined;
  readonly ms: number | undefined;
}

export interface BoardView {
  readonly lanes: readonly LaneView[];
  /** Newest first. */
  readonly endings: readonly Ending[];
  readonly open: number;
  readonly ended: number;
}

interface Moving {
  card: Card;
  /** When it came into its lane. */
  since: number;
  /** Lanes that it went through faster than one can see. */
  readonly ahead: Lane[];
  /** Lanes that it has been in: a device makes two sessions, and passes some twice. */
  readonly been: Set<Lane>;
}

const bounds = {
  /** Attempts on the board. */
  cards: 1000,
  endings: 100,
  /** How long a card stays in a lane that it has left already, so that one sees it pass, ms. */
  pace: 180,
  /** More than this many under way: nobody can follow single ones, so they are where they are. */
  rush: 60,
  /** A card that is at its end goes after so long: calm, in a rush. */
  ended: { calm: 6000, rush: 1500 },
  /** An attempt of which nothing is heard any more. */
  silent: 10 * 60_000,
} as const;

/** Attempts on their way through the stages, from live events; bounded, whatever comes. Times are ms of one clock. */
export class Board {
  private readonly moving = new Map<string, Moving>();
  private readonly passed = new Map<Lane, number>();
  private endings: Ending[] = [];
  private ended = 0;

  take(events: readonly LiveEvent[], now: number): void {
    for (const { type, at, data } of events) {
      const attempt = textOf(data.attempt);
      if (attempt === undefined) continue;
      if (type === 'attempt.opened') this.move(attempt, 'arrive', now, { name: textOf(data.peer) });
      else if (type === 'attempt.stage') {
        const lane = stageLanes.find((it) => it === data.stage);
        if (lane === 'confirm') this.confirm(attempt, now);
        else if (lane) this.move(attempt, lane, now, { name: nameOf(data), refused: data.result === 'refused' });
      } else if (type === 'attempt.closed') {
        const verdict = verdicts.find((it) => it === data.verdict);
        if (!verdict) continue;
        this.move(attempt, verdict, now, {
          name: nameOf(data),
          refused: verdict === 'refused' || verdict === 'failed',
        });
        const name = this.moving.get(attempt)?.card.name ?? attempt;
        this.end({ attempt, at, name, verdict, code: textOf(data.code), ms: numberOf(data.ms) });
      }
    }
    // The oldest go first: a map keeps the order in which they came.
    for (const attempt of this.moving.keys()) {
      if (this.moving.size <= bounds.cards) break;
      this.moving.delete(attempt);
    }
  }

  /** What ended before the page was opened, newest first. */
  remember(endings: readonly Ending[]): void {
    const known = new Set(this.endings.map(({ attempt }) => attempt));
    this.endings = [...this.endings, ...endings.filter(({ attempt }) => !known.has(attempt))].slice(0, bounds.endings);
  }

  /** Moves on what has been in its lane for long enough. @returns whether anything did */
  step(now: number): boolean {
    let moved = false;
    const rush = this.moving.size > bounds.rush;
    for (const [attempt, it] of this.moving) {
      const age = now - it.since;
      if (it.ahead.length > 0) {
        if (!rush && age < bounds.pace) continue;
        const lane = (rush ? it.ahead.splice(0).at(-1) : it.ahead.shift()) ?? it.card.lane;
        it.card = { ...it.card, lane };
        it.since = now;
        moved = true;
      } else if (age > (isEnd(it.card.lane) ? (rush ? bounds.ended.rush : bounds.ended.calm) : bounds.silent)) {
        this.moving.delete(attempt);
        moved = true;
      }
    }
    return moved;
  }

  /** @param shown cards of one lane at most */
  view(shown: number): BoardView {
    const byLane = new Map<Lane, Moving[]>();
    let open = 0;
    for (const it of this.moving.values()) {
      const { card, ahead } = it;
      const there = byLane.get(card.lane);
      if (there) there.push(it);
      else byLane.set(card.lane, [it]);
      if (!isEnd(card.lane) && !ahead.some(isEnd)) open += 1;
    }
    const lanes = [...stageLanes, ...verdicts].map((lane) => {
      const there = (byLane.get(lane) ?? []).toSorted((a, b) => b.since - a.since);
      const cards = there.slice(0, shown).map(({ card }) => card);
      return { lane, total: there.length, cards, passed: this.passed.get(lane) ?? 0 };
    });
    return { lanes, endings: this.endings, open, ended: this.ended };
  }

  private move(attempt: string, lane: Lane, now: number, facts: { name: string | undefined; refused?: boolean }): void {
    const it = this.moving.get(attempt);
    if (!it?.been.has(lane)) this.pass(lane);
    const name = facts.name ?? it?.card.name ?? attempt.slice(0, 18);
    const refused = facts.refused ?? false;
    if (!it) {
      this.moving.set(attempt, {
        card: { attempt, name, lane, refused, arrived: false },
        since: now,
        ahead: [],
        been: new Set([lane]),
      });
      return;
    }
    it.been.add(lane);
    // A name from the certificate is better than an address.
    it.card = { ...it.card, name, refused: it.card.refused || refused };
    if ((it.ahead.at(-1) ?? it.card.lane) !== lane) it.ahead.push(lane);
  }

  /** Mostly behind the end of the attempt: then the card stays there, with a mark. */
  private confirm(attempt: string, now: number): void {
    const it = this.moving.get(attempt);
    const ended = it === undefined || it.been.has('provisioned') || it.been.has('renewed');
    if (!ended) {
      this.move(attempt, 'confirm', now, { name: undefined });
      return;
    }
    this.pass('confirm');
    if (it) it.card = { ...it.card, arrived: true };
  }

  private pass(lane: Lane): void {
    this.passed.set(lane, (this.passed.get(lane) ?? 0) + 1);
  }

  private end(ending: Ending): void {
    this.ended += 1;
    this.endings = [ending, ...this.endings].slice(0, bounds.endings);
  }
}

/** `CN=sensor-7,O=Maker` is shown as `sensor-7`. */
export function nameOf(data: Readonly<Record<string, unknown>>): string | undefined {
  const subject = textOf(data.subject);
  if (subject !== undefined) return /(?:^|,\s*)CN=([^,]+)/i.exec(subject)?.[1] ?? subject;
  return textOf(data.deviceId) ?? textOf(data.keyId);
}

/** Whether an attempt that is there has ended. */
export const isEnd = (lane: Lane): boolean => verdicts.some((it) => it === lane);

const textOf = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);

const numberOf = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined);
