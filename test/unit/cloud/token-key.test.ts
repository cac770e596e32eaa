import { generateKeyPairSync } from 'node:crypto';
import { chmod, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { calculateJwkThumbprint } from 'jose';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadOrCreateTokenKey } from '../../../src/cloud/token-key.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

describe("the token issuer's key file", () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let file: string;
  beforeEach(async () => {
    folder = await temporaryFolder();
    file = join(folder.path, 'deep', 'token-key.pem');
  });
  afterEach(() => folder.remove());

  it('is made on first start, for its owner only, and is the same key ever after', async () => {
    const first = await loadOrCreateTokenKey(file);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect((await loadOrCreateTokenKey(file)).kid).toBe(first.kid);
    const { kty = '', crv = '', x = '', y = '' } = first.jwk;
    expect(first.kid).toBe(await calculateJwkThumbprint({ kty, crv, x, y }));
  });

  it('is one and the same for several that start at once, and leaves nothing else behind', async () => {
    const keys = await Promise.all(Array.from({ length: 8 }, () => loadOrCreateTokenKey(file)));
    expect(new Set(keys.map(({ kid }) => kid)).size).toBe(1);
    expect(await readdir(join(folder.path, 'deep'))).toEqual(['token-key.pem']);
  });

  it('is refused when others can read it, when it is no key, and when it is another kind of key', async () => {
    await loadOrCreateTokenKey(file);
    await chmod(file, 0o640);
    await expect(loadOrCreateTokenKey(file)).rejects.toMatchObject({ code: 'service.config', evidence: { file } });
    await chmod(file, 0o600);
    await writeFile(file, 'text');
    await expect(loadOrCreateTokenKey(file)).rejects.toMatchObject({ evidence: { found: 'no private key' } });
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
    await writeFile(file, privateKey.export({ type: 'pkcs8', format: 'pem' }));
    await expect(loadOrCreateTokenKey(file)).rejects.toMatchObject({ evidence: { found: 'not a P-256 key' } });
  });
});
