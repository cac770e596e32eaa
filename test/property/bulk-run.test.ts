import fc from 'fast-check';
import { expect, it } from 'vitest';
import { BulkRun, oneByOne } from '../../src/web/api/bulk-run.ts';

const most = 23;

it('everything is done or refused once, in spite of pages and answers that do not come, and of those who stop it', async () => {
  const faults = fc.infiniteStream(fc.constantFrom('fine', 'fine', 'fine', 'refused', 'fails', 'stops'));
  await fc.assert(
    fc.asyncProperty(fc.nat(30), fc.integer({ min: 1, max: 7 }), faults, async (count, size, stream) => {
      const luck = (): string => String(stream.next().value);
      const fetchPage = async (cursor: string | undefined) => {
        await Promise.resolve();
        if (luck() === 'fails') throw new Error('no page');
        const from = Number(cursor ?? 0);
        const to = Math.min(count, from + size);
        return { items: Array.from({ length: to - from }, (_, k) => from + k), next: to < count ? String(to) : null };
      };
      const worked: number[] = [];
      const run = new BulkRun<number>({
        next: oneByOne(fetchPage, new AbortController().signal, most),
        work: async (each) => {
          const what = luck();
          await Promise.resolve();
          if (what === 'fails') throw new Error('no answer');
          if (what === 'stops') run.stop();
          worked.push(each);
          return what === 'refused' ? { refused: `reason ${each % 3}` } : { effects: [`${each}`] };
        },
        changed: () => undefined,
        waits: [],
      });
      for (let rounds = 0; run.state !== 'finished' && rounds < 500; rounds++) await run.go();
      expect(run.state).toBe('finished');
      const all = Array.from({ length: Math.min(count, most) }, (_, k) => k);
      expect(worked.toSorted((a, b) => a - b)).toEqual(all);
      expect(run.looked).toBe(all.length);
      expect(run.refusals.reduce((sum, refusal) => sum + refusal.count, 0)).toBe(run.refused);
      expect(run.lines).toBe(run.done.length);
    }),
    { seed: 20260103, numRuns: 300 },
  );
});
