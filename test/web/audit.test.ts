import { expect, it } from 'vitest';
import { eventually, everyLook, inBrowser } from './harness.ts';
import { populated } from './populated.ts';

inBrowser('the audit log', populated, (site) => {
  it.each(everyLook)('shows who did what, filters, and says that the log is whole (%s)', async (look) => {
    const screen = await site.dashboard.openAt('/audit', look);
    const { page } = screen;
    await page.getByText('group.create').waitFor();
    await page.getByRole('button', { name: 'Verify' }).click();
    await page.getByText('It is whole: ').waitFor();
    await screen.expectGood('audit');
    await screen.goto('/audit?action=hub');
    await page.getByText('hub.create').waitFor();
    await page.getByText('1 line', { exact: true }).waitFor();
    await eventually(() => page.getByText('group.create').count()).toBe(0);
  });

  it('says so when a hash that was kept elsewhere is not in it', async () => {
    const screen = await site.dashboard.openAt('/audit');
    const { page } = screen;
    await page.getByLabel('A hash that was kept elsewhere').fill('ab'.repeat(32));
    await page.getByRole('button', { name: 'Verify' }).click();
    await page.getByText('It is not whole').waitFor();
    expect(await screen.breaches()).toEqual([]);
  });
});
