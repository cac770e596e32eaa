import { chmod, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { days } from '../../../src/core/clock.ts';
import { systemRandom } from '../../../src/core/random.ts';
import { readCertificates } from '../../../src/pki/files.ts';
import { loadOrCreateServiceCertificate } from '../../../src/pki/service-certificate.ts';
import { verifyPath } from '../../../src/secure/engine.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

let folder: string;
let remove: () => Promise<void>;
beforeEach(async () => {
  const temporary = await temporaryFolder();
  folder = join(temporary.path, 'service');
  remove = temporary.remove;
});
afterEach(() => remove());

const now = Date.UTC(2026, 5, 1);
const load = (at = now) => loadOrCreateServiceCertificate(folder, { now: at, random: systemRandom, name: 'test' });

test('every start has a young certificate, from the CA that the devices were given', async () => {
  const first = await load();
  const anchors = await readCertificates(first.caFile);
  for (const at of [now, now + days(3000)]) {
    const { identity } = await load(at);
    const [leaf = new Uint8Array()] = identity.chain;
    expect(verifyPath({ leaf, untrusted: [], trust: { anchors, purpose: 'server' }, at }).errors).toEqual([]);
  }
});

test('a CA that has expired, lost its key or shows it to others is refused', async () => {
  await load();
  await expect(load(now + days(365 * 21))).rejects.toThrow(/service CA has expired/);
  await chmod(join(folder, 'ca-key.pem'), 0o644);
  await expect(load()).rejects.toThrow(/chmod 600/);
  await rm(join(folder, 'ca-key.pem'));
  await expect(load()).rejects.toThrow(/ca-key\.pem/);
});
