import type { Millis } from '../core/clock.ts';
import type { Refusal } from '../core/errors.ts';
import { nilUuid, type Uuid, uuidV7Time } from '../core/ids.ts';
import { keys, lastPart, under } from './medium.ts';
import type { AttemptEntry, AttemptSummary, Verdict } from './model.ts';
import { parse, type Rows } from './rows.ts';
import type { AttemptFacet, Store } from './store.ts';

/** The small rows beside the pieces of an attempt, and the indexes over those that are closed. */
export interface OpenedRow {
  readonly at: Millis;
}

export interface ClosedRow {
  readonly at: Millis;
  readonly verdict: Verdict;
  readonly refusal?: Refusal;
  readonly groupId?: Uuid;
  readonly ownerId?: Uuid;
}

/** UUIDv7 carries its time: the fallback when the first append has no entry. */
export const openedRow = (id: Uuid, first: AttemptEntry | undefined): OpenedRow => ({
  at: first?.at ?? uuidV7Time(id),
});

export const closedRow = (entry: Extract<AttemptEntry, { type: 'closed' }>): ClosedRow => {
  const { at, verdict, refusal, groupId, ownerId } = entry;
  return {
    at,
    verdict,
    ...(refusal && { refusal }),
    ...(groupId !== undefined && { groupId }),
    ...(ownerId !== undefined && { ownerId }),
  };
};

/** Under which keys the indexes have a closed attempt. */
export function attemptIndexKeys(id: Uuid, { verdict, refusal, groupId, ownerId }: ClosedRow): readonly string[] {
  const values: Readonly<Record<AttemptFacet, string | undefined>> = {
    verdict,
    code: refusal?.code,
    group: groupId,
    owner: ownerId,
  };
  return Object.entries(values).flatMap(([facet, value]) =>
    value === undefined ? [] : [keys.attemptBy(facet, value, id)],
  );
}

/** Closed attempts by an index, newest first, `before` exclusive. */
export function attemptsBy(
  rows: Rows,
  { by, value, before, limit }: Parameters<Store['attemptsBy']>[0],
): Promise<readonly AttemptSummary[]> {
  const all = under(`attempt-by!${by}!${value}`);
  const range = { after: all.after, before: before === undefined ? all.before : keys.attemptBy(by, value, before) };
  return rows.named({ ...range, reverse: true, limit }, (key) => summary(lastPart(key), (row) => rows.written(row)));
}

/** @returns undefined when the attempt is being removed */
export function summary(id: Uuid, read: (key: string) => string | undefined): AttemptSummary | undefined {
  const opened = parse<OpenedRow>(read(keys.attemptOpened(id)));
  const filed = read(keys.attemptFiled(id));
  if (!opened || filed === undefined) return undefined;
  const closed = parse<ClosedRow>(read(keys.attemptClosed(id)));
  return {
    id,
    keyId: filed === nilUuid ? undefined : filed,
    openedAt: opened.at,
    closedAt: closed?.at,
    verdict: closed?.verdict,
    refusal: closed?.refusal,
    groupId: closed?.groupId,
    ownerId: closed?.ownerId,
  };
}
