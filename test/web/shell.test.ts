import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Cable } from './cable.ts';
import { browser, Dashboard, type Look, looks, type Screen } from './harness.ts';

let dashboard: Dashboard;
let screen: Screen;

describe.skipIf(browser.missing)(`the dashboard in ${browser.title}`, () => {
  beforeAll(async () => {
    dashboard = await Dashboard.start();
  }, 60_000);
  afterAll(() => dashboard?.close());
  afterEach(() => screen?.close());

  it.each(Object.keys(looks) as Look[])('signs in with a token, and shows the overview (%s)', async (look) => {
    screen = await dashboard.open(look);
    await screen.page.goto(dashboard.url);
    await screen.page.getByLabel('Token').waitFor();
    await screen.expectGood('sign-in');
    await screen.page.getByLabel('Token').fill(dashboard.token);
    await screen.page.keyboard.press('Enter');
    await screen.page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor();
    await screen.page.getByText('Wait for approval').waitFor();
    await screen.page.locator('.stream-live').waitFor();
    await screen.expectGood('overview');
  });

  it('says why a token is not taken, and what to do', async () => {
    screen = await dashboard.open();
    await screen.page.goto(dashboard.url);
    await screen.page.getByLabel('Token').fill('fb_nothing');
    await screen.page.getByRole('button', { name: 'Sign in' }).click();
    const alert = screen.page.getByRole('alert');
    await alert.waitFor();
    expect(await alert.innerText()).toContain('api.unauthenticated');
    await screen.picture('sign-in-refused');
    expect(await screen.breaches()).toEqual([]);
  });

  it('comes back to the page that was asked for after signing in, and asks again after signing out', async () => {
    screen = await dashboard.openAt('/numbers?span=7d');
    expect(await screen.heading()).toBe('Numbers');
    expect(new URL(screen.page.url()).search).toBe('?span=7d');
    await screen.page.getByRole('button', { name: 'Sign out' }).click();
    await screen.page.getByLabel('Token').waitFor();
    await screen.page.reload();
    await screen.page.getByLabel('Token').waitFor();
  });

  it('sends a session that has ended to the sign-in page', async () => {
    screen = await dashboard.openAt('/');
    await screen.page.context().clearCookies();
    await screen.page.getByRole('link', { name: 'Numbers' }).click();
    await screen.page.getByLabel('Token').waitFor();
  });

  it('goes from page to page by keys, and tells them at ?', async () => {
    screen = await dashboard.openAt('/');
    const { page } = screen;
    for (const [keys, title] of [
      ['gl', 'Live'],
      ['gd', 'Devices'],
      ['ga', 'Approvals'],
      ['gn', 'Numbers'],
      ['go', 'Overview'],
    ] as const) {
      for (const key of keys) await page.keyboard.press(key);
      await page.getByRole('heading', { level: 1, name: title }).waitFor();
      expect(await page.title()).toBe(`${title} · firstboot`);
    }
    await page.keyboard.press('/');
    expect(await page.getByRole('searchbox', { name: 'Search' }).evaluate((it) => it.matches(':focus'))).toBe(true);
    await page.keyboard.type('g');
    await page.keyboard.press('Escape');
    await page.keyboard.press('?');
    const sheet = page.getByRole('dialog', { name: 'Keyboard shortcuts' });
    await sheet.waitFor();
    expect(await sheet.innerText()).toContain('Devices');
    await screen.expectGood('shortcuts');
    await page.keyboard.press('Escape');
    await sheet.waitFor({ state: 'detached' });
    expect(await screen.heading()).toBe('Overview');
  });

  it('begins with a link over the navigation', async () => {
    screen = await dashboard.openAt('/');
    await screen.goto('/');
    await screen.page.keyboard.press('Tab');
    expect(await screen.page.evaluate('document.activeElement.textContent')).toBe('Skip to the page');
    await screen.page.keyboard.press('Enter');
    expect(await screen.page.evaluate('document.activeElement.id')).toBe('main');
  });

  it('wears the theme that was chosen, also the next time', async () => {
    screen = await dashboard.openAt('/', 'light');
    const ground = () => screen.page.evaluate<string>('getComputedStyle(document.body).backgroundColor');
    const light = await ground();
    const theme = screen.page.getByRole('button', { name: /^Theme/ });
    await theme.click();
    await theme.click();
    const dark = await ground();
    expect(dark).not.toBe(light);
    await screen.goto('/');
    expect(await ground()).toBe(dark);
    expect(await screen.breaches()).toEqual([]);
  });

  it('hides what the role does not allow, and says so at its address', async () => {
    const made = await dashboard.api().post('/tokens', { name: 'looker', role: 'viewer' });
    screen = await dashboard.openAt('/', 'light', made.body.result.token);
    const links = await screen.page.getByRole('navigation').getByRole('link').allInnerTexts();
    expect(links).toContain('Devices');
    expect(links).not.toContain('Tokens');
    await screen.goto('/tokens');
    expect(await screen.heading()).toBe('This page is not for you');
    await screen.expectGood('not-allowed');
  });

  it('has a page for addresses that lead nowhere', async () => {
    screen = await dashboard.openAt('/nowhere/at/all');
    expect(await screen.heading()).toBe('There is no such page');
    await screen.expectGood('not-found');
  });

  it('says when the service has gone, and is live again when it is back', async () => {
    const cable = await Cable.to(dashboard.url);
    screen = await dashboard.open('light', cable.url);
    await screen.signIn(dashboard.token);
    await screen.page.locator('.stream-live').waitFor();
    cable.cut();
    await screen.page.locator('.stream-waiting').waitFor();
    expect(await screen.page.locator('.stream').innerText()).toBe('Reconnecting');
    await screen.picture('reconnecting');
    cable.mend();
    await screen.page.locator('.stream-live').waitFor({ timeout: 20_000 });
    await cable.close();
  });

  it('finds a device by a part of its subject', async () => {
    await (await dashboard.device()).online().catch(() => undefined);
    screen = await dashboard.openAt('/');
    await screen.page.keyboard.press('/');
    await screen.page.keyboard.type('device-0001');
    await screen.page.keyboard.press('Enter');
    await screen.page.waitForURL(/\/devices\/[0-9a-f-]{36}$/);
  });

  it('has its pages behind a menu on a phone', async () => {
    screen = await dashboard.openAt('/', 'phone');
    const link = screen.page.getByRole('link', { name: 'Numbers' });
    expect(await link.isVisible()).toBe(false);
    await screen.page.getByRole('button', { name: 'Menu' }).click();
    await screen.expectGood('menu');
    await link.click();
    await screen.page.getByRole('heading', { level: 1, name: 'Numbers' }).waitFor();
    expect(await link.isVisible()).toBe(false);
  });
});
