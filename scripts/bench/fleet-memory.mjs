#!/usr/bin/env node
// What a device costs in memory: `node scripts/bench/fleet-memory.mjs [devices, default 500]`, after `npm run build`. A fleet over
// sockets, its service and its gateways in other processes; each figure from a process of its own, which does nothing else.
// By hand; five minutes for 500 devices, and never longer than `patience` for each of the four runs.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { readScenario, runFleet, startLocalSite } from '../../dist/index.js';
import { aligned } from './figures.mjs';

/**
 * Devices that come and go before it is measured. A process grows by 60 MiB with its first few hundred, whatever they keep:
 * compiled code, and what allocators do not give back. Devices that stay take some of that, so their figure is a lower bound.
 */
const warmUp = 300;
/** How long all is still before it is measured, ms. */
const quiet = 3000;
/** Arrivals a second: no more than the service keeps up with, so that few handshakes are going on at a time. */
const rate = 20;
/** Of one process, ms. */
const patience = 180_000;
const mostDevices = 500;

const [, , ...args] = process.argv;
if (args[0] === 'measure') await measure(args[1], args[2], Number(args[3]));
else compare(Number(args[0] ?? mostDevices));

function compare(devices) {
  if (!(Number.isInteger(devices) && devices >= 1 && devices <= mostDevices)) {
    process.stderr.write(`fleet-memory: expected a number of devices from 1 to ${mostDevices}\n`);
    process.exit(2);
  }
  const rows = ['tcp', 'udp'].flatMap((transport) => {
    const [online, left] = ['stay', 'leave'].map((afterwards) => {
      const measured = ['--expose-gc', fileURLToPath(import.meta.url), 'measure', transport, afterwards, `${devices}`];
      return JSON.parse(execFileSync(process.execPath, measured, { encoding: 'utf8', timeout: patience }));
    });
    return [
      [`${transport}, online and idle`, ...cells(online, devices)],
      [`${transport}, has left`, ...cells(left, devices)],
    ];
  });
  const head = [
    `KiB a device, ${devices} devices`,
    'resident',
    'of it JavaScript',
    'unused heap',
    'MiB before',
    'MiB then',
  ];
  process.stdout.write(`${aligned([head, ...rows], { numbers: true }).join('\n')}\n`);
}

function cells({ before, after }, devices) {
  const each = (bytes) => (bytes / devices / 1024).toFixed(1);
  const mebibytes = (bytes) => (bytes / 2 ** 20).toFixed(1);
  const grown = (what) => each(after[what] - before[what]);
  return [...['rss', 'javaScript', 'unused'].map(grown), ...[before, after].map(({ rss }) => mebibytes(rss))];
}

/** In a process of its own: memory before the fleet and with it, as JSON on standard output. */
async function measure(transport, afterwards, devices) {
  const site = await startLocalSite();
  // Nobody waits any longer: the service and its gateways must not stay behind.
  process.once('SIGTERM', () => void site.close().then(() => process.exit(1)));
  try {
    // Records are had of a stopped service: the next fleet needs it. And its devices are others.
    const lasting = { ...site, records: async () => undefined };
    const strangers = { ...lasting, identity: (device, kind) => site.identity(devices + device, kind) };
    await runFleet(scenarioOf(transport, 'leave', warmUp, 1), strangers);
    const before = await memory();
    let after;
    const held = {
      ...lasting,
      // All is as the scenario wants it: before the fleet is dissolved it is weighed.
      run: async (done, limit) => {
        const finished = await site.run(done, limit);
        after = await memory();
        return finished;
      },
    };
    const { devices: found, end } = await runFleet(scenarioOf(transport, afterwards, devices, 2), held);
    const arrived = found.filter(({ arrivedAfter }) => arrivedAfter !== undefined).length;
    if (end !== 'complete' || arrived !== devices) throw new Error(`${arrived} of ${devices} devices arrived: ${end}`);
    process.stdout.write(JSON.stringify({ before, after }));
  } finally {
    await site.close();
  }
}

function scenarioOf(transport, afterwards, devices, seed) {
  const keys = {
    ...{ name: 'memory', clock: 'real', transport, afterwards, devices, seed },
    ...{ arrival: `poisson:${rate}/s`, retry: '2,4,8', limit: '100s' },
  };
  return readScenario(JSON.stringify(keys), keys.name);
}

/** Without garbage, and after what native code frees later. */
async function memory() {
  for (let turn = 0; turn < 3; turn++) {
    await new Promise((resolve) => setTimeout(resolve, quiet / 3));
    globalThis.gc();
  }
  const { rss, heapUsed, heapTotal, external } = process.memoryUsage();
  return { rss, javaScript: heapUsed + external, unused: heapTotal - heapUsed };
}
