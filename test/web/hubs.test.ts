import { expect, it } from 'vitest';
import { eventually, everyLook, inBrowser } from './harness.ts';
import { populated } from './populated.ts';

inBrowser('hubs', populated, (site) => {
  it.each(everyLook)('lists hubs, and shows one of a file without letting it be changed (%s)', async (look) => {
    const screen = await site.dashboard.openAt('/hubs', look);
    const { page } = screen;
    await page.getByRole('link', { name: 'development hub' }).click();
    await page.getByText('It is written in a configuration file').waitFor();
    await page.getByRole('link', { name: 'development devices' }).waitFor();
    await screen.expectGood('hub-of-file');
    await screen.goto('/hubs');
    await page.getByRole('link', { name: 'second cloud' }).waitFor();
    await screen.expectGood('hubs');
  });

  it('makes a hub, tells at the field what is wrong with a gateway, and deletes it again', async () => {
    const screen = await site.dashboard.openAt('/new/hub');
    const { page } = screen;
    const gateways = page.getByRole('group', { name: 'Gateways' });
    await page.getByLabel('Name', { exact: true }).fill('third cloud');
    await page.getByLabel('New gateway').fill('http://nowhere');
    await gateways.getByRole('button', { name: 'Add' }).click();
    await page.getByRole('button', { name: 'See what it would do' }).click();
    await gateways.getByRole('alert').waitFor();
    await screen.picture('hub-complaint');
    await gateways.getByRole('button', { name: 'Take out gateway 1' }).click();
    // The button that was pressed is gone: whoever works by keyboard goes on in the field for another one.
    await eventually(() => page.getByLabel('New gateway').evaluate((it) => it.matches(':focus'))).toBe(true);
    await page.getByLabel('New gateway').fill('coaps+tcp://hub3.example:5684');
    await gateways.getByRole('button', { name: 'Add' }).click();
    await page.getByRole('button', { name: 'See what it would do' }).click();
    await page.getByText('is added as').waitFor();
    expect(await screen.breaches()).toEqual([]);
    await page.getByRole('button', { name: 'Make it' }).click();
    await page.getByRole('heading', { level: 1, name: 'third cloud' }).waitFor();
    await page.getByRole('button', { name: 'Delete' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await page.getByRole('heading', { level: 1, name: 'Hubs' }).waitFor();
    await page.getByRole('link', { name: 'third cloud' }).waitFor({ state: 'detached' });
  });
});
