import { days, type Millis } from '../core/clock.ts';

/** One field that changes, in words; texts, numbers and flags are shown, the inside of anything larger is not (it may be secret). */
export interface Difference {
  readonly field: string;
  readonly text: string;
}

/**
 * What changes from `before` to `after`, field by field, but for how often they were written, and by whom a URL that differs. A
 * field that is undefined is one that is missing.
 */
export function differences(before: object, after: object): readonly Difference[] {
  return fieldsBetween(before, after).filter(({ field }) => field !== 'revision' && field !== 'ownersUrls');
}

function fieldsBetween(before: object, after: object, shown: ReadonlySet<string> = open): readonly Difference[] {
  const [left, right] = [
    new Map<string, unknown>(Object.entries(before)),
    new Map<string, unknown>(Object.entries(after)),
  ];
  const fields = [...new Set([...left.keys(), ...right.keys()])];
  return fields.flatMap((field) => {
    const [was, is] = [left.get(field), right.get(field)];
    if (same(was, is)) return [];
    if (field === 'certificate' && isTerms(was) && isTerms(is)) {
      const inner = fieldsBetween(inDays(was), inDays(is), terms).map(({ text }) => text);
      return [{ field, text: `${field} ${inner.join(', ')}` }];
    }
    const text = shown.has(field) && plain(was) && plain(is) ? `${field} ${was} -> ${is}` : `${field} changes`;
    return [{ field, text }];
  });
}

/** Fields whose values may be shown; all others could hold a key. */
const open = new Set(['name', 'enabled', 'source', 'admission', 'reprovisioning', 'clones', 'provider']);

/** What a group's certificates are issued by. */
interface Terms {
  readonly life: Millis;
}

const terms = new Set(['days']);

const isTerms = (value: unknown): value is Terms =>
  typeof value === 'object' && value !== null && 'life' in value && typeof value.life === 'number';

const inDays = ({ life, ...more }: Terms): object => ({ ...more, days: life / days(1) });

const plain = (value: unknown): value is string | number | boolean =>
  typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';

function same(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  return fieldsBetween(a, b).length === 0;
}
