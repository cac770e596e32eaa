import { expect, it } from 'vitest';
import { Cable } from './cable.ts';
import { eventually, everyLook, inBrowser, started } from './harness.ts';

inBrowser('the dashboard', started, (site) => {
  it.each(everyLook)('signs in with a token, and shows the overview (%s)', async (look) => {
    const screen = await site.dashboard.open(look);
    await screen.page.goto(site.dashboard.url);
    await screen.page.getByLabel('Token').waitFor();
    await screen.expectGood('sign-in');
    await screen.page.getByLabel('Token').fill(site.dashboard.token);
    await screen.page.keyboard.press('Enter');
    await screen.page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor();
    await screen.page.getByText('Wait for approval').waitFor();
    await screen.page.locator('.stream-live').waitFor();
    await screen.expectGood('overview');
  });

  it('says why a token is not taken, and what to do', async () => {
    const screen = await site.dashboard.open();
    await screen.page.goto(site.dashboard.url);
    await screen.page.getByLabel('Token').fill('fb_nothing');
    await screen.page.getByRole('button', { name: 'Sign in' }).click();
    await screen.page.getByRole('alert').getByText('api.unauthenticated').waitFor();
    await screen.picture('sign-in-refused');
    expect(await screen.breaches()).toEqual([]);
  });

  it('comes back to the page that was asked for after signing in, and asks again after signing out', async () => {
    const screen = await site.dashboard.openAt('/numbers?span=7d');
    await screen.isAt('Numbers');
    expect(new URL(screen.page.url()).search).toBe('?span=7d');
    await screen.page.getByRole('button', { name: 'Sign out' }).click();
    await screen.page.getByLabel('Token').waitFor();
    await screen.page.reload();
    await screen.page.getByLabel('Token').waitFor();
  });

  it('sends a session that has ended to the sign-in page', async () => {
    const screen = await site.dashboard.openAt('/');
    await screen.page.context().clearCookies();
    // What the page reads by itself may find out first: then there is no link any more.
    await screen.page.evaluate(`document.querySelector('nav a[href="/numbers"]')?.click()`);
    await screen.page.getByLabel('Token').waitFor();
  });

  it('goes from page to page by keys, and tells them at ?', async () => {
    const screen = await site.dashboard.openAt('/');
    const { page } = screen;
    for (const [keys, title] of [
      ['gl', 'Live'],
      ['gd', 'Devices'],
      ['ga', 'Approvals'],
      ['gn', 'Numbers'],
      ['go', 'Overview'],
    ] as const) {
      for (const key of keys) await page.keyboard.press(key);
      await screen.isAt(title);
    }
    await page.keyboard.press('/');
    const search = page.getByRole('searchbox', { name: 'Search' });
    await eventually(() => search.evaluate((it) => it.matches(':focus'))).toBe(true);
    await page.keyboard.type('g');
    await page.keyboard.press('Escape');
    await page.keyboard.press('?');
    const sheet = page.getByRole('dialog', { name: 'Keyboard shortcuts' });
    await sheet.getByText('Devices').waitFor();
    await screen.expectGood('shortcuts');
    await page.keyboard.press('Escape');
    await sheet.waitFor({ state: 'detached' });
    await screen.isAt('Overview');
  });

  it('begins with a link over the navigation', async () => {
    const screen = await site.dashboard.openAt('/');
    await screen.goto('/');
    await screen.page.keyboard.press('Tab');
    await eventually(() => screen.page.evaluate('document.activeElement.textContent')).toBe('Skip to the page');
    await screen.page.keyboard.press('Enter');
    await eventually(() => screen.page.evaluate('document.activeElement.id')).toBe('main');
  });

  it('wears the theme that was chosen, also the next time', async () => {
    const screen = await site.dashboard.openAt('/', 'light');
    const ground = () => screen.page.evaluate<string>('getComputedStyle(document.body).backgroundColor');
    const light = await ground();
    const theme = screen.page.getByRole('button', { name: /^Theme/ });
    await theme.click();
    await theme.click();
    await eventually(ground).not.toBe(light);
    const dark = await ground();
    await screen.goto('/');
    await eventually(ground).toBe(dark);
    expect(await screen.breaches()).toEqual([]);
  });

  it('hides what the role does not allow, and says so at its address', async () => {
    const made = await site.dashboard.api().post('/tokens', { name: 'looker', role: 'viewer' });
    const screen = await site.dashboard.openAt('/', 'light', made.body.result.token);
    const links = await screen.page.getByRole('navigation').getByRole('link').allInnerTexts();
    expect(links).toContain('Devices');
    expect(links).not.toContain('Tokens');
    await screen.goto('/tokens');
    await screen.isAt('This page is not for you');
    await screen.expectGood('not-allowed');
  });

  it('has a page for addresses that lead nowhere', async () => {
    const screen = await site.dashboard.openAt('/nowhere/at/all');
    await screen.isAt('There is no such page');
    await screen.expectGood('not-found');
  });

  it('says when the service has gone, and is live again when it is back', async () => {
    const cable = await Cable.to(site.dashboard.url);
    const screen = await site.dashboard.open('light', cable.url);
    await screen.signIn(site.dashboard.token);
    await screen.page.locator('.stream-live').waitFor();
    cable.cut();
    await screen.page.locator('.stream-waiting').getByText('Reconnecting', { exact: true }).waitFor();
    await screen.picture('reconnecting');
    cable.mend();
    await screen.page.locator('.stream-live').waitFor();
    await cable.close();
  });

  it('finds a device by a part of its subject', async () => {
    await (await site.dashboard.device()).provision();
    const screen = await site.dashboard.openAt('/');
    await screen.page.keyboard.press('/');
    await screen.page.keyboard.type('device-0001');
    await screen.page.keyboard.press('Enter');
    await screen.page.waitForURL(/\/devices\/[0-9a-f-]{36}$/);
  });

  it('has its pages behind a menu on a phone', async () => {
    const screen = await site.dashboard.openAt('/', 'phone');
    const link = screen.page.getByRole('link', { name: 'Numbers' });
    expect(await link.isVisible()).toBe(false);
    await screen.page.getByRole('button', { name: 'Menu' }).click();
    await screen.expectGood('menu');
    await link.click();
    await screen.page.getByRole('heading', { level: 1, name: 'Numbers' }).waitFor();
    await link.waitFor({ state: 'hidden' });
  });
});
