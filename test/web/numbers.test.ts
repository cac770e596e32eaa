import { describe, expect, it } from 'vitest';
import { limits } from '../../src/core/limits.ts';
import type { Statistics } from '../../src/store/model.ts';
import { layersOf, quantile, timesOf } from '../../src/web/numbers/series.ts';
import { rangeOf, spans } from '../../src/web/numbers/spans.ts';
import { waitingApart } from '../../src/web/numbers/waiting.ts';
import { Dashboard, eventually, everyLook, inBrowser } from './harness.ts';

describe('numbers', () => {
  it('puts a quantile where the counts say it lies, within two bounds evenly', () => {
    const bounds = [10, 20, 50];
    expect(quantile([10, 0, 0, 0], bounds, 0.5)).toBe(5);
    expect(quantile([0, 10, 0, 0], bounds, 0.9)).toBe(19);
    expect(quantile([5, 0, 5, 0], bounds, 0.5)).toBe(10);
    expect(quantile([5, 0, 5, 0], bounds, 1)).toBe(50);
    expect(quantile([0, 0, 0, 3], bounds, 0.5)).toBe(Number.POSITIVE_INFINITY);
    expect(quantile([0, 0, 0, 0], bounds, 0.5)).toBeUndefined();
    expect(quantile([], bounds, 0.5)).toBeUndefined();
  });

  it('shows the greatest reasons by themselves and adds the others up', () => {
    const layers = layersOf([{ a: 1, b: 5 }, undefined, { c: 2, b: 1, d: 1 }], 2);
    expect(layers.map(({ label, values }) => [label, values])).toEqual([
      ['b', [5, 0, 1]],
      ['c', [0, 0, 2]],
      ['2 others', [1, 0, 1]],
    ]);
  });

  it('counts a device that waits for approval neither as refused nor as a failure', () => {
    const verdicts = { provisioned: 1, refused: 3 };
    expect(waitingApart({ verdicts, codes: { 'admit.pending': 2, 'attest.expired': 1 } })).toEqual({
      verdicts: { provisioned: 1, refused: 1, waiting: 2 },
      codes: { 'attest.expired': 1 },
    });
    expect(waitingApart({ verdicts: { refused: 2 }, codes: { 'admit.pending': 2 } }).verdicts).toEqual({ waiting: 2 });
    expect(waitingApart({ verdicts, codes: {} })).toEqual({ verdicts, codes: {} });
  });

  it('has a place for every slot of a span, those without anything as well', () => {
    const slot = { at: 20, verdicts: {}, codes: {}, bytesIn: 0, bytesOut: 0, stages: {}, runs: [] };
    const { at, slots } = timesOf({ step: 10, slots: [slot], bounds: { stages: [], runs: [] } }, 0, 40);
    expect(at).toEqual([0, 10, 20, 30]);
    expect(slots).toEqual([undefined, undefined, slot, undefined]);
  });

  it.each(spans)('looks back $label in whole slots, to the end of the present one', (span) => {
    const now = Date.UTC(2026, 5, 1, 12, 34, 56);
    const { since, until } = rangeOf(span, now);
    expect(until).toBeGreaterThan(now);
    expect(until - now).toBeLessThanOrEqual(span.step);
    expect(until - since).toBe(span.length);
    expect(since % span.step).toBe(0);
  });
});

async function busyDays() {
  const dashboard = await Dashboard.start();
  await dashboard.service.store.addStatistics(someDays(Date.now()));
  return { dashboard };
}

inBrowser('the numbers', busyDays, (site) => {
  it.each(everyLook)('tells what became of the attempts, why some failed, and how long it took (%s)', async (look) => {
    const screen = await site.dashboard.openAt('/numbers', look);
    const { page } = screen;
    await page.locator('.u-over').first().waitFor({ state: 'attached' });
    const failures = page.getByRole('list').filter({ hasText: 'match.no-group' });
    await eventually(() => failures.innerText()).toMatch(/bind\.device-id-taken\s+\d/);
    const stages = page.getByRole('table', { name: 'Time by stage' });
    await eventually(() => stages.getByRole('row').filter({ hasText: 'issue' }).innerText()).toMatch(/ ms/);
    await screen.expectGood('numbers');
    await page.evaluate('scrollTo(0, document.body.scrollHeight)');
    await screen.picture('numbers-below');
  });

  it('has every number of a chart in a table', async () => {
    const screen = await site.dashboard.openAt('/numbers?span=1h');
    const panel = screen.page.getByRole('figure').filter({ hasText: 'Failures by reason' });
    await panel.getByText('As a table').click();
    const table = panel.getByRole('table', { name: 'Failures by reason' });
    await table.waitFor();
    await eventually(() => table.getByRole('row').count()).toBeGreaterThan(5);
    await eventually(() => table.getByRole('columnheader').allInnerTexts()).toContain('bind.device-id-taken');
    await screen.expectGood('numbers-table');
  });

  it('keeps the span in the address', async () => {
    const screen = await site.dashboard.openAt('/numbers');
    const { page } = screen;
    await page.getByLabel('7 days').check({ force: true });
    await page.waitForURL(/\?span=7d$/);
    await page.reload();
    await eventually(() => page.getByLabel('7 days').isChecked()).toBe(true);
  });

  it('draws what there is in the present slot alone', async () => {
    const young = await Dashboard.start();
    try {
      await young.service.store.addStatistics(someDays(Date.now()).slice(0, 1));
      const screen = await young.openAt('/numbers');
      await screen.page.locator('.plot canvas').first().waitFor();
      // Lines and letters are grey.
      const coloured = () =>
        screen.page.evaluate<number>(`(() => {
          const canvas = document.querySelector('.plot canvas');
          const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
          let found = 0;
          for (let at = 0; at < data.length; at += 4) {
            const [red, green, blue, solid] = data.slice(at, at + 4);
            if (solid > 200 && Math.max(red, green, blue) - Math.min(red, green, blue) > 80) found++;
          }
          return found;
        })()`);
      await eventually(coloured).toBeGreaterThan(100);
    } finally {
      await young.close();
    }
  });

  it('says so when there is nothing to count', async () => {
    const empty = await Dashboard.start();
    try {
      const screen = await empty.openAt('/numbers');
      await screen.page.getByText('Nothing failed in this span.').waitFor();
      await screen.expectGood('numbers-empty');
    } finally {
      await empty.close();
    }
  });
});

/** Two days with ups and downs, of nobody in particular. */
function someDays(now: number): readonly Statistics[] {
  const { statisticsSlot } = limits.store;
  const last = Math.floor(now / statisticsSlot) * statisticsSlot;
  return Array.from({ length: 576 }, (_, back) => {
    const busy = Math.round(12 + 10 * Math.sin(back / 40));
    return {
      slot: last - back * statisticsSlot,
      ownerId: undefined,
      verdicts: { provisioned: busy * 4, renewed: busy, refused: Math.ceil(busy / 3), failed: 1, abandoned: back % 3 },
      codes: {
        'bind.device-id-taken': Math.ceil(busy / 4),
        'match.no-group': Math.ceil(busy / 6),
        'attest.unknown-issuer': 1,
        'attest.expired': back % 2,
      },
      bytesIn: busy * 9000,
      bytesOut: busy * 21_000,
      stages: { handshake: [0, 2, busy * 4, 9, 3, 0, 1], issue: [0, 0, 4, busy * 3, 8, 2], bind: [busy * 4, 3] },
      runs: [busy, busy * 2, 4, 1],
    };
  });
}
