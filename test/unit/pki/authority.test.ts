import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { toHex } from '../../../src/core/bytes.ts';
import { days } from '../../../src/core/clock.ts';
import { systemRandom } from '../../../src/core/random.ts';
import { createAuthority, loadAuthority, loadOrCreateAuthority } from '../../../src/pki/authority.ts';
import { privateKeyFile, readKeyedChain, writeFolder } from '../../../src/pki/files.ts';

const now = Date.parse('2026-11-21T12:00:00Z');
const deps = { now, random: systemRandom, name: 'Test' };
let parent: string;
let folder: string;

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'firstboot-authority-'));
  folder = join(parent, 'authority');
});
afterEach(async () => {
  await rm(parent, { recursive: true, force: true });
});

describe('the authority', () => {
  it('delivers the issuing authority behind a leaf and never the root', () => {
    const { chain, trustAnchors, root, issuing } = createAuthority(deps);
    expect(chain).toEqual([issuing.certificate.der]);
    expect(trustAnchors).toEqual([root.certificate.der]);
    expect(root.certificate.subject.text).toBe('O=Test, CN=Test Root CA');
    expect(issuing.certificate.subject.text).toBe('O=Test, CN=Test Issuing CA');
    expect(issuing.certificate.notAfter).toBeLessThanOrEqual(root.certificate.notAfter);
  });

  it('is made on first start and is the same on the next', async () => {
    const first = await loadOrCreateAuthority(folder, deps);
    const second = await loadOrCreateAuthority(folder, deps);
    expect(second.trustAnchors).toEqual(first.trustAnchors);
    expect(second.issuing.privateKey.equals(first.issuing.privateKey)).toBe(true);
  });

  it('keeps its keys to itself: 0600 in a 0700 folder', async () => {
    await loadOrCreateAuthority(folder, deps);
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
    expect((await readdir(folder)).toSorted()).toEqual([
      'anchors.pem',
      'issuing-key.pem',
      'issuing.pem',
      'root-key.pem',
      'root.pem',
    ]);
    for (const key of ['root-key.pem', 'issuing-key.pem']) {
      expect((await stat(join(folder, key))).mode & 0o777).toBe(0o600);
    }
    expect(await readdir(parent)).toEqual(['authority']);
  });

  it.each([
    ['a key that others can read', 'issuing-key.pem', 0o640, 'chmod 600'],
    ['a folder that others can list', '', 0o755, 'chmod 700'],
  ])('refuses %s and says what to do', async (_, file, mode, fix) => {
    await loadOrCreateAuthority(folder, deps);
    await chmod(join(folder, file), mode);
    await expect(loadOrCreateAuthority(folder, deps)).rejects.toMatchObject({
      code: 'service.config',
      evidence: { mode: mode.toString(8) },
      fix: expect.stringContaining(fix),
    });
  });

  it('is made once when two processes start at the same time', async () => {
    const starts = await Promise.all(Array.from({ length: 4 }, () => loadOrCreateAuthority(folder, deps)));
    expect(new Set(starts.map(({ root }) => toHex(root.certificate.der))).size).toBe(1);
    expect(await readdir(parent)).toEqual(['authority']);
  });

  it('appears whole or not at all: what a crash has left is neither used nor kept', async () => {
    const leftover = join(parent, '.authority.new-0b1c6f7e-8d52-4a39-9c10-5e7f3a2b4d68');
    await mkdir(leftover);
    await writeFile(join(leftover, 'root-key.pem'), 'half a k');
    const { trustAnchors } = await loadOrCreateAuthority(folder, deps);
    expect(await readdir(parent)).toEqual(['authority']);
    expect((await loadAuthority(folder, now)).trustAnchors).toEqual(trustAnchors);
  });

  it('fails clearly on a folder that lacks a file', async () => {
    await loadOrCreateAuthority(folder, deps);
    await rm(join(folder, 'issuing-key.pem'));
    await expect(loadOrCreateAuthority(folder, deps)).rejects.toMatchObject({
      code: 'service.config',
      evidence: { file: join(folder, 'issuing-key.pem') },
    });
  });

  it('is not replaced when its root is missing beside other files', async () => {
    await loadOrCreateAuthority(folder, deps);
    const kept = await readFile(join(folder, 'issuing-key.pem'), 'utf8');
    await rm(join(folder, 'root.pem'));
    await expect(loadOrCreateAuthority(folder, deps)).rejects.toMatchObject({ code: 'service.config' });
    expect(await readFile(join(folder, 'issuing-key.pem'), 'utf8')).toBe(kept);
  });

  it('refuses files that do not belong together', async () => {
    await loadOrCreateAuthority(folder, deps);
    const other = createAuthority(deps);
    await writeFile(join(folder, 'root-key.pem'), privateKeyFile(other.root.privateKey).text);
    await expect(loadAuthority(folder, now)).rejects.toMatchObject({
      code: 'service.config',
      fix: expect.stringContaining('root.pem'),
    });
    const foreign = join(parent, 'foreign');
    await loadOrCreateAuthority(foreign, deps);
    for (const file of ['root.pem', 'root-key.pem']) {
      await writeFile(join(folder, file), await readFile(join(foreign, file), 'utf8'));
    }
    await expect(loadAuthority(folder, now)).rejects.toMatchObject({ fix: expect.stringContaining('not signed by') });
  });

  it('refuses to start with an authority that has expired', async () => {
    await loadOrCreateAuthority(folder, deps);
    await expect(loadAuthority(folder, now + days(16 * 365))).rejects.toMatchObject({
      code: 'service.config',
      evidence: { authority: 'O=Test, CN=Test Issuing CA' },
    });
  });
});

describe('key files', () => {
  it('of devices may be readable by others when asked so, and SEC1 or PKCS #8', async () => {
    const { issuing, chain } = createAuthority(deps);
    const sec1 = issuing.privateKey.export({ format: 'pem', type: 'sec1' }).toString();
    await writeFolder(folder, {
      'c.pem': {
        text: `-----BEGIN CERTIFICATE-----\n${Buffer.from(chain[0] ?? []).toString('base64')}\n-----END CERTIFICATE-----\n`,
        mode: 0o644,
      },
      'k.pem': { text: sec1, mode: 0o644 },
    });
    const files = [join(folder, 'c.pem'), join(folder, 'k.pem')] as const;
    await expect(readKeyedChain(...files)).rejects.toMatchObject({ code: 'service.config' });
    expect((await readKeyedChain(...files, 'accept')).chain).toEqual(chain);
  });

  it('that hold something else are named', async () => {
    await writeFolder(folder, { 'c.pem': { text: 'hello', mode: 0o600 }, 'k.pem': { text: 'hello', mode: 0o600 } });
    await expect(readKeyedChain(join(folder, 'c.pem'), join(folder, 'k.pem'))).rejects.toMatchObject({
      code: 'service.config',
      evidence: { file: join(folder, 'c.pem') },
    });
  });
});
