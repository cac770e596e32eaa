import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { browser, Dashboard, type Look, looks, type Screen } from './harness.ts';

describe.skipIf(browser.missing)(`tokens in ${browser.title}`, () => {
  let dashboard: Dashboard;
  let screen: Screen;
  beforeAll(async () => {
    dashboard = await Dashboard.start();
  }, 60_000);
  afterAll(() => dashboard?.close());
  afterEach(() => screen?.close());

  it.each(Object.keys(looks) as Look[])('makes one that works, shows it once, and revokes it (%s)', async (look) => {
    screen = await dashboard.openAt('/tokens', look);
    const { page } = screen;
    await page.getByLabel('Name').fill(`looker ${look}`);
    await page.getByRole('button', { name: 'Make a token' }).click();
    const note = page.getByRole('alert');
    await note.waitFor();
    const token = (await note.locator('code').innerText()).trim();
    expect((await dashboard.api(token).get('/session')).body).toMatchObject({ role: 'viewer' });
    await screen.expectGood('tokens');
    await page.getByRole('button', { name: 'I have it' }).click();
    expect(await page.content()).not.toContain(token);
    await page.getByRole('button', { name: `Revoke looker ${look}` }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
    await page.getByRole('button', { name: `Revoke looker ${look}` }).waitFor({ state: 'detached' });
    expect((await dashboard.api(token).get('/session')).status).toBe(401);
  });

  it('says why a second one of the same name is refused', async () => {
    screen = await dashboard.openAt('/tokens');
    const { page } = screen;
    await page.getByLabel('Name').fill('admin');
    await page.getByRole('button', { name: 'Make a token' }).click();
    await page.getByRole('alert').getByText('operator.conflict').waitFor();
  });
});
