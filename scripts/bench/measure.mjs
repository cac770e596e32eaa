// The measurements, in the order in which they run. Every loop is bounded; times are ms, of CPU unless something else is said.
import { join } from 'node:path';
import { startWorker } from './worker.mjs';

/** How much of everything; `quick` is for a look, its numbers are rough. */
export const sizes = {
  full: {
    rounds: 3,
    operations: 500,
    issues: 1500,
    batches: 16,
    handshakes: 600,
    devices: 250,
    storm: 6,
    idle: 10_000,
  },
  quick: { rounds: 1, operations: 200, issues: 500, batches: 8, handshakes: 200, devices: 60, storm: 2, idle: 1_000 },
};

/** Handshakes at a time: enough that the service always has one to work on. */
const width = 16;
const stormWidth = 128;
/** Devices that come back for their next handshake: so many that none fills the record of its run (limits.provision). */
const returning = 256;
/** Requests of the open session in a storm: one, then a pause, to this period. */
const probeEvery = 5;
/** After this the service has written down everything that it does later. */
const settled = 1500;

/** What is measured by handshakes: a transport with a version of its protocol. */
export const kinds = [
  { name: 'DTLS 1.2', endpoint: 'udp', transport: 'datagram', maxVersion: '1.2' },
  { name: 'TLS 1.2', endpoint: 'tcp', transport: 'stream', maxVersion: '1.2' },
  { name: 'TLS 1.3', endpoint: 'tcp', transport: 'stream', maxVersion: '1.3' },
];
export const transports = [
  { name: 'DTLS', endpoint: 'udp' },
  { name: 'TLS', endpoint: 'tcp' },
];

/**
 * Handshakes, issuing and provisioning: all of it `rounds` times in turn, so that a ratio compares what ran in the same
 * seconds. @returns one record a round
 */
export async function measureCpu(folder, size, tell) {
  const workers = ['reference.mjs', 'reference.mjs', 'service.mjs', 'service.mjs', 'load.mjs'].map(startWorker);
  const [first, second, service, edge, load] = workers;
  try {
    const [endpoints, edgeEndpoints] = await Promise.all([
      service.call('start', join(folder, 'pki'), join(folder, 'data')),
      edge.call('startEdge', join(folder, 'pki')),
      load.call('prepare', join(folder, 'pki'), returning),
      first.call('prepare', join(folder, 'pki')),
      second.call('prepare', join(folder, 'pki')),
    ]);
    const round = () => oneRound({ references: [first, second], service, edge, load, endpoints, edgeEndpoints, size });
    // Code gets its final shape after some thousand calls: the first round does not count.
    tell('warming up');
    await round();
    const rounds = [];
    for (let at = 1; at <= size.rounds; at++) {
      tell(`round ${at} of ${size.rounds}: handshakes, certificates, provisionings`);
      rounds.push(await round());
    }
    return rounds;
  } finally {
    for (const worker of workers) worker.stop();
  }
}

async function oneRound({ references, service, edge, load, endpoints, edgeEndpoints, size }) {
  const operations = await bothAtOnce(references, 'operations', size.operations);
  const { issue } = await bothAtOnce(references, 'issue', size.issues);
  const handshakes = {};
  for (const { name, endpoint, transport, maxVersion } of kinds) {
    const { engine } = await bothAtOnce(references, 'engine', transport, maxVersion, size.batches, width);
    const run = (endpoints) => load.call('handshakes', endpoints[endpoint], maxVersion, size.handshakes, width);
    const atEdge = await cpuPer(edge, 'handshakes', () => run(edgeEndpoints));
    const served = await cpuPer(service, 'handshakes', () => run(endpoints));
    handshakes[name] = { engine, edge: atEdge.cpu, service: served.cpu, perSecond: served.count / served.seconds };
  }
  const provisionings = {};
  for (const { name, endpoint } of transports)
    provisionings[name] = await cpuPer(service, 'certificates', () =>
      load.call('provision', endpoints[endpoint], size.devices, width),
    );
  return { operations, issue, handshakes, provisionings };
}

/** The same in two processes: a core is slower while the other one works, and under load both do. @returns the means */
async function bothAtOnce(references, name, ...args) {
  const [one, other] = await Promise.all(references.map((reference) => reference.call(name, ...args)));
  return Object.fromEntries(Object.keys(one).map((key) => [key, (one[key] + other[key]) / 2]));
}

/** CPU of `service` for each thing that `work` does, everything included that follows later, ms. */
async function cpuPer(service, counted, work) {
  const before = await service.call('spent');
  const done = await work();
  await pause(settled);
  const after = await service.call('spent');
  const seen = after[counted] - before[counted];
  if (seen !== done.count) throw new Error(`of ${done.count} ${counted} the service has seen ${seen}`);
  return { ...done, cpu: (after.cpu - before.cpu) / done.count };
}

/** Round trips of an open session, alone and beside 128 handshakes at a time; sorted. */
export async function measureStorm(folder, size, tell) {
  const workers = ['service.mjs', 'load.mjs', 'load.mjs'].map(startWorker);
  const [service, load, prober] = workers;
  try {
    const [endpoints] = await Promise.all([
      service.call('start', join(folder, 'pki'), join(folder, 'storm')),
      load.call('prepare', join(folder, 'pki'), returning),
      prober.call('prepare', join(folder, 'pki'), 1),
    ]);
    const found = {};
    for (const { name, endpoint } of transports) {
      tell(`storm over ${name}`);
      const at = endpoints[endpoint];
      await load.call('handshakes', at, '1.3', 200, width);
      await prober.call('probe', at, 1, probeEvery);
      const quiet = await prober.call('probe', at, size.storm / 2, probeEvery);
      const storm = load.call('storm', at, '1.3', size.storm, stormWidth);
      await pause(500);
      const busy = await prober.call('probe', at, size.storm - 1, probeEvery);
      const { count, seconds } = await storm;
      const sorted = (times) => times.toSorted((a, b) => a - b);
      found[name] = { quiet: sorted(quiet), busy: sorted(busy), perSecond: count / seconds };
    }
    return found;
  } finally {
    for (const worker of workers) worker.stop();
  }
}

/** Resident memory of the service for each of `size.idle` sessions of as many devices, bytes. */
export async function measureMemory(folder, size, tell) {
  const found = {};
  for (const { name, endpoint } of transports) {
    tell(`${size.idle} idle sessions over ${name}`);
    const workers = ['service.mjs', 'load.mjs'].map(startWorker);
    const [service, load] = workers;
    try {
      const [endpoints] = await Promise.all([
        service.call('start', join(folder, 'pki'), join(folder, `memory-${endpoint}`)),
        load.call('prepare', join(folder, 'pki'), 16),
      ]);
      await load.call('handshakes', endpoints[endpoint], '1.3', 300, width);
      await pause(settled);
      const before = await service.call('memory');
      const sessions = await load.call('hold', endpoints[endpoint], size.idle, width);
      await pause(2 * settled);
      const after = await service.call('memory');
      found[name] = {
        sessions,
        each: (after.rss - before.rss) / sessions,
        heapEach: (after.heapUsed + after.external - before.heapUsed - before.external) / sessions,
      };
    } finally {
      for (const worker of workers) worker.stop();
    }
  }
  return found;
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
