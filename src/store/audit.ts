import { hash } from 'node:crypto';
import type { AuditEntry } from './model.ts';

/** In front of the first line. */
export const auditStart: AuditLink = { seq: 0, hash: '0'.repeat(64) };

/** What the next line of the audit log hangs on. */
export type AuditLink = Pick<AuditEntry, 'seq' | 'hash'>;

/**
 * Hash of one line: SHA-256, lower-case hex, of its canonical JSON (RFC 8785: names sorted, no blanks) without the hash
 * itself. As `previous` is part of it, no line can be changed, taken out or put in without every later one changing.
 */
export function auditHash({ seq, at, actor, action, target, detail, previous }: Omit<AuditEntry, 'hash'>): string {
  const { kind, name, from } = actor;
  return hash('sha256', canonical({ seq, at, actor: { kind, name, from }, action, target, detail, previous }), 'hex');
}

/** What is wrong with `line` where it stands, and what would be right; undefined when it fits. */
export type AuditFault =
  | { readonly fault: 'sequence'; readonly expected: number; readonly found: number }
  | { readonly fault: 'link' | 'content'; readonly expected: string; readonly found: string };

/** Checks one line against the one before it (`auditStart` before the first). */
export function auditFault(before: AuditLink, line: AuditEntry): AuditFault | undefined {
  if (line.seq !== before.seq + 1) return { fault: 'sequence', expected: before.seq + 1, found: line.seq };
  if (line.previous !== before.hash) return { fault: 'link', expected: before.hash, found: line.previous };
  const expected = auditHash(line);
  return line.hash === expected ? undefined : { fault: 'content', expected, found: line.hash };
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  members.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join(',')}}`;
}
