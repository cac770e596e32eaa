#!/usr/bin/env node
// What the dashboard's pages cost as the store grows: `node scripts/bench/pages.mjs [--large 100000] [--turns 15] [--json]`, after
// `npm run build`. Two services on loopback as in lists.mjs, and Chromium, signed in at both. Each page is opened by a link within
// the dashboard, in turns, and timed until what it is about stands there. Then the long list of devices: thousands of rows
// down, back up, and a search. It only measures. Needs `chromium`; five minutes.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { aligned, median } from './figures.mjs';
import { largeOption, openSites, small } from './filled-sites.mjs';
import { options } from './options.mjs';

const { large, turns, json } = options('pages', {
  large: largeOption,
  turns: { standard: 15, least: 3, most: 100 },
  json: false,
});
/** Of each page, before it is measured: its code is fetched and compiled, and the service's too. */
const warmUp = 3;
/** The list of devices is followed for so many rows. */
const deep = 5000;

/** Every page of src/web/routes.tsx, with what is there when it can be read; `{…}` is filled in from the site. */
const pages = [
  ['/', '.tile'],
  ['/live', '.endings tbody tr'],
  ['/devices', 'a.row-link'],
  ['/devices?sort=seen', 'a.row-link'],
  ['/devices?state=pending', 'a.row-link'],
  ['/devices/{device}', '.timeline-entry'],
  ['/approvals', '.queue-row'],
  ['/attempts', 'a.row-link'],
  ['/attempts?code=attest.expired', 'a.row-link'],
  ['/attempts/{attempt}', '.timeline-entry'],
  ['/groups', 'table tbody tr'],
  ['/groups/{group}', '.editor'],
  ['/new/group', '.editor'],
  ['/hubs', 'table tbody tr'],
  ['/hubs/{hub}', '.editor'],
  ['/new/hub', '.editor'],
  ['/authorities', 'table[aria-label^="Authorities"] tbody tr'],
  ['/numbers', '.chart canvas'],
  ['/audit', '[data-row] time'],
  ['/webhooks', '.empty'],
  ['/tokens', 'table tbody tr'],
];

/** What is on its way: a page that shows any of it is not there. */
const underWay = '.loading, .skeleton, [aria-busy="true"]';

/** Where nothing is asked for: pages are opened from there. */
const nowhere = ['/nowhere', 'p > a[href="/"]'];

const folder = mkdtempSync(join(tmpdir(), 'firstboot-pages-'));
let sites = [];
let browser;

/** A tab of its own, signed in, at a page that shows nothing. */
async function enter({ service, token }) {
  const page = await (await browser.newContext({ viewport: { width: 1280, height: 800 } })).newPage();
  page.setDefaultTimeout(60_000);
  await page.goto(`${service.apiUrl}${nowhere[0]}`);
  await page.getByLabel('Token').fill(token);
  await page.keyboard.press('Enter');
  await page.locator('#main h1').waitFor();
  return page;
}

async function compare(path, there) {
  const times = [[], []];
  for (let turn = 0; turn < warmUp + turns; turn++) {
    for (const [at, { page, fill }] of sites.entries()) {
      await follow(page, ...nowhere);
      const took = await follow(page, fill(path), there).catch((error) => {
        throw new Error(`${path}: ${error.message}`, { cause: error });
      });
      if (turn >= warmUp) times[at].push(took);
    }
  }
  const [few, many] = times.map(median);
  return { path, few, many, ratio: many / few };
}

/** Clicks a link to `path`. @returns ms until `there` stands on the page, laid out, and nothing on it is under way */
function follow(page, path, there) {
  return page.evaluate(
    ([to, wanted, unwanted]) =>
      new Promise((resolve, reject) => {
        const { document, location, performance, MutationObserver } = globalThis;
        const main = document.getElementById('main');
        const link = Object.assign(document.createElement('a'), { href: to });
        document.body.append(link);
        const look = () => {
          if (main.querySelector(unwanted) || !main.querySelector(wanted) || !main.querySelector('h1')) return;
          watch.disconnect();
          clearTimeout(timer);
          main.getBoundingClientRect();
          resolve(performance.now() - begun);
        };
        const watch = new MutationObserver(look);
        watch.observe(main, { subtree: true, childList: true, attributes: true, characterData: true });
        const timer = setTimeout(() => reject(new Error(`nothing at ${location.pathname}: ${main.innerText}`)), 20_000);
        const begun = performance.now();
        link.click();
        link.remove();
        look();
      }),
    [path, there, underWay],
  );
}

/**
 * The list of devices: on to its end again and again until `deep` rows are known, then to the middle of them, which has been let go
 * by then, then a search. @returns ms, and the longest that the page gave no frame
 */
async function scroll({ page, devices }) {
  await follow(page, ...nowhere);
  await follow(page, '/devices', 'a.row-link');
  const rows = Math.min(deep, devices);
  const found = await page.evaluate(
    async ([most, unwanted]) => {
      const { document, performance, requestAnimationFrame, scrollTo } = globalThis;
      const main = document.getElementById('main');
      const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
      let last = performance.now();
      let hold = 0;
      const until = async (there) => {
        const begun = performance.now();
        while (!there() || main.querySelector(unwanted)) {
          if (performance.now() - begun > 20_000) throw new Error('the rows do not come');
          await frame();
          const now = performance.now();
          hold = Math.max(hold, now - last);
          last = now;
        }
        return performance.now() - begun;
      };
      const end = () => Number([...main.querySelectorAll('[data-row]')].at(-1)?.dataset.row) + 1;
      const steps = [];
      for (let before = end(); before < most; before = end()) {
        scrollTo({ top: document.documentElement.scrollHeight, behavior: 'instant' });
        steps.push(await until(() => end() > before));
      }
      const known = end();
      scrollTo({ top: document.documentElement.scrollHeight / 2, behavior: 'instant' });
      const middle = Math.floor(known / 2);
      const back = await until(() => main.querySelector(`[data-row="${middle}"] a.row-link`));
      return { known, steps, back, hold };
    },
    [rows, underWay],
  );
  // Typed as people do it: it begins when the typing stops.
  const begun = performance.now();
  await page.getByLabel('Subject, id, serial or address').fill('device-0000500');
  await page.locator('a.row-link', { hasText: 'device-0000500' }).waitFor();
  return { ...found, search: performance.now() - begun };
}

const ms = (time) => `${time.toFixed(0)} ms`;

function render({ opened, scrolled }) {
  const lines = opened.map(({ path, few, many, ratio }) => [path, ms(few), ms(many), `${ratio.toFixed(2)} x`]);
  const head = ['page', `at ${small}`, `at ${large}`, 'ratio'];
  const line = (name, of) => [name, ...scrolled.map(of)];
  const list = [
    line('list of devices', ({ devices }) => `at ${devices}`),
    line('rows gone down', ({ known }) => `${known}`),
    line('the next rows, the first ten times', ({ steps }) => ms(median(steps.slice(0, 10)))),
    line('the next rows, the last ten times', ({ steps }) => ms(median(steps.slice(-10)))),
    line('back to the middle', ({ back }) => ms(back)),
    line('longest without a frame', ({ hold }) => ms(hold)),
    line('search by a subject, to its row', ({ search }) => ms(search)),
  ];
  return `${[...aligned([head, ...lines], { numbers: true }), '', ...aligned(list, { numbers: true })].join('\n')}\n`;
}

try {
  sites = await openSites(folder, [small, large], (text) => process.stderr.write(`${text}\n`));
  browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
  for (const site of sites) site.page = await enter(site);
  const opened = [];
  for (const [path, there] of pages) opened.push(await compare(path, there));
  const scrolled = [];
  for (const site of sites) scrolled.push({ devices: site.devices, ...(await scroll(site)) });
  process.stdout.write(json ? `${JSON.stringify({ opened, scrolled })}\n` : render({ opened, scrolled }));
} finally {
  await browser?.close();
  for (const { service } of sites) await service.close();
  rmSync(folder, { recursive: true, force: true });
}
