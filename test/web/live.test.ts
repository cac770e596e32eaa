import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import type { SimulatedDevice } from '../../src/device/simulator.ts';
import type { LiveEvent } from '../../src/web/api/event-stream.ts';
import { EventReader } from '../../src/web/api/sse.ts';
import { Board, type Lane } from '../../src/web/live/board.ts';
import { Cable } from './cable.ts';
import { Dashboard, eventually, everyLook, inBrowser, started } from './harness.ts';

describe('the board', () => {
  const laneOf = (board: Board, attempt: string): Lane | undefined =>
    board.view(100).lanes.find(({ cards }) => cards.some((card) => card.attempt === attempt))?.lane;

  it('lets a card pass each lane, however fast its events come', () => {
    const board = new Board();
    board.take([opened('a'), ...stages('a', 'attest', 'match', 'admit'), closed('a', 'provisioned')], 0);
    const seen: (Lane | undefined)[] = [laneOf(board, 'a')];
    for (let now = 0; now < 2000; now += 200) {
      board.step(now);
      seen.push(laneOf(board, 'a'));
    }
    expect([...new Set(seen)]).toEqual(['arrive', 'attest', 'match', 'admit', 'provisioned']);
    expect(board.view(5)).toMatchObject({ open: 0, ended: 1, endings: [{ attempt: 'a', verdict: 'provisioned' }] });
  });

  it('shows where a crowd is at once, a few of each lane, and counts all of it', () => {
    const board = new Board();
    for (let at = 0; at < 200; at++) board.take([opened(`a${at}`), ...stages(`a${at}`, 'attest', 'match')], at);
    board.step(300);
    const match = board.view(5).lanes.find(({ lane }) => lane === 'match');
    expect(match).toMatchObject({ total: 200, passed: 200 });
    expect(match?.cards).toHaveLength(5);
  });

  it('stays small when attempts never end', () => {
    const board = new Board();
    for (let at = 0; at < 5000; at++) board.take([opened(`a${at}`)], at);
    expect(board.view(1).lanes[0]).toMatchObject({ lane: 'arrive', total: 1000, passed: 5000 });
    board.step(11 * 60_000);
    expect(board.view(1).open).toBe(0);
  });

  it('names a card by the best that is known of it', () => {
    const board = new Board();
    board.take([opened('a')], 0);
    expect(board.view(1).lanes[0]?.cards[0]?.name).toBe('10.0.0.1:5684');
    board.take(
      [event('attempt.stage', { attempt: 'a', stage: 'attest', result: 'ok', subject: 'O=Maker, CN=lamp 7' })],
      1,
    );
    expect(board.view(1).lanes[0]?.cards[0]?.name).toBe('lamp 7');
  });

  it('marks a card whose device arrives at its cloud when the attempt has ended', () => {
    const board = new Board();
    board.take([opened('a'), closed('a', 'provisioned'), ...stages('a', 'confirm'), ...stages('gone', 'confirm')], 0);
    board.step(200);
    expect(laneOf(board, 'a')).toBe('provisioned');
    const lanes = board.view(5).lanes;
    expect(lanes.find(({ lane }) => lane === 'provisioned')?.cards).toMatchObject([{ attempt: 'a', arrived: true }]);
    expect(lanes.find(({ lane }) => lane === 'confirm')).toMatchObject({ total: 0, passed: 2 });
    expect(board.view(5).open).toBe(0);
  });

  it('counts an attempt once in a lane, though its device makes two sessions', () => {
    const board = new Board();
    board.take([opened('a'), ...stages('a', 'attest', 'match', 'attest', 'match')], 0);
    expect(
      board
        .view(5)
        .lanes.map(({ passed }) => passed)
        .slice(0, 4),
    ).toEqual([1, 1, 1, 0]);
  });

  it('does not take what it cannot read for an attempt', () => {
    const board = new Board();
    board.take(
      [event('attempt.stage', { attempt: 7, stage: 'attest' }), event('attempt.stage', { attempt: 'a', stage: 'nap' })],
      0,
    );
    expect(board.view(1).open).toBe(0);
  });
});

describe('an event stream', () => {
  it('is the same events however it is cut into pieces', () => {
    const text =
      'retry: 5\nid: 1-0\n\n: hello\r\nid: 1-1\nevent: a\ndata: {"x":\ndata: 1}\n\ndata:two\n\n: still here\n\nid: 1-3\ndata: three\n\n';
    const whole = new EventReader(1000).read(text);
    expect(whole).toEqual([
      { type: 'a', data: '{"x":\n1}' },
      { type: 'message', data: 'two' },
      { type: 'message', data: 'three' },
    ]);
    for (let size = 1; size < 20; size++) {
      const reader = new EventReader(1000);
      const pieces = text.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? [];
      expect(pieces.flatMap((piece) => reader.read(piece))).toEqual(whole);
      expect(reader.lastId).toBe('1-3');
    }
  });

  it('knows where to go on from before the first event', () => {
    const reader = new EventReader(1000);
    expect(reader.read(': hello\n\n')).toEqual([]);
    expect(reader.lastId).toBeUndefined();
    expect(reader.read('id: 4-17\n\n')).toEqual([]);
    expect(reader.lastId).toBe('4-17');
  });

  it('drops an event that is too long, and goes on', () => {
    const reader = new EventReader(20);
    expect(reader.read(`data: ${'x'.repeat(50)}\n\ndata: short\n\n`).map(({ data }) => data)).toEqual(['short']);
  });
});

const manyDevices = () => started({ devices: 14, cloud: true });

inBrowser('live first boots', manyDevices, (site) => {
  it('shows a device going through the lanes to its end, and leads to its attempt', async () => {
    const screen = await site.dashboard.openAt('/live');
    const { page } = screen;
    await page.locator('.stream-live').waitFor();
    await comeIn(page, await site.dashboard.device(0));
    for (const lane of ['attest', 'match', 'admit', 'bind', 'issue', 'authorize', 'configure']) {
      await eventually(() => page.locator(`.lane-${lane} .lane-head span`).innerText(), lane).not.toBe('0');
    }
    const ending = page.getByRole('table', { name: 'Latest endings' }).getByRole('row').nth(1);
    await eventually(() => ending.innerText()).toMatch(/device-0001\s+provisioned/);
    await screen.expectGood('live');
    await ending.getByRole('link').click();
    await page.waitForURL(/\/attempts\/[0-9a-f-]{36}$/);
  });

  it('shows where a device is refused, and why when it has gone', async () => {
    const closedGate = await Dashboard.start({
      devices: 1,
      settings: (settings) => ({
        ...settings,
        groups: settings.groups.map((group) => ({ ...group, enabled: false })),
      }),
    });
    try {
      const screen = await closedGate.openAt('/live');
      const { page } = screen;
      await page.locator('.stream-live').waitFor();
      const seen = page.locator('.lane-refused .card').first().waitFor({ timeout });
      const device = await closedGate.device(0);
      device.client.start();
      // Where it was refused a card may be for one picture only; that it was there stays to be read.
      await page.locator('.lane-admit .lane-head span').filter({ hasText: /^1$/ }).waitFor({ timeout });
      await device.close();
      await seen;
      expect(await page.locator('.lane-admit .lane-head').innerText()).toMatch(/admit\s+1/);
      expect(await page.locator('.lane-bind .lane-head').innerText()).toMatch(/bind\s+0/);
      await page.getByText('admit.group-disabled').first().waitFor();
    } finally {
      await closedGate.close();
    }
  });

  it.each(everyLook)('is readable while devices come (%s)', async (look) => {
    const screen = await site.dashboard.openAt('/live', look);
    await screen.page.locator('.stream-live').waitFor();
    const first = 2 + 3 * everyLook.indexOf(look);
    await comeIn(screen.page, ...(await Promise.all([0, 1, 2].map((at) => site.dashboard.device(first + at)))));
    await screen.expectGood('live-busy');
  });

  it('moves nothing that somebody reads while events come', async () => {
    const screen = await site.dashboard.openAt('/live');
    const { page } = screen;
    await page.evaluate(`globalThis.shifts = 0; new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) globalThis.shifts += entry.value;
  }).observe({ type: 'layout-shift' })`);
    await page.locator('.stream-live').waitFor();
    await comeIn(page, await site.dashboard.device(11));
    expect(await page.evaluate<number>('globalThis.shifts')).toBeLessThan(0.02);
  });

  it('stands still when it is paused, and has not missed anything afterwards', async () => {
    const screen = await site.dashboard.openAt('/live');
    const { page } = screen;
    await page.locator('.stream-live').waitFor();
    await page.keyboard.press('p');
    await page.getByRole('button', { name: 'Go on' }).waitFor();
    const device = await site.dashboard.device(12);
    await device.online();
    expect(await page.locator('.card').count()).toBe(0);
    await page.keyboard.press('p');
    await page.locator('.lane-attest .lane-head span').filter({ hasNotText: /^0$/ }).waitFor();
  });

  it('loses and repeats nothing across a broken line', async () => {
    const cable = await Cable.to(site.dashboard.url);
    const screen = await site.dashboard.open('light', cable.url);
    await screen.signIn(site.dashboard.token, '/live');
    const { page } = screen;
    await page.locator('.stream-live').waitFor();
    cable.cut();
    await page.locator('.stream-waiting').waitFor();
    await (await site.dashboard.device(13)).online();
    cable.mend();
    await page.locator('.stream-live').waitFor();
    await page.locator('.lane-arrive .lane-head span').filter({ hasText: /^1$/ }).waitFor();
    await cable.close();
  });
});

/** For what a device does meanwhile, ms. */
const timeout = 60_000;

/** Devices come online, and are seen at their end: a card is there for some seconds only, so somebody looks from the first. */
async function comeIn(page: Page, ...devices: readonly SimulatedDevice[]): Promise<void> {
  const seen = page.locator('.lane-provisioned .card').first().waitFor({ timeout });
  await Promise.all([seen, ...devices.map((device) => device.online())]);
}

const event = (type: string, data: Record<string, unknown>): LiveEvent => ({ id: '1-1', at: 0, type, data });
const opened = (attempt: string): LiveEvent => event('attempt.opened', { attempt, peer: '10.0.0.1:5684' });
const stages = (attempt: string, ...names: string[]): LiveEvent[] =>
  names.map((stage) => event('attempt.stage', { attempt, stage, result: 'ok' }));
const closed = (attempt: string, verdict: string): LiveEvent => event('attempt.closed', { attempt, verdict, ms: 12 });
