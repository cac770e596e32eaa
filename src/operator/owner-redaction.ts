import type { Refusal } from '../core/errors.ts';
import type { AttemptEntry, AttemptSummary } from '../store/model.ts';

/** Why something was refused may be somebody else's group or device: that it is, is all that is told. */

/** Whether a fact names what is, or may have been, somebody else's. */
export type IsForeign = (name: string, value: string | number | boolean) => Promise<boolean>;

export const redactedAll = (rows: readonly AttemptSummary[], isForeign: IsForeign): Promise<AttemptSummary[]> =>
  Promise.all(
    rows.map(async (row) => (row.refusal ? { ...row, refusal: await redactedRefusal(row.refusal, isForeign) } : row)),
  );

export async function redactedEntry(entry: AttemptEntry, isForeign: IsForeign): Promise<AttemptEntry> {
  if (!('refusal' in entry) || entry.refusal === undefined) return entry;
  return { ...entry, refusal: await redactedRefusal(entry.refusal, isForeign) };
}

async function redactedRefusal({ code, evidence, fix }: Refusal, isForeign: IsForeign): Promise<Refusal> {
  const entries = await Promise.all(
    Object.entries(evidence).map(async ([name, value]) => ({ name, value, foreign: await isForeign(name, value) })),
  );
  const hidden = entries.filter(({ foreign }) => foreign);
  if (hidden.length === 0) return { code, evidence, fix };
  const told = entries.map(({ name, value, foreign }) => [name, foreign ? 'not told' : value] as const);
  const tells = hidden.some(({ value }) => fix.includes(String(value)));
  return { code, evidence: Object.fromEntries(told), fix: tells ? 'ask who runs the service' : fix };
}
