// The measured service: the real one, with its store on the disk, in a process of its own.

import { systemTimers } from '../../dist/core/clock.js';
import { systemRandom } from '../../dist/core/random.js';
import { developmentSettings } from '../../dist/development.js';
import { startService } from '../../dist/main.js';
import { loadDevelopmentPki } from '../../dist/pki/development.js';
import { createSecureContext } from '../../dist/secure/engine.js';
import { listenTcp } from '../../dist/transport/tcp.js';
import { listenUdp } from '../../dist/transport/udp.js';
import { serverContext } from './peers.mjs';
import { serveCalls } from './worker.mjs';

/** Nothing that is held for the measurement may end by itself meanwhile. */
const idle = 600_000;

let service;

serveCalls({
  async start(folder, data) {
    const pki = await loadDevelopmentPki(folder, Date.now());
    service = await startService({ ...developmentSettings(pki), data, idle });
    return service.endpoints;
  },
  /** The transports alone: sessions that nobody serves. */
  async startEdge(folder) {
    const pki = await loadDevelopmentPki(folder, Date.now());
    const start = async (listen, transport) => {
      const context = createSecureContext({ ...serverContext(pki, transport), threads: true });
      const owner = () => () => undefined;
      const common = { timers: systemTimers, random: systemRandom, idle };
      return (await listen({ host: '127.0.0.1', port: 0, context: () => context, owner, ...common })).port;
    };
    return {
      udp: `coaps://127.0.0.1:${await start(listenUdp, 'datagram')}`,
      tcp: `coaps+tcp://127.0.0.1:${await start(listenTcp, 'stream')}`,
    };
  },
  /** CPU time used so far by all threads, ms. */
  cpu() {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  },
  memory() {
    globalThis.gc();
    const { rss, heapUsed, external } = process.memoryUsage();
    return { rss, heapUsed, external };
  },
  async recorded() {
    const devices = await service.store.devices({ limit: 10_000 });
    const credentials = await Promise.all(devices.map(({ keyId }) => service.store.credentials(keyId)));
    return { devices: devices.length, certificates: credentials.flat().length };
  },
});
