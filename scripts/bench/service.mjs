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
/** What it has done so far. */
const done = { handshakes: 0, certificates: 0 };

function count(entry) {
  if (entry.type === 'handshake') done.handshakes++;
  if (entry.type === 'stage' && entry.stage === 'issue' && entry.result === 'ok') done.certificates++;
}

serveCalls({
  async start(folder, data) {
    const pki = await loadDevelopmentPki(folder, Date.now());
    service = await startService({ ...developmentSettings(pki), data, idle, onEntry: (_id, entry) => count(entry) });
    return service.endpoints;
  },
  /** The transports alone: sessions that nobody serves. */
  async startEdge(folder) {
    const pki = await loadDevelopmentPki(folder, Date.now());
    const start = async (listen, transport) => {
      const context = createSecureContext({ ...serverContext(pki, transport), threads: 'when-busy' });
      const owner = () => (event) => {
        if (event.type === 'established') done.handshakes++;
      };
      const common = { timers: systemTimers, random: systemRandom, idle };
      return (await listen({ host: '127.0.0.1', port: 0, context: () => context, owner, ...common })).port;
    };
    return {
      udp: `coaps://127.0.0.1:${await start(listenUdp, 'datagram')}`,
      tcp: `coaps+tcp://127.0.0.1:${await start(listenTcp, 'stream')}`,
    };
  },
  /** CPU time of all threads, ms, and what it was spent on. */
  spent() {
    const { user, system } = process.cpuUsage();
    return { cpu: (user + system) / 1000, ...done };
  },
  memory() {
    globalThis.gc();
    const { rss, heapUsed, external } = process.memoryUsage();
    return { rss, heapUsed, external };
  },
});
