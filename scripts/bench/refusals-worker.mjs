// The processes of refusals.mjs: the service, those who are refused, and the devices that are not.
import { connect } from 'node:net';
import { setPriority } from 'node:os';
import { parseCoapUri } from '../../dist/coap/uri.js';
import { systemTimers } from '../../dist/core/clock.js';
import { systemRandom } from '../../dist/core/random.js';
import { developmentSettings } from '../../dist/development.js';
import { SimulatedDevice } from '../../dist/device/simulator.js';
import { startService } from '../../dist/main.js';
import { createDevelopmentPki, loadDevelopmentPki } from '../../dist/pki/development.js';
import { createSecureContext } from '../../dist/secure/engine.js';
import { dial } from '../../dist/transport/client.js';
import { bytesUnder } from './figures.mjs';
import { askForOwnership, clientContext, makeDevices } from './peers.mjs';
import { serveCalls } from './worker.mjs';

/** Strangers under way at a time; who finds no room is not begun. */
const mostUnderWay = 2000;
/** A stranger that has had no end after this has none, ms. */
const patience = 20_000;
const tick = 10;

let service;
let dataFolder;
let pki;
let uris;
/** How each kind of stranger knocks: resolves when it is refused. */
let strangers = {};

serveCalls({
  async start(folder, data) {
    dataFolder = data;
    const settings = developmentSettings(await loadDevelopmentPki(folder, Date.now()));
    const [group] = settings.groups;
    // There has to be some key, or nobody is asked for one.
    const psk = [{ identity: 'somebody', key: Buffer.alloc(16, 1).toString('base64'), derived: false }];
    const groups = [{ ...group, attestation: { ...group.attestation, psk } }];
    service = await startService({ ...settings, groups, data });
    return service.endpoints;
  },
  /** Memory, disk, and what is on record of strangers. */
  async state() {
    const counts = await service.store.refusalCounts(0);
    const codes = {};
    for (const { code, count, recorded } of counts) {
      const before = codes[code] ?? { count: 0, recorded: 0 };
      codes[code] = { count: before.count + count, recorded: before.recorded + recorded };
    }
    const sum = (key) => Object.values(codes).reduce((total, of) => total + of[key], 0);
    globalThis.gc();
    const { rss, heapUsed, arrayBuffers } = process.memoryUsage();
    return {
      rss,
      held: heapUsed + arrayBuffers,
      maxRss: process.resourceUsage().maxRSS * 1024,
      disk: bytesUnder(dataFolder),
      counted: sum('count'),
      recorded: sum('recorded'),
      codes,
    };
  },
  async prepare(folder, endpoints) {
    pki = await loadDevelopmentPki(folder, Date.now());
    uris = { udp: parseCoapUri(endpoints.udp).value, tcp: parseCoapUri(endpoints.tcp).value };
    const elsewhere = createDevelopmentPki({ devices: 1, now: Date.now() });
    const [unknown] = makeDevices({ ...elsewhere, serviceCa: pki.serviceCa }, 1);
    const contextOf = (transport) => createSecureContext(clientContext(unknown, transport, '1.2'));
    const [stream, datagram] = [contextOf('stream'), contextOf('datagram')];
    const psk = { identity: Buffer.from('nobody'), key: Buffer.alloc(16, 2) };
    const withPsk = createSecureContext({ transport: 'stream', role: 'client', psk, maxVersion: '1.2' });
    const hello = clientHello();
    strangers = {
      'unknown CA, TLS': () => refused(uris.tcp, stream),
      'unknown CA, DTLS': () => refused(uris.udp, datagram),
      'no common suite': () => hungUp(uris.tcp, hello),
      'unknown PSK': () => refused(uris.tcp, withPsk),
    };
  },
  /** `rate` strangers a second, whether or not those before are through, the kinds in turn. */
  async attack(seconds, rate) {
    setPriority(10);
    const kinds = Object.fromEntries(Object.keys(strangers).map((name) => [name, 0]));
    const knocks = Object.entries(strangers);
    const open = new Set();
    const found = { begun: 0, ended: 0, skipped: 0, unanswered: 0, kinds };
    const started = performance.now();
    for (let due = 0; due < seconds * rate; ) {
      const elapsed = performance.now() - started;
      const now = Math.min(seconds * rate, Math.floor((elapsed / 1000) * rate));
      for (; due < now; due++) {
        if (open.size >= mostUnderWay) {
          found.skipped++;
          continue;
        }
        const [name, knock] = knocks[due % knocks.length];
        found.begun++;
        const done = knock().then((answered) => {
          open.delete(done);
          if (!answered) found.unanswered++;
          else {
            found.ended++;
            kinds[name]++;
          }
        });
        open.add(done);
      }
      await new Promise((resolve) => setTimeout(resolve, tick));
    }
    await Promise.all(open);
    return found;
  },
  /** For `seconds`: new devices provision, and one that stays asks. @returns their times, ms */
  async live(seconds, arrivals, every) {
    const until = performance.now() + seconds * 1000;
    const provisioned = [];
    let failed = 0;
    const provisionOne = async (endpoint) => {
      const [identity] = makeDevices(pki, 1);
      const started = performance.now();
      const device = await SimulatedDevice.create({ endpoint, identity, timeout: patience });
      try {
        await device.provision();
        provisioned.push(performance.now() - started);
      } catch {
        failed++;
      } finally {
        await device.close();
      }
    };
    const runs = [];
    const arrive = async () => {
      for (let k = 0; performance.now() < until; k++) {
        const { scheme, host, port } = k % 2 === 0 ? uris.tcp : uris.udp;
        runs.push(provisionOne(`${scheme}://${host}:${port}`));
        await new Promise((resolve) => setTimeout(resolve, 1000 / arrivals));
      }
    };
    const [asked] = await Promise.all([askAll(until, every), arrive()]);
    await Promise.all(runs);
    return { provisioned, asked, failed };
  },
});

/** Round trips of one request at a time over one session that stays open, ms. */
async function askAll(until, every) {
  let settle;
  const [device] = makeDevices(pki, 1);
  const session = await new Promise((resolve, reject) => {
    const owner = (opened) => (event) => {
      if (event.type === 'established') resolve(opened);
      if (event.type === 'response') settle?.(event.response.code);
      if (event.type === 'failed') settle?.(event.reason);
      if (event.type === 'closed') reject(new Error(`the session ended: ${JSON.stringify(event.end)}`));
    };
    const context = createSecureContext(clientContext(device, 'stream'));
    dial({ uri: uris.tcp, context, owner, timers: systemTimers, random: systemRandom });
  });
  return askForOwnership(session, until, every, (answered) => {
    settle = answered;
  });
}

/** A handshake that comes to nothing. @returns whether it had an end in time */
function refused(uri, context) {
  return new Promise((resolve) => {
    const owner = () => (event) => {
      if (event.type === 'closed') settle(true);
    };
    const timer = setTimeout(() => settle(false), patience);
    const settle = (answered) => {
      clearTimeout(timer);
      resolve(answered);
      if (!answered) session.abandon();
    };
    const session = dial({ uri, context, owner, timers: systemTimers, random: systemRandom });
  });
}

/** Says something and waits until it is hung up. */
function hungUp({ host, port }, words) {
  return new Promise((resolve) => {
    const socket = connect(port, host);
    socket.setTimeout(patience, () => socket.destroy(new Error('no end')));
    socket.on('error', () => undefined).resume();
    socket.on('close', (failed) => resolve(!failed));
    socket.write(words);
  });
}

/** A whole ClientHello with a suite that the service does not have, which can be sent again and again. */
function clientHello() {
  const ciphers = ['ECDHE-RSA-AES128-GCM-SHA256'];
  const context = createSecureContext({ transport: 'stream', role: 'client', ciphers, maxVersion: '1.2' });
  const association = context.connect(Date.now());
  const bytes = Buffer.concat(association.takeOutput());
  association.abort();
  return bytes;
}
