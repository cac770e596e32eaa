import { describe, expect, it } from 'vitest';
import { BulkRun, oneByOne, type Told } from '../../src/web/api/bulk-run.ts';
import { someDevice } from '../support/store-records.ts';
import { Dashboard, eventually, inBrowser } from './harness.ts';

describe('a run over many', () => {
  /** Numbers below `size`, each of which `work` is done with. */
  const runOver = (size: number, work: (each: number) => Promise<Told>) => {
    const left = Array.from({ length: size }, (_, index) => index).values();
    const next = async (): Promise<number | undefined> => left.next().value;
    return new BulkRun<number>({ next, work, changed: () => undefined, waits: [0, 0] });
  };
  const all = (size: number): readonly number[] => Array.from({ length: size }, (_, index) => index);
  const done: Told = { effects: ['done'] };

  it('has no more than four under way at a time', async () => {
    let underWay = 0;
    let most = 0;
    const run = runOver(50, async () => {
      most = Math.max(most, ++underWay);
      await new Promise(setImmediate);
      underWay--;
      return done;
    });
    await run.go();
    expect(most).toBe(4);
    expect(run).toMatchObject({ state: 'finished', looked: 50, lines: 50 });
  });

  it('counts refusals by their reasons, the most frequent first', async () => {
    const run = runOver(10, async (each) => (each % 2 === 0 ? { refused: each > 6 ? 'late' : 'even' } : done));
    await run.go();
    expect(run.refusals).toEqual([
      { reason: 'even', count: 4, examples: [0, 2, 4, 6] },
      { reason: 'late', count: 1, examples: [8] },
    ]);
  });

  it('stops when it is told to, and goes on with the rest: each is done once', async () => {
    const worked: number[] = [];
    const run = runOver(40, async (each) => {
      worked.push(each);
      if (each === 9) run.stop();
      return done;
    });
    await run.go();
    expect(run.state).toBe('stopped');
    expect(run.looked).toBeLessThan(20);
    await run.go();
    expect(run.state).toBe('finished');
    expect(worked.toSorted((a, b) => a - b)).toEqual(all(40));
  });

  it('tries again what was not answered, stops when that does not help, and leaves none out when it goes on', async () => {
    let away = true;
    let tries = 0;
    const run = runOver(20, async (each) => {
      if (each === 5 && away) {
        tries++;
        throw new Error('away');
      }
      return done;
    });
    await run.go();
    expect(run).toMatchObject({ state: 'stopped', error: new Error('away') });
    expect(tries).toBe(3);
    away = false;
    await run.go();
    expect(run).toMatchObject({ state: 'finished', error: undefined });
    expect(run.done.toSorted((a, b) => a - b)).toEqual(all(20));
  });

  it('reads a list page by page, short and empty pages too, and asks again for one that failed', async () => {
    const pages: Record<string, { items: number[]; next: string | null }> = {
      start: { items: [0, 1], next: 'a' },
      a: { items: [], next: 'b' },
      b: { items: [2], next: 'c' },
      c: { items: [3, 4], next: null },
    };
    let fails = true;
    const next = oneByOne<number>(
      async (cursor = 'start') => {
        if (cursor === 'c' && fails) {
          fails = false;
          throw new Error('away');
        }
        return pages[cursor] ?? { items: [], next: null };
      },
      new AbortController().signal,
      100,
    );
    const run = new BulkRun<number>({ next, work: async () => done, changed: () => undefined, waits: [0] });
    await run.go();
    expect(run.done).toEqual([0, 1, 2, 3, 4]);
  });
});

/** 330 devices of one group wait, and 30 are active. */
async function waiting() {
  const dashboard = await Dashboard.start();
  const [group] = await dashboard.service.store.groups.list();
  if (!group) throw new Error('there is no group');
  const devices = Array.from({ length: 360 }, (_, seed) =>
    someDevice(seed + 1, {
      groupId: group.id,
      ownerId: group.owner.id,
      state: seed < 330 ? 'pending' : 'active',
      createdAt: Date.now(),
      manufacturer: { subject: `CN=pump ${seed}`, serial: `0c${seed}`, certificate: undefined },
    }),
  );
  await dashboard.service.store.commit({ devices });
  return { dashboard, devices };
}

inBrowser('360 devices at once', waiting, (site) => {
  const stateOf = async (seed: number): Promise<string> =>
    (await site.dashboard.service.store.device(site.devices[seed]?.keyId ?? ''))?.state ?? 'gone';
  const countOf = async (state: string): Promise<number> => {
    const { items } = (await site.dashboard.api().get(`/devices?state=${state}&limit=500`)).body;
    return items.length;
  };
  /** Behind the API's back: somebody else was there in the meantime. */
  const quarantine = async (seed: number): Promise<void> => {
    const device = site.devices[seed];
    if (device) await site.dashboard.service.store.putDevice({ ...device, revision: 1, state: 'quarantined' });
  };

  it.each(['light', 'phone'] as const)(
    'counts first, and asks for the number before all that fit are turned away (%s)',
    async (look) => {
      const screen = await site.dashboard.openAt('/devices?state=pending', look);
      const { page } = screen;
      await page.getByRole('button', { name: 'Choose all that fit the filters' }).click();
      await page.getByText('All that fit the filters are chosen').waitFor();
      await page.getByLabel('Choose CN=pump').first().uncheck();
      await page.getByText('but for 1').waitFor();
      await page.getByLabel('Action').selectOption('reject');
      await screen.expectGood('bulk-chosen');
      await page.getByRole('button', { name: 'See what it would do' }).click();
      const dialog = page.getByRole('dialog');
      await dialog.getByText('It would be done to 329 devices.').waitFor();
      const go = dialog.getByRole('button', { name: 'Reject 329 devices' });
      expect(await go.isDisabled()).toBe(true);
      await dialog.getByLabel('To be sure, type how many they are').fill('330');
      await dialog.getByText('It is not 330.').waitFor();
      expect(await go.isDisabled()).toBe(true);
      await screen.expectGood('bulk-typed');
      await dialog.getByLabel('To be sure, type how many they are').fill('329');
      await eventually(() => go.isEnabled()).toBe(true);
      await dialog.getByRole('button', { name: 'Cancel' }).click();
      expect(await countOf('pending')).toBe(330);
    },
  );

  it('stops in the middle, goes on, does each once although an answer is lost, and tells who was left out and why', async () => {
    const screen = await site.dashboard.openAt('/approvals');
    const { page } = screen;
    let lost = '';
    let open = 40;
    const held: (() => void)[] = [];
    await page.route(/\/approve$/, async (route) => {
      if (open-- <= 0) await new Promise<void>((resolve) => held.push(resolve));
      if (lost === '') {
        // The service does it, and nobody hears of it.
        lost = route.request().url().split('/').at(-2) ?? '';
        await route.fetch();
        await route.abort();
      } else await route.continue();
    });
    await page.getByRole('button', { name: 'Choose all that wait' }).click();
    await page.getByRole('button', { name: 'Approve all that wait' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('It would be done to 330 devices.').waitFor();
    await quarantine(3);
    await quarantine(200);
    await dialog.getByLabel('Reason (optional)').fill('delivery 12');
    await dialog.getByRole('button', { name: 'Approve 330 devices' }).click();
    await eventually(() => held.length).toBe(4);
    await screen.picture('bulk-running');
    expect(await screen.breaches()).toEqual([]);
    await dialog.getByRole('button', { name: 'Stop' }).click();
    open = Number.POSITIVE_INFINITY;
    for (const release of held.splice(0)) release();
    await dialog.getByText('Stopped.').waitFor();
    expect(await countOf('pending')).toBeGreaterThan(250);
    await screen.picture('bulk-stopped');
    await dialog.getByRole('button', { name: 'Go on' }).click();
    await dialog.getByText('2 devices were left out').waitFor();
    await dialog.getByText('Done.', { exact: true }).waitFor();
    await screen.picture('bulk-done');
    expect(await screen.breaches()).toEqual([]);
    await dialog.getByRole('button', { name: 'Close' }).last().click();
    await page.getByText('Approve: 328 devices done').waitFor();
    await page.getByText('Nobody waits').waitFor();
    expect(await countOf('active')).toBe(358);
    expect([await stateOf(3), await stateOf(200)]).toEqual(['quarantined', 'quarantined']);
    const { items } = (await site.dashboard.api().get(`/audit?action=device.approve&target=${lost}&limit=500`)).body;
    expect(items).toHaveLength(1);
    expect(JSON.stringify(items)).toContain('delivery 12');
  });

  it('leaves out what makes no sense, with the count of each reason', async () => {
    const screen = await site.dashboard.openAt('/devices?text=pump%2033');
    const { page } = screen;
    await page.getByRole('button', { name: 'Choose all that fit the filters (11)' }).click();
    await page.getByLabel('Action').selectOption('release');
    await page.getByRole('button', { name: 'See what it would do' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('11 devices will be left out').waitFor();
    expect(await dialog.getByRole('button', { name: 'Release 0 devices' }).isDisabled()).toBe(true);
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    await page.getByLabel('State').selectOption('active');
    await page.getByText('Choose all that fit the filters').waitFor();
  });
});
