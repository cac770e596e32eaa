import { expect, it } from 'vitest';
import { someDevice } from '../support/store-records.ts';
import { everyLook, inBrowser } from './harness.ts';
import { type Populated, populated } from './populated.ts';

/** As the development PKI names devices. */
const longName = 'device-0f3c2b1a-7d5e-4c6b-9a80-1b2c3d4e5f60';

/** One device that was provisioned, and 150 that were not. */
async function manyDevices(): Promise<Populated> {
  const site = await populated();
  for (let seed = 1; seed <= 150; seed++) {
    await site.dashboard.service.store.putDevice(
      someDevice(seed, {
        groupId: site.group,
        state: seed % 3 === 0 ? 'pending' : 'active',
        manufacturer: {
          subject: `O=Example Devices, CN=${seed % 10 === 4 ? longName : `meter ${seed}`}`,
          serial: `0b${seed}`,
          certificate: undefined,
        },
        ...(seed === 7 && { alarms: [{ at: Date.now(), kind: 'two-places', evidence: { here: '192.0.2.1' } }] }),
      }),
    );
  }
  return site;
}

inBrowser('devices', manyDevices, (site) => {
  it.each(everyLook)('lists, filters by the address, and reads further rows on the way down (%s)', async (look) => {
    const screen = await site.dashboard.openAt('/devices', look);
    const { page } = screen;
    await page.getByText('100 devices so far').waitFor();
    await screen.expectGood('devices');
    await page.keyboard.press('End');
    await page.evaluate('scrollTo(0, document.body.scrollHeight)');
    await page.getByText('151 devices').waitFor();
    await screen.goto('/devices?state=pending&text=meter');
    await page.getByText('45 devices').waitFor();
    await screen.goto('/devices?alarms=true');
    await page.getByText('1 alarm', { exact: true }).waitFor();
    await page.getByLabel('Subject, id, serial or address').fill('nobody');
    await page.getByText('No device fits these filters').waitFor();
    await page.waitForURL(/text=nobody/);
  });

  it.each(['light', 'phone'] as const)('shows the whole common name of a device (%s)', async (look) => {
    const screen = await site.dashboard.openAt('/devices?text=device-', look);
    const name = screen.page.locator('.subject-name', { hasText: longName }).first();
    await name.waitFor();
    expect(await name.evaluate((it) => it.scrollWidth - it.clientWidth), 'px cut to the right').toBe(0);
    expect(await name.evaluate((it) => it.scrollHeight - it.clientHeight), 'px cut below').toBeLessThanOrEqual(2);
    await screen.expectGood('devices-names');
  });

  it('does to those that are chosen what makes sense, and names those that it leaves out', async () => {
    const screen = await site.dashboard.openAt('/devices?text=meter%2014');
    const { page } = screen;
    await page.getByLabel('Choose O=Example Devices, CN=meter 141', { exact: true }).check();
    await page.getByLabel('Choose O=Example Devices, CN=meter 142', { exact: true }).check();
    await page.getByRole('button', { name: 'See what it would do' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('1 device will be left out').waitFor();
    await screen.picture('devices-chosen');
    expect(await screen.breaches()).toEqual([]);
    await dialog.getByRole('button', { name: 'Approve 1 device' }).click();
    await page.getByText('Approve: 1 device done').waitFor();
    const { items } = (await site.dashboard.api().get('/devices?text=CN%3Dmeter%20141')).body;
    expect(items).toMatchObject([{ state: 'active' }]);
  });

  it.each(everyLook)('tells everything of one device, and why it came in (%s)', async (look) => {
    const screen = await site.dashboard.openAt(`/devices/${site.keyId}`, look);
    const { page } = screen;
    await page.getByRole('button', { name: 'What happened?' }).first().click();
    await page.getByText('The present policy, of 2 groups, says the same.').waitFor();
    await page.getByText('handshake done').first().waitFor();
    expect(await page.locator('meter').first().getAttribute('aria-label')).toMatch(/^\d+ % of its life is left$/);
    await screen.expectGood('device');
  });

  it('quarantines with a reason after a dry run, and shows it at once; a second page learns of it by itself', async () => {
    const screen = await site.dashboard.openAt(`/devices/${site.keyId}`);
    const other = await site.dashboard.openAt(`/devices/${site.keyId}`, 'dark');
    const { page } = screen;
    await other.page.getByText('active', { exact: true }).first().waitFor();
    await other.page.locator('.stream-live').waitFor();
    await page.getByRole('button', { name: 'Quarantine' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('active -> quarantined').waitFor();
    await screen.expectGood('device-quarantine');
    await dialog.getByLabel('Reason').fill('seen twice');
    await dialog.getByRole('button', { name: 'Quarantine' }).click();
    await page.getByText('seen twice').first().waitFor();
    await other.page.getByText('seen twice').first().waitFor();
    await page.getByRole('button', { name: 'Release', exact: true }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Release' }).click();
    await page.getByRole('button', { name: 'Quarantine' }).waitFor();
  });

  it('says what is wrong when there is no such device', async () => {
    const screen = await site.dashboard.openAt('/devices/00000000-0000-4000-8000-000000000000');
    await screen.page.getByRole('alert').getByText('there is no such thing', { exact: true }).waitFor();
    expect(await screen.breaches()).toEqual([]);
  });
});
