import { expect, it } from 'vitest';
import { everyLook, inBrowser } from './harness.ts';
import { populated } from './populated.ts';

inBrowser('authorities', populated, (site) => {
  it.each(everyLook)('tells what ends when, and who would be cut off without an anchor (%s)', async (look) => {
    const screen = await site.dashboard.openAt('/authorities', look);
    const { page } = screen;
    await page.getByText('Identity certificates, by week').waitFor();
    await page.getByText('issues now').waitFor();
    await screen.expectGood('authorities');
    await page
      .getByLabel('Anchor', { exact: true })
      .selectOption({ label: 'O=Example Devices, CN=Example Devices Root CA (development devices)' });
    await page.getByRole('button', { name: 'Rehearse' }).click();
    await page.getByText('1 device of 1 would be cut off').waitFor();
    await page.getByText('its manufacturer certificate would not verify').waitFor();
    await screen.expectGood('authorities-rehearsed');
  });

  it('shows what a new issuing authority means before it is made', async () => {
    const screen = await site.dashboard.openAt('/authorities');
    const { page } = screen;
    await page.getByRole('button', { name: 'New issuing authority' }).click();
    await page.getByRole('dialog').getByText('signs identity certificates from now on').first().waitFor();
    expect(await screen.breaches()).toEqual([]);
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
  });

  it('says what is wrong when a day cannot be rehearsed', async () => {
    const screen = await site.dashboard.openAt('/authorities');
    const { page } = screen;
    await page.route('**/api/v1/ca/rehearse', (route) =>
      route.fulfill({
        status: 503,
        contentType: 'application/problem+json',
        body: '{"title":"busy, try again","code":"service.busy"}',
      }),
    );
    await page.getByRole('button', { name: 'Rehearse' }).click();
    await page.getByRole('alert').getByText('busy, try again').waitFor();
  });
});
