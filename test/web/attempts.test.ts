import { expect, it } from 'vitest';
import { eventually, everyLook, inBrowser } from './harness.ts';
import { populated } from './populated.ts';

inBrowser('attempts', populated, (site) => {
  it.each(everyLook)('lists them, and those of one reason with its words (%s)', async (look) => {
    const screen = await site.dashboard.openAt('/attempts', look);
    const { page } = screen;
    await page.getByText('attest.issuer-key').last().waitFor({ state: 'attached' });
    await screen.expectGood('attempts');
    await screen.goto('/attempts?code=attest.issuer-key&since=24h');
    await page.getByText('the issuer of the manufacturer certificate is registered with another key').first().waitFor();
    await page.getByText(/^\d+ attempts?$/).waitFor();
    await screen.goto('/attempts?verdict=abandoned');
    await page.getByText('No attempt fits these filters').waitFor();
  });

  it.each(everyLook)('tells why one was refused, what would help, and what would happen now (%s)', async (look) => {
    const screen = await site.dashboard.openAt(`/attempts/${site.refused}`, look);
    const { page } = screen;
    await page.getByText('What was decided').waitFor();
    // The group that was made since has the stranger's root as its anchor.
    await page.getByText('the device waits for approval').waitFor();
    await page.getByText('attest: refused').waitFor();
    await eventually(() => page.getByText('upload the new certificate').count()).toBeGreaterThan(0);
    await screen.expectGood('attempt-refused');
  });

  it('says what happened in words, names the owner that a token is bound to, and tells an error once', async () => {
    const overview = await site.dashboard.openAt('/');
    const label = overview.page.locator('.bars .label', { hasText: 'attest.issuer-key' });
    // The page counts anew every 15 s: what has just ended may not be among it at first.
    await label.waitFor();
    expect(await label.evaluate((it) => it.scrollWidth - it.clientWidth), 'px of the label that are cut').toBe(0);
    await overview.expectGood('overview');

    const made = await site.dashboard.api().post('/tokens', { name: 'acme', role: 'viewer', owner: 'acme' });
    const screen = await site.dashboard.openAt('/attempts/ffffffff-0000', 'light', made.body.result.token);
    await screen.page.locator('.who').getByText('of owner').waitFor();
    const alert = screen.page.getByRole('alert');
    await alert.waitFor();
    const text = await alert.innerText();
    expect(text.split('there is no such thing')).toHaveLength(2);
    await screen.picture('error-once');
  });

  it('says so when there is no such attempt', async () => {
    const screen = await site.dashboard.openAt('/attempts/ffffffff-0000');
    await screen.page.getByRole('alert').getByText('there is no such thing', { exact: true }).waitFor();
    expect(await screen.breaches()).toEqual([]);
  });
});
