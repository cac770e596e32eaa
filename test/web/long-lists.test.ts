import { describe, expect, it } from 'vitest';
import { PagedList } from '../../src/web/api/paged-list.ts';
import { someDevice } from '../support/store-records.ts';
import { Dashboard, eventually, inBrowser } from './harness.ts';

describe('a list that is read by pages', () => {
  /** Numbers below `size`, ten a page. */
  const listOf = (size: number) => {
    const asked: number[] = [];
    const list = new PagedList<number>(
      async (cursor) => {
        const from = Number(cursor ?? 0);
        asked.push(from);
        const items = Array.from({ length: Math.min(10, size - from) }, (_, index) => from + index);
        return { items, next: from + 10 < size ? String(from + 10) : null };
      },
      () => undefined,
    );
    return { list, asked };
  };
  const settled = () => new Promise((resolve) => setTimeout(resolve, 5));

  it('reads no further than somebody looks', async () => {
    const { list, asked } = listOf(1000);
    list.look(0, 25);
    await settled();
    expect(asked).toEqual([0, 10, 20]);
    expect(list.count).toBe(30);
    expect(list.row(24)).toBe(24);
    expect(list.complete).toBe(false);
  });

  it('lets go of what is far away, and reads it again when it is looked at', async () => {
    const { list, asked } = listOf(1000);
    list.look(0, 400);
    await settled();
    for (let from = 0; from < 400; from += 20) {
      list.look(from, from + 20);
      await settled();
    }
    expect(list.row(0)).toBeUndefined();
    expect(list.row(390)).toBe(390);
    asked.length = 0;
    list.look(0, 10);
    await settled();
    expect(asked).toEqual([0]);
    expect(list.row(0)).toBe(0);
    expect(list.count).toBeGreaterThanOrEqual(400);
  });

  it('reads again only what is looked at', async () => {
    const { list, asked } = listOf(100);
    list.look(0, 100);
    await settled();
    list.look(30, 40);
    asked.length = 0;
    await list.refresh();
    expect(asked).toEqual([30]);
    expect(list.complete).toBe(true);
  });

  it('stops at an error, and goes on when asked to', async () => {
    let fails = true;
    const list = new PagedList<number>(
      async () => {
        if (fails) throw new Error('away');
        return { items: [1], next: null };
      },
      () => undefined,
    );
    list.look(0, 10);
    await settled();
    expect(list.error).toBeInstanceOf(Error);
    fails = false;
    await list.refresh();
    expect(list.error).toBeUndefined();
    expect(list.row(0)).toBe(1);
  });
});

async function manyDevices() {
  const dashboard = await Dashboard.start();
  const [group] = await dashboard.service.store.groups.list();
  if (!group) throw new Error('there is no group');
  const all = Array.from({ length: 2000 }, (_, seed) =>
    someDevice(seed, { groupId: group.id, ownerId: group.owner.id }),
  );
  for (let from = 0; from < all.length; from += 500) {
    await dashboard.service.store.commit({ devices: all.slice(from, from + 500) });
  }
  return { dashboard };
}

inBrowser('2,000 devices', manyDevices, (site) => {
  it('has only the rows around the window in the document, and reads on below', async () => {
    const screen = await site.dashboard.openAt('/devices');
    const { page } = screen;
    const rows = page.locator('tr[data-row]');
    await rows.first().waitFor();
    const down = async (): Promise<number> => {
      await page.evaluate('scrollTo(0, document.body.scrollHeight)');
      return Number(await rows.last().getAttribute('data-row'));
    };
    await eventually(down).toBeGreaterThan(900);
    await eventually(() => rows.count()).toBeLessThan(60);
    await screen.picture('devices-far-down');
    expect(screen.complaints).toEqual([]);
  });

  it('goes from row to row with j and k, and opens one with Enter', async () => {
    const screen = await site.dashboard.openAt('/devices');
    const { page } = screen;
    await page.locator('tr[data-row="0"] a').first().waitFor();
    const at = () => page.evaluate<string | null>("document.activeElement.closest('tr')?.dataset.row ?? null");
    for (const key of 'jjjjk') await page.keyboard.press(key);
    await eventually(at).toBe('2');
    await page.keyboard.press('ArrowDown');
    await eventually(at).toBe('3');
    for (let turn = 0; turn < 40; turn++) await page.keyboard.press('j');
    await eventually(at).toBe('43');
    await page.keyboard.press('Enter');
    await page.waitForURL(/\/devices\/[0-9a-f-]{36}$/);
  });
});
