// The load generator: many devices in one process. What it costs is in nobody's numbers; it only has to keep the service busy.
import { setPriority } from 'node:os';
import { parseCoapUri } from '../../dist/coap/uri.js';
import { systemTimers } from '../../dist/core/clock.js';
import { systemRandom } from '../../dist/core/random.js';
import { SimulatedDevice } from '../../dist/device/simulator.js';
import { steps as provisioningSteps } from '../../dist/device/steps.js';
import { loadDevelopmentPki } from '../../dist/pki/development.js';
import { createSecureContext } from '../../dist/secure/engine.js';
import { dial } from '../../dist/transport/client.js';
import { askForOwnership, clientContext, makeDevices } from './peers.mjs';
import { serveCalls } from './worker.mjs';

let pki;
/** Devices that come back in the handshake measurements, with their contexts by transport and version. */
const returning = [];
const contexts = new Map();
const held = [];

function contextFor(at, scheme, maxVersion) {
  const key = `${at % returning.length} ${scheme} ${maxVersion}`;
  const transport = scheme === 'coaps' ? 'datagram' : 'stream';
  if (!contexts.has(key))
    contexts.set(key, createSecureContext(clientContext(returning[at % returning.length], transport, maxVersion)));
  return contexts.get(key);
}

/** Resolves with the session when the handshake is through. */
function connect(uri, context, onEvent = () => undefined) {
  return new Promise((resolve, reject) => {
    const owner = (session) => (event) => {
      if (event.type === 'established') resolve(session);
      if (event.type === 'closed') reject(new Error(`a session ended: ${JSON.stringify(event.end)}`));
      onEvent(event);
    };
    dial({ uri, context, owner, timers: systemTimers, random: systemRandom });
  });
}

/** Runs `work(0 .. count - 1)`, `width` at a time, until done or out of time. @returns how many were done */
async function inParallel(count, width, work, until = Number.POSITIVE_INFINITY) {
  let next = 0;
  let done = 0;
  const lane = async () => {
    while (next < count && performance.now() < until) {
      await work(next++);
      done++;
    }
  };
  await Promise.all(Array.from({ length: width }, lane));
  return done;
}

const uriOf = (endpoint) => parseCoapUri(endpoint).value;

serveCalls({
  async prepare(folder, devices) {
    pki = await loadDevelopmentPki(folder, Date.now());
    returning.push(...makeDevices(pki, devices));
  },
  /** Full handshakes, each ended with close_notify at once. */
  async handshakes(endpoint, maxVersion, count, width) {
    const uri = uriOf(endpoint);
    for (let at = 0; at < returning.length; at++) contextFor(at, uri.scheme, maxVersion);
    const started = performance.now();
    const done = await inParallel(count, width, async (at) =>
      (await connect(uri, contextFor(at, uri.scheme, maxVersion))).close(),
    );
    return { count: done, seconds: (performance.now() - started) / 1000 };
  },
  /** The same for `seconds`; first in line for the CPU are service and prober, for devices have CPUs of their own. */
  async storm(endpoint, maxVersion, seconds, width) {
    setPriority(10);
    const uri = uriOf(endpoint);
    for (let at = 0; at < returning.length; at++) contextFor(at, uri.scheme, maxVersion);
    const until = performance.now() + seconds * 1000;
    const one = async (at) => (await connect(uri, contextFor(at, uri.scheme, maxVersion))).close();
    const count = await inParallel(Number.POSITIVE_INFINITY, width, one, until);
    return { count, seconds };
  },
  /** New devices from first boot to their last provisioning step. */
  async provision(endpoint, count, width) {
    const devices = makeDevices(pki, count);
    const reports = [];
    const started = performance.now();
    await inParallel(count, width, async (at) => {
      const device = await SimulatedDevice.create({ endpoint, identity: devices[at], timeout: 30_000 });
      try {
        const { steps } = await device.provision();
        reports.push(steps.filter(({ step }) => provisioningSteps.includes(step)));
      } finally {
        await device.close();
      }
    });
    const sum = (of) => reports.flat().reduce((total, step) => total + of(step), 0) / reports.length;
    return {
      count: reports.length,
      seconds: (performance.now() - started) / 1000,
      bytesIn: sum(({ bytesOut }) => bytesOut),
      bytesOut: sum(({ bytesIn }) => bytesIn),
      roundTrips: sum(({ roundTrips }) => roundTrips),
    };
  },
  /** Opens sessions of new devices and leaves them open. */
  async hold(endpoint, count, width) {
    const uri = uriOf(endpoint);
    const transport = uri.scheme === 'coaps' ? 'datagram' : 'stream';
    await inParallel(count, width, async () => {
      const [device] = makeDevices(pki, 1);
      held.push(await connect(uri, createSecureContext(clientContext(device, transport))));
    });
    return held.length;
  },
  /** Round trips of one request at a time, `every` ms, over one session that stays open, for `seconds`. */
  async probe(endpoint, seconds, every) {
    const uri = uriOf(endpoint);
    let answered;
    const session = await connect(uri, contextFor(0, uri.scheme, '1.3'), (event) => {
      if (event.type === 'response') answered?.(event.response.code);
      if (event.type === 'failed') answered?.(event.reason);
    });
    return askForOwnership(session, performance.now() + seconds * 1000, every, (settle) => {
      answered = settle;
    });
  },
});
