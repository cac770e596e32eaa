import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { browser, type Look, looks, type Screen } from './harness.ts';
import { type Populated, populated } from './populated.ts';

describe.skipIf(browser.missing)(`the audit log in ${browser.title}`, () => {
  let site: Populated;
  let screen: Screen;
  beforeAll(async () => {
    site = await populated();
  }, 60_000);
  afterAll(() => site?.dashboard.close());
  afterEach(() => screen?.close());

  it.each(Object.keys(looks) as Look[])(
    'shows who did what, filters, and says that the log is whole (%s)',
    async (look) => {
      screen = await site.dashboard.openAt('/audit', look);
      const { page } = screen;
      await page.getByText('group.create').waitFor();
      await page.getByRole('button', { name: 'Verify' }).click();
      await page.getByText('It is whole: ').waitFor();
      await screen.expectGood('audit');
      await screen.goto('/audit?action=hub');
      await page.getByText('hub.create').waitFor();
      await page.getByText('1 line', { exact: true }).waitFor();
      expect(await page.getByText('group.create').count()).toBe(0);
    },
  );

  it('says so when a hash that was kept elsewhere is not in it', async () => {
    screen = await site.dashboard.openAt('/audit');
    const { page } = screen;
    await page.getByLabel('A hash that was kept elsewhere').fill('ab'.repeat(32));
    await page.getByRole('button', { name: 'Verify' }).click();
    await page.getByText('It is not whole').waitFor();
    expect(await screen.breaches()).toEqual([]);
  });
});
