import { parseUuid, type Uuid } from '../core/ids.ts';
import type { Attempt, AttemptSummary } from '../store/model.ts';
import type { AttemptFacet, Store } from '../store/store.ts';
import { pages, quickest, step } from './owner-pages.ts';
import { type IsForeign, redactedAll, redactedEntry } from './owner-redaction.ts';
import type { OwnerScope } from './owner-scope.ts';

/** The attempts of an owner's devices (owner-view.ts), without what their refusals say of others. */
export function ownAttempts(scope: OwnerScope): Pick<Store, 'attempt' | 'attempts' | 'attemptsBy'> {
  const { whole, ownerId } = scope;
  const isForeign = foreignTo(scope);
  return {
    attempt: async (id) => {
      const attempt = await whole.attempt(id);
      if (!attempt || !(await ownsAttempt(scope, await summaryOf(whole, attempt)))) return undefined;
      return {
        ...attempt,
        entries: await Promise.all(attempt.entries.map((entry) => redactedEntry(entry, isForeign))),
      };
    },
    attempts: async (page) =>
      redactedAll(await (page.keyId === undefined ? all(scope, page) : ofDevice(scope, page.keyId, page)), isForeign),
    attemptsBy: async (page) => {
      const { by, value, before, limit } = page;
      if (by === 'owner') return value === ownerId ? redactedAll(await whole.attemptsBy(page), isForeign) : [];
      const read = (facet: AttemptFacet, wanted: string) => (behind: { readonly after?: string }) => {
        const from = behind.after ?? before;
        return whole.attemptsBy({
          by: facet,
          value: wanted,
          ...(from !== undefined && { before: from }),
          limit: step,
        });
      };
      const found = await quickest(limit, [
        pages(read(by, value), idOf, (row) => row.ownerId === ownerId),
        pages(read('owner', ownerId), idOf, (row) => facets[by](row) === value),
      ]);
      return redactedAll(found, isForeign);
    },
  };
}

type Page = Parameters<Store['attempts']>[0];

/** Those that the index has under the owner, and of the newest ones also those that are still open. */
async function all(scope: OwnerScope, { before, limit }: Page): Promise<readonly AttemptSummary[]> {
  const { whole, ownerId } = scope;
  const from = before === undefined ? {} : { before };
  const closed = await whole.attemptsBy({ by: 'owner', value: ownerId, ...from, limit });
  const open: AttemptSummary[] = [];
  for (const row of await whole.attempts({ limit: step })) {
    const behind = before === undefined || row.id < before;
    if (behind && row.ownerId === undefined && (await ownsAttempt(scope, row))) open.push(row);
  }
  return [...closed, ...open].toSorted((a, b) => (a.id < b.id ? 1 : -1)).slice(0, limit);
}

async function ofDevice(scope: OwnerScope, keyId: Uuid, { before, limit }: Page): Promise<readonly AttemptSummary[]> {
  if (!(await scope.device(keyId))) return [];
  const read = (behind: { readonly after?: string }) => {
    const from = behind.after ?? before;
    return scope.whole.attempts({ keyId, ...(from !== undefined && { before: from }), limit: step });
  };
  return quickest(limit, [pages(read, idOf, (row) => ownsAttempt(scope, row))]);
}

/** A device may have had another owner when it came. */
async function ownsAttempt(
  scope: OwnerScope,
  { ownerId, keyId }: Pick<AttemptSummary, 'ownerId' | 'keyId'>,
): Promise<boolean> {
  if (ownerId !== undefined) return ownerId === scope.ownerId;
  return keyId !== undefined && (await scope.device(keyId)) !== undefined;
}

async function summaryOf(whole: Store, { id, entries }: Attempt): Promise<Pick<AttemptSummary, 'ownerId' | 'keyId'>> {
  const closed = entries.findLast((entry) => entry.type === 'closed');
  if (closed?.ownerId !== undefined) return { ownerId: closed.ownerId, keyId: undefined };
  const [summary] = await whole.attempts({ before: behindId(id), limit: 1 });
  return { ownerId: undefined, keyId: summary?.id === id ? summary.keyId : undefined };
}

const foreignTo =
  (scope: OwnerScope): IsForeign =>
  async (name, value) => {
    if (typeof value !== 'string') return false;
    const id = parseUuid(value);
    const device = id === undefined ? undefined : await scope.whole.device(id);
    if (device !== undefined) return !scope.owns(device);
    if (!naming.has(name)) return false;
    const rows = [...(await scope.groups.list()), ...(await scope.hubs.list())];
    return !rows.some((row) => row.id === value || row.name === value) && value !== scope.ownerId;
  };

/** Facts that name a group, a hub, an owner or a device: one that is gone may have been somebody else's. */
const naming = new Set(['group', 'groupId', 'nearestGroup', 'hub', 'owner', 'holder', 'device']);

const idOf = ({ id }: { readonly id: string }): string => id;

const facets = {
  verdict: (row: AttemptSummary) => row.verdict,
  code: (row: AttemptSummary) => row.refusal?.code,
  group: (row: AttemptSummary) => row.groupId,
} as const;

/** Just behind an id in the order of time. */
const behindId = (id: Uuid): string => `${id}~`;
