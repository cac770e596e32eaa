import type { Millis } from '../core/clock.ts';
import { FirstbootError, failure } from '../core/errors.ts';
import { type AuditFault, type AuditLink, auditFault, auditStart } from '../store/audit.ts';
import type { AuditEntry } from '../store/model.ts';
import type { Store } from '../store/store.ts';
import { everyAuditLine, everyAuditLineBackwards, listOf, type Page } from './scan.ts';

export interface AuditFilter {
  /** `device.approve`, or `device` for everything that was done to devices. */
  readonly action?: string | undefined;
  /** A part of the target, or of the id of one of the devices that the line is about: an id. */
  readonly target?: string | undefined;
  /** Name of who did it. */
  readonly actor?: string | undefined;
  /** Inclusive. */
  readonly since?: Millis | undefined;
  /** Exclusive. */
  readonly until?: Millis | undefined;
}

/** Lines of the audit log, oldest or newest first; `next` is where the next page begins (`after`, a seq). */
export function listAudit(
  store: Store,
  { action, target, actor, since, until }: AuditFilter,
  { after, limit, newest = false }: AuditPage,
): Promise<Page<AuditEntry, string>> {
  const from = lineNumber(after);
  return listOf(newest ? everyAuditLineBackwards(store, from) : everyAuditLine(store, from), {
    fits: (line) =>
      (action === undefined || line.action === action || line.action.startsWith(`${action}.`)) &&
      (target === undefined || isAbout(line, target)) &&
      (actor === undefined || line.actor.name === actor) &&
      (since === undefined || line.at >= since) &&
      (until === undefined || line.at < until),
    most: limit,
    position: ({ seq }) => String(seq),
  });
}

/** A line for a lot of devices names them in its detail. */
const isAbout = ({ target, detail: { devices } }: AuditEntry, part: string): boolean =>
  target.includes(part) ||
  (Array.isArray(devices) && devices.some((id) => typeof id === 'string' && `device ${id}`.includes(part)));

export interface AuditPage {
  /** `next` of the page before. */
  readonly after?: string | undefined;
  readonly limit: number;
  readonly newest?: boolean | undefined;
}

/** @throws FirstbootError operator.input */
function lineNumber(after: string | undefined): number | undefined {
  if (after === undefined) return undefined;
  if (/^\d{1,15}$/.test(after)) return Number(after);
  throw failure('operator.input', { field: 'cursor' }, 'give what the page before said comes next');
}

/** Whether the log is whole, and if not, the first line that does not fit and why. */
export type AuditVerdict =
  | { readonly ok: true; readonly lines: number; readonly head: string }
  | { readonly ok: false; readonly seq: number; readonly problem: AuditProblem };

/** tail: the log ends before the line that was written last. head: no line has the hash that was noted elsewhere. */
export type AuditProblem =
  | AuditFault
  | { readonly fault: 'tail'; readonly expected: number; readonly found: number }
  | { readonly fault: 'head'; readonly expected: string; readonly found: string };

/**
 * Goes through the whole log: numbers without gaps, each line's hash over itself and the line before, and its end is the line
 * that was written last. Whoever has the store can write all of it anew: who has kept the hash of a line elsewhere gives it
 * as `head`, and it has to be the hash of one of the lines.
 * @param head SHA-256, hex
 */
export async function verifyAudit(
  store: Store,
  { head }: { readonly head?: string | undefined } = {},
): Promise<AuditVerdict> {
  const expected = head?.toLowerCase();
  let before: AuditLink = auditStart;
  let headSeen = expected === undefined || expected === auditStart.hash;
  for await (const line of everyAuditLine(store)) {
    const problem = auditFault(before, line);
    if (problem) return { ok: false, seq: line.seq, problem };
    headSeen ||= line.hash === expected;
    before = line;
  }
  const last = await lastWritten(store);
  if (last > before.seq) {
    return { ok: false, seq: before.seq + 1, problem: { fault: 'tail', expected: last, found: before.seq } };
  }
  if (expected !== undefined && !headSeen) {
    return { ok: false, seq: before.seq, problem: { fault: 'head', expected, found: before.hash } };
  }
  return { ok: true, lines: before.seq, head: before.hash };
}

/** The number of the line that was written last, also when that line is gone. */
async function lastWritten(store: Store): Promise<number> {
  try {
    return (await store.auditHead())?.seq ?? 0;
  } catch (error) {
    const lost = error instanceof FirstbootError && error.code === 'operator.audit' ? error.evidence.seq : undefined;
    if (typeof lost === 'number') return lost;
    throw error;
  }
}
