import { expect, test } from 'vitest';
import { auditFault, auditHash, auditStart } from '../../../src/store/audit.ts';
import type { AuditEntry } from '../../../src/store/model.ts';

const entry = (seq: number, previous: string, changes: Partial<AuditEntry> = {}): AuditEntry => {
  const actor = { kind: 'operator', name: 'kim', from: 'host' } as const;
  const line = { seq, at: 1, actor, action: 'a', target: 't', detail: { b: 1, a: [true, null] }, previous, ...changes };
  return { ...line, hash: auditHash(line) };
};
const first = entry(1, auditStart.hash);
const second = entry(2, first.hash);

test('the hash is that of the canonical JSON, so that others can check it', () => {
  // printf '%s' '{"action":"a",...}' | sha256sum

  expect(first.hash).toBe('6ca96a640dc7d4a882654fba78921571f3b34556f64190259034c8466066c7c1');
});

test('the order in which the fields are written does not count, and what JSON leaves out neither', () => {
  const { detail, actor, ...others } = first;
  const shuffled = {
    detail: { a: [true, null], b: 1 },
    actor: { from: 'host', name: 'kim', kind: 'operator' },
    ...others,
  };
  expect(auditHash(shuffled as AuditEntry)).toBe(first.hash);
});

test('an untouched chain has no fault', () => {
  expect(auditFault(auditStart, first)).toBeUndefined();
  expect(auditFault(first, second)).toBeUndefined();
});

test.each([
  ['at', { at: 2 }],
  ['actor', { actor: { kind: 'operator', name: 'sam', from: 'host' } }],
  ['action', { action: 'b' }],
  ['target', { target: 'u' }],
  ['detail', { detail: { b: 1, a: [true, false] } }],
] as const)('a line whose %s was changed is found', (_, change) => {
  expect(auditFault(auditStart, { ...first, ...change })).toMatchObject({ fault: 'content', found: first.hash });
});

test('a line that was changed and hashed again no longer carries the next one', () => {
  const forged = entry(1, auditStart.hash, { action: 'b' });
  expect(auditFault(auditStart, forged)).toBeUndefined();
  expect(auditFault(forged, second)).toEqual({ fault: 'link', expected: forged.hash, found: first.hash });
});

test('a line that was taken out leaves a gap', () => {
  expect(auditFault(auditStart, second)).toEqual({ fault: 'sequence', expected: 1, found: 2 });
});
