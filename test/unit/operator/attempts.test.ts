import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { encodePem } from '../../../src/codec/pem.ts';
import { days } from '../../../src/core/clock.ts';
import { limits } from '../../../src/core/limits.ts';
import { systemRandom } from '../../../src/core/random.ts';
import { findAttempt, listAttempts } from '../../../src/operator/attempts.ts';
import { createRoot } from '../../../src/pki/authority.ts';
import { manufacturerKeyId } from '../../../src/pki/public-key.ts';
import type { AttemptEntry } from '../../../src/store/model.ts';
import { type OperatorBench, openOperatorBench } from '../../support/operator-bench.ts';
import { attemptId, closed, opened, someUuid, startOfRecords } from '../../support/store-records.ts';

const { certificate } = createRoot('device-0007', { now: startOfRecords, random: systemRandom, name: 'Acme' });
const chain: AttemptEntry = {
  at: startOfRecords,
  type: 'chain',
  certificates: [encodePem('CERTIFICATE', certificate.der)],
};
const unknownPsk: AttemptEntry = {
  at: startOfRecords,
  type: 'stage',
  stage: 'attest',
  result: 'refused',
  facts: { identity: 'Batch-9' },
};
const bound: AttemptEntry = {
  at: startOfRecords,
  type: 'stage',
  stage: 'bind',
  result: 'refused',
  facts: { deviceId: someUuid(77) },
};

describe('attempts', () => {
  let bench: OperatorBench;
  beforeEach(async () => {
    bench = await openOperatorBench();
  });
  afterEach(() => bench.close());

  const put = (step: number, ...entries: readonly AttemptEntry[]) =>
    bench.store.appendAttempt(attemptId(step), [
      opened(startOfRecords + step),
      ...entries,
      closed(startOfRecords + step),
    ]);
  const all = { limit: 10 };

  it('are found by what a stranger said of itself: subject, key, PSK identity, device id, address; in any case', async () => {
    await put(1, chain, bound);
    await put(2, unknownPsk);
    await put(3);
    const found = async (text: string) => (await listAttempts(bench.store, { text }, all)).rows.map(({ id }) => id);
    const keyId = manufacturerKeyId(certificate.spki);
    for (const text of ['DEVICE-0007', 'acme', keyId, keyId.slice(0, 8), someUuid(77).toUpperCase()]) {
      expect(await found(text)).toEqual([attemptId(1)]);
    }
    expect(await found('batch-9')).toEqual([attemptId(2)]);
    expect(await found('192.0.2.1')).toEqual([attemptId(3), attemptId(2), attemptId(1)]);
    expect(await found('nobody')).toEqual([]);
    const { rows } = await listAttempts(bench.store, {}, all);
    expect(rows.map(({ peer }) => peer)).toEqual([
      expect.objectContaining({ subject: undefined, pskIdentity: undefined, keyId: undefined }),
      expect.objectContaining({ subject: undefined, pskIdentity: 'Batch-9' }),
      expect.objectContaining({ subject: certificate.subject.text, keyId, deviceId: someUuid(77) }),
    ]);
  });

  it('are listed with a certificate that cannot be read', async () => {
    await put(1, { at: startOfRecords, type: 'chain', certificates: ['no PEM', ''] });
    expect((await listAttempts(bench.store, {}, all)).rows).toMatchObject([{ peer: { subject: undefined } }]);
  });

  it('come in pages that end, and go on where they ended', async () => {
    for (let step = 1; step <= 5; step++) await put(step, ...(step % 2 === 1 ? [chain] : []));
    const first = await listAttempts(bench.store, { text: 'acme' }, { limit: 2 });
    expect(first.rows.map(({ id }) => id)).toEqual([attemptId(5), attemptId(3)]);
    const second = await listAttempts(bench.store, { text: 'acme' }, { limit: 2, before: first.next ?? '' });
    expect(second.rows.map(({ id }) => id)).toEqual([attemptId(1)]);
    expect(second.next).toBeUndefined();
  });

  it('are looked through a bounded number at a time, when nothing fits', async () => {
    const count = limits.operator.rowsSearched + 1;
    for (let step = 1; step <= count; step++) await bench.store.appendAttempt(attemptId(step), [opened(step)]);
    const page = await listAttempts(bench.store, { text: 'nobody' }, all);
    expect(page).toEqual({ rows: [], next: attemptId(2) });
    expect(await listAttempts(bench.store, { text: 'nobody' }, { ...all, before: attemptId(2) })).toEqual({
      rows: [],
      next: undefined,
    });
  });

  it('are named by the beginning of an id; one that fits many names some, and says how many more', async () => {
    for (let step = 0; step < 8; step++) await put(step);
    await put(days(1));
    const beginning = attemptId(0).slice(0, 8);
    expect((await findAttempt(bench.store, attemptId(days(1)).slice(0, 13))).id).toBe(attemptId(days(1)));
    const some = [7, 6, 5, 4, 3].map(attemptId).join(', ');
    await expect(findAttempt(bench.store, beginning)).rejects.toMatchObject({
      code: 'operator.ambiguous',
      fix: `write more of the id: ${some} and 3 more`,
    });
  });
});
