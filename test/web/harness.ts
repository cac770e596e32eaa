import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect } from 'vitest';
import { type DevelopmentSettings, developmentHub, developmentSettings } from '../../src/development.ts';
import type { FactoryIdentity } from '../../src/device/identity.ts';
import { SimulatedDevice } from '../../src/device/simulator.ts';
import { type RunningGateway, startGateway } from '../../src/gateway.ts';
import { type Service, startService } from '../../src/main.ts';
import { createDevelopmentPki, type DevelopmentPki } from '../../src/pki/development.ts';
import { freePort } from '../../src/transport/free-port.ts';
import { type ApiClient, apiClient } from '../support/api.ts';
import { findPeer } from '../support/peers.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const browser = findPeer('chromium');

/** What a browser is set up as: a desk in the light, in the dark, and a phone. */
const looks = {
  light: { viewport: { width: 1280, height: 860 }, colorScheme: 'light', reducedMotion: 'reduce' },
  dark: { viewport: { width: 1280, height: 860 }, colorScheme: 'dark', reducedMotion: 'reduce' },
  phone: { viewport: { width: 360, height: 740 }, colorScheme: 'light', reducedMotion: 'reduce', hasTouch: true },
} as const satisfies Record<string, BrowserContextOptions>;
export type Look = keyof typeof looks;
export const everyLook = Object.keys(looks) as readonly Look[];

export interface DashboardOptions {
  /** Manufacturer identities that may come. Default 1. */
  readonly devices?: number;
  readonly settings?: (settings: DevelopmentSettings, pki: DevelopmentPki) => DevelopmentSettings;
  /** A cloud for the devices; without one they stay at its door. Default false. */
  readonly cloud?: boolean;
}

/**
 * A suite before the browser, or the reason why it is skipped. `begin` makes the dashboard that all of its tests share, and
 * what is there is in `site` when the first of them runs. Each test opens screens of its own, which are closed behind it.
 */
export function inBrowser<Site extends { readonly dashboard: Dashboard }>(
  what: string,
  begin: () => Promise<Site>,
  tests: (site: Site) => void,
): void {
  describe.skipIf(browser.missing)(`${what} in ${browser.title}`, () => {
    const site = {} as Site;
    beforeAll(async () => void Object.assign(site, await begin()));
    afterEach(() => site.dashboard?.closeScreens());
    afterAll(() => site.dashboard?.close());
    tests(site);
  });
}

/**
 * Expects of what `read` gives that it becomes so: a page shows what it learns when its machine gets to it, so nothing is read
 * once only right after something else has come.
 */
export const eventually = <T>(read: () => T, message?: string) =>
  expect.poll(read, { timeout: patience, ...(message !== undefined && { message }) });

/** How long a page has for anything, ms. */
const patience = 60_000;

/** The real service with its API and the built dashboard, and a browser before it. */
export class Dashboard {
  readonly service: Service;
  readonly pki: DevelopmentPki;
  readonly url: string;
  /** An admin's. */
  readonly token: string;
  private readonly chromium: Browser;
  private readonly undo: (() => Promise<unknown>)[];
  private readonly screens: Screen[] = [];

  private constructor(parts: {
    service: Service;
    pki: DevelopmentPki;
    chromium: Browser;
    undo: (() => Promise<unknown>)[];
  }) {
    const { apiUrl, adminToken } = parts.service;
    if (apiUrl === undefined || adminToken === undefined) throw new Error('the service has no dashboard');
    this.service = parts.service;
    this.pki = parts.pki;
    this.chromium = parts.chromium;
    this.undo = parts.undo;
    this.url = apiUrl;
    this.token = adminToken;
  }

  static async start({ devices = 1, settings = (it) => it, cloud = false }: DashboardOptions = {}): Promise<Dashboard> {
    // In a process of its own, as `npm run build` does it; nothing happens when it is up to date.
    execFileSync(process.execPath, [fileURLToPath(new URL('../../scripts/build-web.mjs', import.meta.url))]);
    const undo: (() => Promise<unknown>)[] = [];
    const folder = await temporaryFolder();
    undo.unshift(folder.remove);
    const pki = createDevelopmentPki({ devices, hubId: developmentHub.id, now: Date.now() });
    const gatewayPort = await freePort();
    const gateway = `coaps+tcp://127.0.0.1:${gatewayPort}`;
    const service = await startService({
      ...settings(developmentSettings(pki, { gateway }), pki),
      data: join(folder.path, 'data'),
      api: { host: '127.0.0.1', port: 0 },
    });
    undo.unshift(() => service.close());
    if (cloud) {
      const running: RunningGateway = await startGateway({
        host: '127.0.0.1',
        port: gatewayPort,
        hubId: pki.hubId,
        identity: pki.gateway,
        trustAnchors: pki.authority.trustAnchors,
        issuer: service.issuerUrl,
      });
      undo.unshift(() => running.close());
    }
    const browser = await chromium.launch({ executablePath: browserPath(), args: ['--no-sandbox'] });
    undo.unshift(() => browser.close());
    return new Dashboard({ service, pki, chromium: browser, undo });
  }

  /** A device of the development PKI, over real sockets. */
  async device(index = 0, { timeout = 20_000 } = {}): Promise<SimulatedDevice> {
    const made = this.pki.devices[index];
    if (!made) throw new Error(`the PKI has no device ${index}`);
    const { chain, privateKey } = made;
    const identity: FactoryIdentity = { chain, privateKey, serviceCa: [this.pki.serviceCa.certificate.der] };
    const device = await SimulatedDevice.create({ endpoint: this.service.endpoints.udp ?? '', identity, timeout });
    this.undo.unshift(() => device.close());
    return device;
  }

  /** The API in the name of the admin, or of another token. */
  api(token: string = this.token): ApiClient {
    return apiClient(this.url, { authorization: `Bearer ${token}` });
  }

  /** A page of its own that nobody is signed in at. */
  async open(look: Look | BrowserContextOptions = 'light', url: string = this.url): Promise<Screen> {
    const context = await this.chromium.newContext(typeof look === 'string' ? looks[look] : look);
    const page = await context.newPage();
    page.setDefaultTimeout(patience);
    const screen = new Screen(page, url, typeof look === 'string' ? look : 'own');
    this.screens.push(screen);
    return screen;
  }

  /** The same, signed in and at a page. */
  async openAt(
    path: string,
    look: Look | BrowserContextOptions = 'light',
    token: string = this.token,
  ): Promise<Screen> {
    const screen = await this.open(look);
    await screen.signIn(token, path);
    return screen;
  }

  async closeScreens(): Promise<void> {
    for (const screen of this.screens.splice(0)) await screen.close();
  }

  async close(): Promise<void> {
    for (const step of this.undo.splice(0)) await step();
  }
}

/** A dashboard with nothing in it: what a suite begins with that needs no more. */
export const started = async (options?: DashboardOptions) => ({ dashboard: await Dashboard.start(options) });

/** One tab, and everything that it complained of. */
export class Screen {
  readonly page: Page;
  /** Errors and warnings of the console, breaches of the content security policy, exceptions. */
  readonly complaints: string[] = [];
  private readonly url: string;
  private readonly look: string;

  constructor(page: Page, url: string, look: string) {
    this.page = page;
    this.url = url;
    this.look = look;
    page.on('console', (message) => {
      const { url: at } = message.location();
      // The browser says so itself when nobody is signed in.
      if (message.text().includes('401') && at.endsWith('/api/v1/session')) return;
      if (['error', 'warning'].includes(message.type())) this.complaints.push(`${message.text()} (${at})`);
    });
    page.on('pageerror', (error) => this.complaints.push(error.stack ?? error.message));
  }

  async signIn(token: string, path = '/'): Promise<void> {
    await this.page.goto(`${this.url}${path}`);
    await this.page.getByLabel('Token').fill(token);
    await this.page.getByRole('button', { name: 'Sign in' }).click();
    await this.page.locator('#main h1').waitFor();
  }

  async goto(path: string): Promise<void> {
    await this.page.goto(`${this.url}${path}`);
    await this.page.locator('#main h1').waitFor();
  }

  /** Waits until the page has this heading and the title that goes with it. */
  async isAt(heading: string): Promise<void> {
    await this.page.getByRole('heading', { level: 1, name: heading, exact: true }).waitFor();
    await eventually(() => this.page.title()).toBe(`${heading} · firstboot`);
  }

  /** Breaches of WCAG 2.2 AA and of good practice, as `rule: element`. */
  async breaches(): Promise<readonly string[]> {
    // By the debugger: the page's policy lets no foreign script in.
    const session = await this.page.context().newCDPSession(this.page);
    const expression = `${axeSource}; axe.run(document, { runOnly: ${JSON.stringify(axeTags)} }).then(({ violations }) =>
      violations.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => id + ': ' + target + ' ' + failureSummary)))`;
    const { result, exceptionDetails } = await session.send('Runtime.evaluate', {
      expression,
      awaitPromise: true,
      returnByValue: true,
    });
    await session.detach();
    if (exceptionDetails) throw new Error(exceptionDetails.text);
    return result.value as string[];
  }

  /** Accessible, nothing sticking out, nothing complained of; and a picture for people. */
  async expectGood(name: string): Promise<void> {
    await this.picture(name);
    expect(await this.breaches()).toEqual([]);
    const width = await this.page.evaluate<number>(
      'document.documentElement.scrollWidth - document.documentElement.clientWidth',
    );
    expect(width, 'px that stick out to the right').toBe(0);
    expect(this.complaints).toEqual([]);
  }

  /** Into the folder FIRSTBOOT_SCREENSHOTS, or one of the system's temporary folder. */
  async picture(name: string): Promise<void> {
    mkdirSync(pictures, { recursive: true });
    await this.page.screenshot({ path: join(pictures, `${name}-${this.look}.png`) });
  }

  close(): Promise<void> {
    return this.page.context().close();
  }
}

/** Where the browser is: the driver wants a path. */
function browserPath(): string {
  const found = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, browser.program));
  const path = found.find((file) => existsSync(file));
  if (path === undefined) throw new Error('chromium is not on PATH');
  return path;
}

const pictures = process.env.FIRSTBOOT_SCREENSHOTS ?? join(tmpdir(), 'firstboot-screenshots');
const axeTags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
