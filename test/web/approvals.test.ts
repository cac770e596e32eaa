import { expect, it } from 'vitest';
import { minutes, seconds } from '../../src/core/clock.ts';
import { SimulatedDevice } from '../../src/device/simulator.ts';
import { someDevice } from '../support/store-records.ts';
import { eventually, inBrowser, started } from './harness.ts';

/** Devices of the development PKI wait for approval. */
const manual = () =>
  started({
    devices: 3,
    settings: (settings) => ({
      ...settings,
      groups: settings.groups.map((group) => ({ ...group, admission: 'manual' as const })),
    }),
  });

inBrowser('approvals', manual, (site) => {
  const groupId = async (): Promise<string> => (await site.dashboard.service.store.groups.list())[0]?.id ?? '';
  const waiting = async (seed: number, name: string) => {
    const device = someDevice(seed, {
      groupId: await groupId(),
      state: 'pending',
      createdAt: Date.now(),
      lastPeer: '192.0.2.7:5684',
      manufacturer: { subject: `CN=${name}`, serial: `0a${seed}`, certificate: undefined },
    });
    await site.dashboard.service.store.putDevice(device);
    return device;
  };

  /** A device that tries again every second. */
  const eager = async (index: number): Promise<SimulatedDevice> => {
    const made = site.dashboard.pki.devices[index];
    if (!made) throw new Error(`the PKI has no device ${index}`);
    return SimulatedDevice.create({
      endpoint: site.dashboard.service.endpoints.udp ?? '',
      identity: { ...made, serviceCa: [site.dashboard.pki.serviceCa.certificate.der] },
      retry: { table: [seconds(1)], variant: '2025' },
      cloudChecks: 0,
      timeout: minutes(1),
    });
  };

  it('shows a device that comes by itself, lets it in at the key a, and the device is provisioned', async () => {
    const screen = await site.dashboard.openAt('/approvals');
    const { page } = screen;
    await page.getByText('Nobody waits').waitFor();
    await page.locator('.stream-live').waitFor();
    await screen.expectGood('approvals-empty');

    const device = await eager(0);
    const provisioned = device.provision();
    await page.locator('.queue-row').getByText('development devices').waitFor();
    await screen.expectGood('approvals-one');

    await page.keyboard.press('j');
    await page.keyboard.press('a');
    const dialog = page.getByRole('dialog');
    await dialog.getByText('pending -> active').waitFor();
    await dialog.getByLabel('Reason (optional)').fill('it is on the delivery note');
    await page.keyboard.press('Enter');
    await page.getByText('Nobody waits').waitFor();
    await provisioned;
    const [record] = (await site.dashboard.api().get('/devices')).body.items;
    expect(record).toMatchObject({ state: 'active', deviceId: device.deviceId });
    const [line] = (await site.dashboard.api().get('/audit?action=device.approve')).body.items;
    expect(JSON.stringify(line)).toContain('it is on the delivery note');

    await screen.goto(`/devices/${record.keyId}`);
    await page.getByRole('heading', { name: 'Credentials' }).waitFor();
    await eventually(() => page.locator('.credential').count()).toBe(1);
    await device.close();
  });

  it('asks before many are rejected, and tells what each of them will be', async () => {
    await waiting(11, 'pump 11');
    await waiting(12, 'pump 12');
    const screen = await site.dashboard.openAt('/approvals');
    const { page } = screen;
    await page.getByLabel('All 2').check();
    await page.keyboard.press('r');
    const dialog = page.getByRole('dialog');
    await dialog.getByText('CN=pump 11').waitFor();
    await dialog.getByText('CN=pump 12').waitFor();
    await screen.expectGood('approvals-many');
    await dialog.getByLabel('Reason').fill('not ours');
    await dialog.getByRole('button', { name: 'Reject 2 devices' }).click();
    await page.getByText('Nobody waits').waitFor();
    const { items } = (await site.dashboard.api().get('/devices?state=disabled')).body;
    expect(items.map(({ stateReason }: { stateReason: string }) => stateReason)).toEqual(['not ours', 'not ours']);
  });

  it('approves all of a group, and says so when somebody was faster with one', async () => {
    const device = await waiting(21, 'valve 21');
    await waiting(22, 'valve 22');
    const screen = await site.dashboard.openAt('/approvals', 'phone');
    const { page } = screen;
    await page.getByRole('button', { name: 'Approve CN=valve 21' }).waitFor();
    await screen.expectGood('approvals');
    // Behind the API's back, so that no event tells the page.
    await site.dashboard.service.store.putDevice({ ...device, revision: 1, state: 'quarantined' });
    await page.getByRole('button', { name: 'Approve CN=valve 21' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('the change does not fit with what is there').waitFor();
    await dialog.getByRole('button', { name: 'Cancel' }).click();
    await page.getByRole('button', { name: 'Approve all of development devices' }).click();
    await dialog.getByText('CN=valve 22').waitFor();
    await dialog.getByRole('button', { name: 'Approve all' }).click();
    await page.getByText('Nobody waits').waitFor();
  });

  it('shows a viewer who waits, and no way to let them in', async () => {
    await waiting(31, 'lamp 31');
    const made = await site.dashboard.api().post('/tokens', { name: 'looker', role: 'viewer' });
    const screen = await site.dashboard.openAt('/approvals', 'dark', made.body.result.token);
    await screen.page.locator('.queue-row').waitFor();
    expect(await screen.page.getByRole('button', { name: 'Approve' }).count()).toBe(0);
    await screen.expectGood('approvals');
  });
});
