// Who takes part: devices of the development manufacturer, and how both sides of a handshake are set up.
import { generateKeyPairSync } from 'node:crypto';
import { systemRandom } from '../../dist/core/random.js';
import { issueCertificate, randomSerial } from '../../dist/pki/issue.js';
import { profiles } from '../../dist/pki/profile.js';
import { parsePublicKey, spkiOf } from '../../dist/pki/public-key.js';

/** `count` devices, each with a key and a certificate of its own: chain of leaf and intermediate. */
export function makeDevices(pki, count) {
  const { intermediate } = pki.manufacturer;
  return Array.from({ length: count }, () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    const serial = randomSerial(systemRandom);
    const issued = issueCertificate({
      profile: profiles.manufacturerDevice,
      subject: { organization: 'Example Devices', commonName: Buffer.from(serial).toString('hex') },
      publicKey: parsePublicKey(spkiOf(privateKey)),
      issuer: intermediate,
      now: Date.now(),
      serial,
    });
    if (!issued.ok) throw new Error(`no certificate for a device: ${JSON.stringify(issued.refusal)}`);
    const chain = [issued.value.der, intermediate.certificate.der];
    return { chain, privateKey, serviceCa: [pki.serviceCa.certificate.der] };
  });
}

/** As the service sets up its contexts (src/main.ts). */
export const serverContext = (pki, transport) => ({
  transport,
  role: 'server',
  identity: pki.service,
  trust: {
    anchors: [pki.manufacturer.root.certificate.der],
    intermediates: [pki.manufacturer.intermediate.certificate.der],
    purpose: 'client',
  },
  peerCertificate: 'require',
  alpn: 'coap',
});

/** As a device does (src/device/network.ts). `maxVersion`: '1.2' for what devices with mbedTLS speak. */
export const clientContext = ({ chain, privateKey, serviceCa }, transport, maxVersion = '1.3') => ({
  transport,
  role: 'client',
  identity: { chain, privateKey },
  trust: { anchors: serviceCa, purpose: 'server' },
  maxVersion,
});

/**
 * Asks one question at a time over an open session, `every` ms, until `until` (performance.now()); then closes it.
 * @param listen is given what takes the code of the next answer.
 * @returns {Promise<number[]>} the round trips, ms
 */
export async function askForOwnership(session, until, every, listen) {
  const times = [];
  while (performance.now() < until) {
    const started = performance.now();
    const code = await new Promise((resolve) => {
      listen(resolve);
      session.request({ method: 'GET', path: ['api', 'v1', 'provisioning', 'ownership'], accept: 60 });
    });
    if (code !== 205) throw new Error(`the open session got ${code}`);
    const taken = performance.now() - started;
    times.push(taken);
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, every - taken)));
  }
  session.close();
  return times;
}
