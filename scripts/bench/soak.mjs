#!/usr/bin/env node
// A long look: `node scripts/bench/soak.mjs [--minutes 30] [--rate 50]`, after `npm run build`. `firstboot serve` runs as its unit runs it,
// new devices provision from first boot on, so many a second, and a browser has the dashboard's live page open. It only measures: memory
// of the service every half minute, how long devices take, what is in its log, and whether any key or token of the run is in it.
// Needs `chromium`; service, devices and browser are processes of their own.
import { spawn } from 'node:child_process';
import { createReadStream, createWriteStream, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';
import { developmentHub } from '../../dist/development.js';
import { createDevelopmentPki, writeDevelopmentPki } from '../../dist/pki/development.js';
import { aligned, bytesUnder, mebibytes, quantile } from './figures.mjs';
import { options } from './options.mjs';
import { startWorker } from './worker.mjs';

const { minutes, rate } = options('soak', {
  minutes: { standard: 30, least: 0.5, most: 500, parts: true },
  rate: { standard: 50, least: 1, most: 500 },
});
/** The devices' process is called for so long at a time, s. */
const slice = 30;
/** What the unit tells Node. */
const nodeOptions = /^ExecStart=\S+ (.*?) ?\S+\/main\.js /m
  .exec(readFileSync('packaging/firstboot.service', 'utf8'))[1]
  .split(' ');

const folder = mkdtempSync(join(tmpdir(), 'firstboot-soak-'));
const logFile = join(folder, 'service.log');
const undo = [() => rmSync(folder, { recursive: true, force: true })];
try {
  const data = join(folder, 'data');
  const pki = createDevelopmentPki({ devices: 1, hubId: developmentHub.id, now: Date.now() });
  await writeDevelopmentPki(pki, join(data, 'pki'));
  const service = await serve(data);
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
  undo.push(() => browser.close());
  const complaints = [];
  const page = await watch(browser, service, complaints);
  const devices = startWorker('refusals-worker.mjs');
  undo.push(() => devices.stop());
  await devices.call('prepare', join(data, 'pki'), service.endpoints);

  const samples = [];
  const times = [];
  let failed = 0;
  for (let at = 0; at < (minutes * 60) / slice; at++) {
    const found = await devices.call('live', slice, rate, 1000);
    times.push(...found.provisioned);
    failed += found.failed;
    const sample = { seconds: (at + 1) * slice, provisioned: times.length, ...(await sizes(service, page)) };
    samples.push(sample);
    const { seconds, provisioned, rss, own, heap, kept, disk, tab } = sample;
    const cells = [
      `${seconds} s`,
      `${provisioned} devices`,
      mebibytes(rss, 0),
      `own ${mebibytes(own, 0)}`,
      `heap ${mebibytes(heap, 0)} of ${mebibytes(kept, 0)}`,
      `disk ${mebibytes(disk, 0)}`,
      `tab ${mebibytes(tab, 0)}`,
    ];
    process.stderr.write(`${cells.join('  ')}\n`);
  }
  const live = await page.getByText('since you opened this page').first().innerText();
  await browser.close();
  await service.stop();
  process.stdout.write(await report({ samples, times, failed, live, complaints, data, token: service.token }));
} finally {
  for (const step of undo.reverse()) await step();
}

async function serve(data) {
  const args = [...nodeOptions, 'dist/cli/main.js', 'serve', '--json', '--log-level', 'info', '--data', data];
  const ports = ['--port', '0', '--issuer-port', '0', '--api-port', '0'];
  const child = spawn(process.execPath, [...args, ...ports], { stdio: ['ignore', 'pipe', 'pipe'] });
  undo.push(() => child.kill('SIGKILL'));
  child.stderr.pipe(createWriteStream(logFile));
  const said = {};
  for await (const line of createInterface({ input: child.stdout })) {
    const event = JSON.parse(line);
    said[event.event] = event;
    if (said.listening && said['admin-token']) break;
  }
  child.stdout.resume();
  const { endpoints, api } = said.listening;
  const { token } = said['admin-token'];
  const ended = new Promise((resolve) => child.once('exit', resolve));
  return { pid: child.pid, endpoints, api, token, data, stop: () => child.kill('SIGTERM') && ended };
}

async function watch(browser, { api, token }, complaints) {
  const page = await browser.newPage();
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => {
    // That nobody is signed in yet is what the first question is for.
    if (message.type() === 'error' && !message.text().includes('401')) complaints.push(message.text());
  });
  await page.goto(`${api}/live`);
  await page.locator('input').first().fill(token);
  await page.keyboard.press('Enter');
  await page.locator('.stream-live').waitFor();
  return page;
}

async function sizes({ pid, api, token, data }, page) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const inStatus = (key) => Number(new RegExp(`${key}:\\s+(\\d+) kB`).exec(status)?.[1]) * 1024;
  const metrics = await (await fetch(`${api}/metrics`, { headers: { authorization: `Bearer ${token}` } })).text();
  const inMetrics = (name) => Number(new RegExp(`^\\w*${name} (\\S+)`, 'm').exec(metrics)?.[1]);
  const heap = inMetrics('nodejs_heap_size_used_bytes');
  const kept = inMetrics('nodejs_heap_size_total_bytes');
  const tab = await page.evaluate(() => globalThis.performance.memory.usedJSHeapSize);
  // The store maps its files: what it has read of them counts as resident, and goes when others need the room.
  return { rss: inStatus('VmRSS'), own: inStatus('RssAnon'), heap, kept, tab, disk: bytesUnder(data) };
}

async function report({ samples, times, failed, live, complaints, data, token }) {
  const levels = {};
  const wrong = [];
  const secrets = secretsIn(data, token);
  const leaked = new Set();
  for await (const line of createInterface({ input: createReadStream(logFile) })) {
    const { level } = JSON.parse(line);
    levels[level] = (levels[level] ?? 0) + 1;
    if (level >= 40 && wrong.length < 5) wrong.push(line);
    for (const [name, text] of secrets) if (line.includes(text)) leaked.add(name);
  }
  const ms = (share) => `${quantile(times, share)?.toFixed(1)} ms`;
  const at = (share) => samples[Math.min(samples.length - 1, Math.floor(share * samples.length))];
  const over = (key) => [0.1, 0.25, 0.5, 0.75, 1].map((share) => mebibytes(at(share)[key], 0)).join(', ');
  const lines = [
    [
      'provisioned',
      `${times.length} devices in ${minutes} min (${(times.length / minutes / 60).toFixed(1)}/s), ${failed} failed`,
    ],
    ['first boot', `p50 ${ms(0.5)}, p90 ${ms(0.9)}, p99 ${ms(0.99)}`],
    ['memory (RSS) at 10, 25, 50, 75, 100 %', over('rss')],
    ['without mapped files (RssAnon)', over('own')],
    ['heap in use', over('heap')],
    ['heap, with what is free in it', over('kept')],
    ['heap of the dashboard', over('tab')],
    ['disk', over('disk')],
    ['log lines by level', JSON.stringify(levels)],
    [
      'secrets looked for, found in the log',
      `${secrets.length}, ${leaked.size === 0 ? 'none' : [...leaked].join(', ')}`,
    ],
    ['dashboard', `${live}; ${complaints.length} complaints ${complaints.slice(0, 3).join(' | ')}`],
    ...wrong.map((line) => ['warning or error', line]),
  ];
  return `${aligned(lines).join('\n')}\n`;
}

/** The token, and of every private key below a folder a piece of its base64, its bytes in base64 and in hex. */
function secretsIn(data, token) {
  const found = [['admin token', token]];
  for (const file of readdirSync(data, { recursive: true })) {
    const path = join(data, file);
    if (!statSync(path).isFile() || !path.endsWith('.pem')) continue;
    for (const [, body = ''] of readFileSync(path, 'utf8').matchAll(/PRIVATE KEY-----\n([^-]+)-----END/g)) {
      const base64 = body.replaceAll('\n', '');
      const hex = Buffer.from(base64, 'base64').toString('hex');
      found.push([`${file}, PEM`, body.trim().split('\n')[0]], [`${file}, base64`, base64], [`${file}, hex`, hex]);
    }
  }
  return found;
}
