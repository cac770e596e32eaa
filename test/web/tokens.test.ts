import { expect, it } from 'vitest';
import { eventually, everyLook, inBrowser, started } from './harness.ts';

inBrowser('tokens', started, (site) => {
  it.each(everyLook)('makes one that works, shows it once, and revokes it (%s)', async (look) => {
    const screen = await site.dashboard.openAt('/tokens', look);
    const { page } = screen;
    await page.getByLabel('Name').fill(`looker ${look}`);
    await page.getByRole('button', { name: 'Make a token' }).click();
    const note = page.getByRole('alert');
    await note.waitFor();
    const token = (await note.locator('code').innerText()).trim();
    expect((await site.dashboard.api(token).get('/session')).body).toMatchObject({ role: 'viewer' });
    await screen.expectGood('tokens');
    await page.getByRole('button', { name: 'I have it' }).click();
    await eventually(() => page.content()).not.toContain(token);
    await page.getByRole('button', { name: `Revoke looker ${look}` }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
    await page.getByRole('button', { name: `Revoke looker ${look}` }).waitFor({ state: 'detached' });
    await eventually(async () => (await site.dashboard.api(token).get('/session')).status).toBe(401);
  });

  it('says why a second one of the same name is refused', async () => {
    const screen = await site.dashboard.openAt('/tokens');
    const { page } = screen;
    await page.getByLabel('Name').fill('admin');
    await page.getByRole('button', { name: 'Make a token' }).click();
    await page.getByRole('alert').getByText('operator.conflict').waitFor();
  });
});
