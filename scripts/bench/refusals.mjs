#!/usr/bin/env node
// What strangers cost: `node scripts/bench/refusals.mjs [--rate 1000] [--seconds 60] [--json]`, after `npm run build`. A real
// service on loopback refuses so many unknown peers a second while admitted devices provision and ask. It only measures: memory
// and disk of the service, attempts recorded and counted, and how long admitted devices wait, in quiet and under attack.
// Service, attackers and devices are processes of their own; the attackers are last in line for the CPU.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { developmentHub } from '../../dist/development.js';
import { createDevelopmentPki, writeDevelopmentPki } from '../../dist/pki/development.js';
import { aligned, mebibytes, quantile } from './figures.mjs';
import { options } from './options.mjs';
import { startWorker } from './worker.mjs';

const { rate, seconds, json } = options('refusals', {
  rate: { standard: 1000, least: 1, most: 10_000 },
  seconds: { standard: 60, least: 1, most: 100 },
  json: false,
});
/** New devices a second that provision from first boot on; and the pause of the open session between two questions, ms. */
const arrivals = 4;
const probeEvery = 20;
/** Before anything is measured: code gets its final shape. */
const warmUp = 5;
/** After the attack: what is written later is written, and what is garbage is gone. */
const calm = 6000;

const folder = mkdtempSync(join(tmpdir(), 'firstboot-refusals-'));
const workers = Array.from({ length: 3 }, () => startWorker('refusals-worker.mjs'));
try {
  const [service, attackers, devices] = workers;
  const now = Date.now();
  await writeDevelopmentPki(createDevelopmentPki({ devices: 1, hubId: developmentHub.id, now }), join(folder, 'pki'));
  const endpoints = await service.call('start', join(folder, 'pki'), join(folder, 'data'));
  await Promise.all([attackers, devices].map((worker) => worker.call('prepare', join(folder, 'pki'), endpoints)));

  await Promise.all([devices.call('live', warmUp, arrivals, probeEvery), attackers.call('attack', 2, rate / 10)]);
  await wait(calm);
  const before = await service.call('state');
  const quiet = await devices.call('live', seconds, arrivals, probeEvery);
  const start = await service.call('state');
  const [attack, attacked] = await Promise.all([
    attackers.call('attack', seconds, rate),
    devices.call('live', seconds, arrivals, probeEvery),
  ]);
  const atEnd = await service.call('state');
  await wait(calm);
  const after = await service.call('state');
  const found = { rate, seconds, attack, quiet, attacked, before, start, atEnd, after };
  process.stdout.write(json ? `${JSON.stringify(found)}\n` : render(found));
} finally {
  for (const worker of workers) worker.stop();
  rmSync(folder, { recursive: true, force: true });
}

function render({ attack, quiet, attacked, before, start, atEnd, after }) {
  const ms = (times, share) => (times.length === 0 ? '-' : quantile(times, share).toFixed(1));
  const compared = (name, key) => [
    [`${name}, p50`, `${ms(quiet[key], 0.5)} ms quiet`, `${ms(attacked[key], 0.5)} ms under attack`],
    [`${name}, p99`, `${ms(quiet[key], 0.99)} ms quiet`, `${ms(attacked[key], 0.99)} ms under attack`],
  ];
  const grown = (key) => after[key] - start[key];
  const lines = [
    ['strangers', `${attack.ended} refused`, `${(attack.ended / seconds).toFixed(0)}/s of ${rate}/s asked for`],
    ...Object.entries(attack.kinds).map(([name, count]) => [`  ${name}`, `${count}`, '']),
    ['  no room to begin', `${attack.skipped}`, `${attack.unanswered} without an end`],
    ['on record', `${grown('recorded')} attempts`, `${grown('counted')} counted`],
    ...Object.entries(after.codes).map(([code, { count, recorded }]) => [
      `  ${code}`,
      `${recorded} recorded`,
      `${count} counted`,
    ]),
    [
      'memory (RSS)',
      `${mebibytes(before.rss)} before`,
      `${mebibytes(after.rss)} after, ${mebibytes(after.maxRss)} at most`,
    ],
    ['held by JavaScript', `${mebibytes(before.held)} before`, `${mebibytes(after.held)} after`],
    [
      'store on disk',
      `${mebibytes(start.disk)} before`,
      `${mebibytes(atEnd.disk)} at the end, ${mebibytes(after.disk)} after`,
    ],
    ...compared('provisioning', 'provisioned'),
    ...compared('one question', 'asked'),
    ['devices that failed', `${quiet.failed} quiet`, `${attacked.failed} under attack`],
  ];
  return `${aligned(lines).join('\n')}\n`;
}

function wait(time) {
  return new Promise((resolve) => setTimeout(resolve, time));
}
