import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { days, hours } from '../../../src/core/clock.ts';
import { issuedCounts } from '../../../src/operator/ca-credentials.ts';
import type { Store } from '../../../src/store/store.ts';
import { type OperatorBench, openOperatorBench } from '../../support/operator-bench.ts';
import { someCredential, startOfRecords } from '../../support/store-records.ts';

const midnight = Math.ceil(startOfRecords / days(1)) * days(1);
const noon = midnight + hours(12);

describe('the number of certificates that an authority has issued', () => {
  let bench: OperatorBench;
  beforeEach(async () => {
    bench = await openOperatorBench();
  });
  afterEach(() => bench.close());

  const issue = (serial: string, notAfter: number, issuerKeyId: string, isRevoked = false) =>
    bench.store.addCredential(
      someCredential(serial, {
        notAfter,
        issuerKeyId,
        revoked: isRevoked ? { at: 1, reason: 'superseded' } : undefined,
      }),
    );

  it('is of those that have not expired: the live ones to the moment, the revoked ones to the day', async () => {
    await issue('a0', midnight - 1, 'aa');
    await issue('a1', noon, 'aa');
    await issue('a2', noon + 1, 'aa');
    await issue('a3', midnight + days(1), 'aa');
    await issue('a4', midnight + days(400), 'aa');
    await issue('b0', midnight - 1, 'bb', true);
    await issue('b1', noon, 'bb', true);
    await issue('b2', midnight + days(9), 'bb', true);
    expect(await issuedCounts(bench.store, noon)).toEqual(
      new Map([
        ['aa', { live: 3, revoked: 0 }],
        ['bb', { live: 0, revoked: 2 }],
      ]),
    );
  });

  it('is read off counts, however many there are', async () => {
    const later = Array.from({ length: 600 }, (_, n) => issue(`c${n}`, midnight + days(2) + n, 'cc', n % 2 === 0));
    await Promise.all(later);
    let rows = 0;
    const counted =
      <A extends readonly unknown[], R extends readonly unknown[]>(read: (...args: A) => Promise<R>) =>
      async (...args: A): Promise<R> => {
        const found = await read(...args);
        rows += found.length;
        return found;
      };
    const store: Pick<Store, 'expiryCounts' | 'credentialsByEnd'> = {
      expiryCounts: counted((range) => bench.store.expiryCounts(range)),
      credentialsByEnd: counted((page) => bench.store.credentialsByEnd(page)),
    };
    expect(await issuedCounts(store, noon)).toEqual(new Map([['cc', { live: 300, revoked: 300 }]]));
    expect(rows).toBe(2);
  });
});
