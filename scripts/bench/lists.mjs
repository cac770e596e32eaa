#!/usr/bin/env node
// What lists cost as the store grows: `node scripts/bench/lists.mjs [--large 100000] [--json]`, after `npm run build`. Two services of
// their own on loopback, one with 1,000 devices and 10,000 attempts, one with a hundred times as many (or --large devices and ten
// times as many attempts), are asked for the same pages in turns. It only measures: the median time of each list call in both.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { aligned, median } from './figures.mjs';
import { day, largeOption, now, openSites, small } from './filled-sites.mjs';
import { options } from './options.mjs';

const { large, json } = options('lists', { large: largeOption, json: false });
const rounds = 31;

const folder = mkdtempSync(join(tmpdir(), 'firstboot-lists-'));
let sites = [];

/** Every list and count that a page of the dashboard asks for; `{…}` is filled in from the site. */
function calls() {
  return [
    '/overview',
    '/devices',
    '/devices?sort=seen',
    '/devices?sort=created',
    '/devices?state=pending',
    '/devices?state=quarantined',
    '/devices?group=line%201',
    '/devices?group=line%203&state=pending',
    '/devices?hub={hub}',
    '/devices?alarms=true',
    '/devices?text=device-0000500',
    '/devices?cursor={cursor}',
    '/devices/{device}',
    '/devices/{deviceId}',
    '/attempts',
    '/attempts?verdict=refused',
    '/attempts?code=attest.expired',
    '/attempts?code=bind',
    '/attempts?group=line%202',
    '/attempts?device={device}',
    '/attempts?text=device-0000500',
    '/attempts/{attempt}',
    '/attempts/{attempt}/explanation',
    '/credentials',
    '/credentials?expiringWithin=604800000',
    '/credentials?device={device}',
    '/groups',
    '/groups/line%201',
    '/hubs',
    '/ca',
    '/ca/horizon',
    '/audit?newest=true',
    '/events/history',
    `/statistics?since=${now - 7 * day}&step=3600000`,
    '/refusals',
    '/tokens',
    '/webhooks',
  ];
}

async function compare(path) {
  const times = [[], []];
  const rows = [];
  for (let round = 0; round < rounds; round++) {
    for (const [at, site] of sites.entries()) {
      const begun = performance.now();
      const answer = await fetch(`${site.service.apiUrl}/api/v1${site.fill(path)}`, {
        headers: { authorization: `Bearer ${site.token}` },
      });
      const text = await answer.text();
      times[at].push(performance.now() - begun);
      if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${text}`);
      rows[at] = JSON.parse(text).items?.length;
    }
  }
  // The first ones warm up.
  const [few, many] = times.map((all) => median(all.slice(5)));
  return { path, rows, few, many, ratio: many / few };
}

function render(found) {
  const lines = found.map(({ path, rows: [few = '', many = ''], few: fast, many: slow, ratio }) => [
    path,
    `${few}`,
    `${many}`,
    `${fast.toFixed(2)} ms`,
    `${slow.toFixed(2)} ms`,
    `${ratio.toFixed(2)} x`,
  ]);
  const head = ['GET /api/v1', `rows at ${small}`, `at ${large}`, `time at ${small}`, `at ${large}`, 'ratio'];
  return `${aligned([head, ...lines]).join('\n')}\n`;
}

try {
  sites = await openSites(folder, [small, large], (text) => process.stderr.write(`${text}\n`));
  const found = [];
  for (const path of calls()) found.push(await compare(path));
  process.stdout.write(json ? `${JSON.stringify(found)}\n` : render(found));
} finally {
  for (const { service } of sites) await service.close();
  rmSync(folder, { recursive: true, force: true });
}
