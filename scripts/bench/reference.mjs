// What the measured jobs cannot do without, in a process of its own: the public-key operations alone, and the secure
// engine alone.
import { createPublicKey, diffieHellman, generateKeyPairSync, sign, verify } from 'node:crypto';
import { systemRandom } from '../../dist/core/random.js';
import { createCsr } from '../../dist/pki/csr.js';
import { loadDevelopmentPki } from '../../dist/pki/development.js';
import { issueIdentity, randomSerial } from '../../dist/pki/issue.js';
import { judgeRequest } from '../../dist/provision/issue.js';
import { createSecureContext } from '../../dist/secure/engine.js';
import { EngineBatch } from './engine-batch.mjs';
import { clientContext, makeDevices, serverContext } from './peers.mjs';
import { serveCalls } from './worker.mjs';

let pki;
let devices;

/** CPU of this thread for one of `count` calls of `work`, ms. */
function cpuOf(count, work) {
  const before = process.threadCpuUsage();
  for (let at = 0; at < count; at++) work(at);
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / 1000 / count;
}

const keyPair = () => generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
const own = keyPair();
const peer = keyPair();
const message = Buffer.alloc(300, 1);
const signature = sign('sha256', message, own.privateKey);
// Of the ways in which node:crypto imports a public key, the cheapest.
const spki = own.publicKey.export({ type: 'spki', format: 'pem' });

/** Each operation by itself, ms. */
function operations(count) {
  return {
    generate: cpuOf(count, keyPair),
    agree: cpuOf(count, () => diffieHellman({ privateKey: own.privateKey, publicKey: peer.publicKey })),
    sign: cpuOf(count, () => sign('sha256', message, own.privateKey)),
    verify: cpuOf(count, () => verify('sha256', message, own.publicKey, signature)),
    importKey: cpuOf(count, () => createPublicKey(spki)),
  };
}

const deviceId = '5b2f6c0e-3a75-4c5e-8a53-0d7a4f1c2b11';
let requests;

async function issueOne(csr) {
  const checked = judgeRequest(csr, { keys: ['P-256'] });
  const now = Date.now();
  const { authority } = pki;
  const serial = randomSerial(systemRandom);
  const issued =
    checked.ok &&
    (await issueIdentity({ authority, csr: checked.value, deviceId, now, serial }, async () => undefined));
  if (!issued?.ok) throw new Error('a certificate was not issued');
}

serveCalls({
  async prepare(folder) {
    pki = await loadDevelopmentPki(folder, Date.now());
    devices = makeDevices(pki, 64);
    requests = devices.map(({ privateKey }) => createCsr({ privateKey, subject: { commonName: `uuid:${deviceId}` } }));
  },
  operations,
  /** From the request's bytes to the signed certificate, without the store; ms. */
  async issue(count) {
    const before = process.threadCpuUsage();
    for (let at = 0; at < count; at++) await issueOne(requests[at % requests.length]);
    const { user, system } = process.threadCpuUsage(before);
    return { issue: (user + system) / 1000 / count };
  },
  /** The server's half of a full handshake and its end, from bytes to bytes; ms. */
  engine(transport, maxVersion, batches, width) {
    const server = createSecureContext(serverContext(pki, transport));
    const clients = devices.map((device) => createSecureContext(clientContext(device, transport, maxVersion)));
    let cpu = 0;
    for (let at = 0; at < batches; at++) {
      const batch = new EngineBatch(
        server,
        clients.slice((at * width) % clients.length, ((at * width) % clients.length) + width),
      );
      cpu += batch.run();
    }
    return { engine: cpu / (batches * width) };
  },
});
