import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { browser, type Look, looks, type Screen } from './harness.ts';
import { type Populated, populated } from './populated.ts';

describe.skipIf(browser.missing)(`attempts in ${browser.title}`, () => {
  let site: Populated;
  let screen: Screen;
  beforeAll(async () => {
    site = await populated();
  }, 60_000);
  afterAll(() => site?.dashboard.close());
  afterEach(() => screen?.close());

  it.each(Object.keys(looks) as Look[])('lists them, and those of one reason with its words (%s)', async (look) => {
    screen = await site.dashboard.openAt('/attempts', look);
    const { page } = screen;
    await page.getByText('attest.issuer-key').last().waitFor({ state: 'attached' });
    await screen.expectGood('attempts');
    await screen.goto('/attempts?code=attest.issuer-key&since=24h');
    await page.getByText('the issuer of the manufacturer certificate is registered with another key').first().waitFor();
    await page.getByText(/^\d+ attempts?$/).waitFor();
    await screen.goto('/attempts?verdict=abandoned');
    await page.getByText('No attempt fits these filters').waitFor();
  });

  it.each(Object.keys(looks) as Look[])(
    'tells why one was refused, what would help, and what would happen now (%s)',
    async (look) => {
      screen = await site.dashboard.openAt(`/attempts/${site.refused}`, look);
      const { page } = screen;
      await page.getByText('What was decided').waitFor();
      // The group that was made since has the stranger's root as its anchor.
      await page.getByText('the device waits for approval').waitFor();
      await page.getByText('attest: refused').waitFor();
      expect(await page.getByText('upload the new certificate').count()).toBeGreaterThan(0);
      await screen.expectGood('attempt-refused');
    },
  );

  it('says what happened in words, names the owner that a token is bound to, and tells an error once', async () => {
    screen = await site.dashboard.openAt('/');
    const label = screen.page.locator('.bars .label', { hasText: 'attest.issuer-key' });
    await label.waitFor();
    expect(await label.evaluate((it) => it.scrollWidth - it.clientWidth), 'px of the label that are cut').toBe(0);
    await screen.expectGood('overview');
    await screen.close();

    const made = await site.dashboard.api().post('/tokens', { name: 'acme', role: 'viewer', owner: 'acme' });
    screen = await site.dashboard.openAt('/attempts/ffffffff-0000', 'light', made.body.result.token);
    await screen.page.locator('.who').getByText('of owner').waitFor();
    const alert = screen.page.getByRole('alert');
    await alert.waitFor();
    const text = await alert.innerText();
    expect(text.split('there is no such thing')).toHaveLength(2);
    await screen.picture('error-once');
  });

  it('says so when there is no such attempt', async () => {
    screen = await site.dashboard.openAt('/attempts/ffffffff-0000');
    await screen.page.getByRole('alert').getByText('there is no such thing', { exact: true }).waitFor();
    expect(await screen.breaches()).toEqual([]);
  });
});
