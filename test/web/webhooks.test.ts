import { expect, it } from 'vitest';
import { everyLook, inBrowser, started } from './harness.ts';

inBrowser('webhooks', started, (site) => {
  it.each(everyLook)('makes one, shows its secret once, changes it and deletes it (%s)', async (look) => {
    const screen = await site.dashboard.openAt('/webhooks', look);
    const { page } = screen;
    await page.getByText('Nobody is told yet').waitFor();
    await page.getByLabel('Name').fill('ticket system');
    await page.getByLabel('URL').fill('http://127.0.0.1:9/firstboot');
    await page.getByLabel('Events, one a line').fill('device.alarm');
    await page.getByRole('button', { name: 'Make a webhook' }).click();
    await page.getByText('it is not shown again').waitFor();
    await page.getByRole('button', { name: 'Deliveries of ticket system' }).click();
    await page.getByText('Nothing waits').waitFor();
    await screen.expectGood('webhooks');
    await page.getByRole('button', { name: 'I have it' }).click();
    await page.getByRole('button', { name: 'Change ticket system' }).click();
    await page.getByLabel('Enabled').uncheck();
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('disabled', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Delete ticket system' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await page.getByText('Nobody is told yet').waitFor();
  });

  it('says what is wrong with an address that is not taken', async () => {
    const screen = await site.dashboard.openAt('/webhooks');
    const { page } = screen;
    await page.getByLabel('Name').fill('bad');
    await page.getByLabel('URL').fill('ftp://example.com/x');
    await page.getByRole('button', { name: 'Make a webhook' }).click();
    await page.getByRole('alert').waitFor();
    expect(await screen.breaches()).toEqual([]);
  });
});
