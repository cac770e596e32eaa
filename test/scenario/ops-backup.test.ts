import { appendFile, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { restore } from '../../src/backup.ts';
import { readSettings } from '../../src/cli/service-source.ts';
import { decodeCertificates } from '../../src/codec/pem.ts';
import { systemTimers } from '../../src/core/clock.ts';
import { openLevelStore } from '../../src/store/level.ts';
import { type ConfiguredService, startConfiguredService } from '../support/configured-service.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

let running: ConfiguredService;
let place: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => {
  [running, place] = await Promise.all([startConfiguredService(), temporaryFolder()]);
  const device = await running.device(0);
  await device.provision();
  await device.close();
  // A list, so that its number counts.
  await running.service.provisioner.revocations.all(systemTimers.now());
});
afterAll(async () => {
  await running.close();
  await place.remove();
});

const backup = (name: string) => join(place.path, name);

describe('a backup of a running service', () => {
  it('holds everything, for its owner only, with the hash of each file', async () => {
    const { service, folder } = running;
    const report = await service.backUp(backup('first'));
    const manifest = JSON.parse(await readFile(backup('first/manifest.json'), 'utf8')) as {
      files: { path: string }[];
      outside: { from: string }[];
    };
    const paths = manifest.files.map(({ path }) => path);
    expect(paths).toEqual(
      expect.arrayContaining(['data/token-key.pem', 'data/authority/root-key.pem', 'store/CURRENT']),
    );
    expect(report.files).toBe(paths.length);
    expect(manifest.outside.map(({ from }) => from.slice(folder.length))).toEqual(
      expect.arrayContaining(['/firstboot.yaml', '/pki/service/service-key.pem', '/pki/manufacturer/root.pem']),
    );
    for (const name of await readdir(backup('first'), { recursive: true })) {
      const facts = await stat(backup(join('first', name)));
      expect([name, (facts.mode & 0o777).toString(8)]).toEqual([name, facts.isDirectory() ? '700' : '600']);
    }
  });

  it('is never written over', async () => {
    await running.service.backUp(backup('once'));
    await expect(running.service.backUp(backup('once'))).rejects.toMatchObject({ code: 'command.file' });
  });

  it('by the API is written below the data folder, and in the audit log', async () => {
    const { service, folder } = running;
    const post = (name: string): Promise<Response> =>
      fetch(`${service.apiUrl}/api/v1/backups`, {
        method: 'POST',
        headers: { authorization: `Bearer ${service.adminToken}`, 'content-type': 'application/json' },
        body: JSON.stringify({ name }),
      });
    const answer = await post('monday');
    expect([answer.status, await answer.json()]).toMatchObject([201, { name: 'monday' }]);
    expect(await readdir(join(folder, 'data/backups/monday'))).toContain('manifest.json');
    expect((await service.store.audit({ limit: 100 })).map(({ action }) => action)).toContain('service.backup');
    expect((await post('../monday')).status).toBe(400);
    // Also while it is being written.
    const both = await Promise.all([post('tuesday'), post('tuesday')]);
    expect(both.map(({ status }) => status).toSorted()).toEqual([201, 409]);
    for (const taken of [await post('monday'), ...both.filter(({ status }) => status === 409)]) {
      const problem = await taken.text();
      expect([taken.status, JSON.parse(problem)]).toMatchObject([
        409,
        { code: 'operator.conflict', evidence: { backup: expect.stringMatching(/^(mon|tues)day$/) } },
      ]);
      expect(JSON.parse(problem).fix).toBe('a backup is never written over: choose another name');
      expect(problem).not.toContain(folder);
    }
    expect((await readdir(join(folder, 'data/backups'))).toSorted()).toEqual(['monday', 'tuesday']);
    // Backups are no part of backups.
    await service.backUp(backup('without'));
    const { files } = JSON.parse(await readFile(backup('without/manifest.json'), 'utf8')) as {
      files: { path: string }[];
    };
    expect(files.filter(({ path }) => path.includes('backups'))).toEqual([]);
  });
});

describe('a restored service', () => {
  it('has its devices and their certificates, and gives out no number twice', async () => {
    const { service } = running;
    await service.backUp(backup('good'));
    // What the old service does after that.
    const device = await running.device(1);
    await device.provision();
    await device.close();
    const issuers = await service.provisioner.revocations.all(systemTimers.now());
    const numbers = await Promise.all(issuers.map(({ issuerKeyId }) => service.store.nextCrlNumber(issuerKeyId)));

    const report = await restore(backup('good'), backup('new'), systemTimers.now());
    const configuration = backup('new/outside/firstboot.yaml');
    expect(report).toMatchObject({ configuration, development: false });
    expect(report.outside).toContainEqual({
      from: join(running.folder, 'firstboot.yaml'),
      to: configuration,
      beside: true,
    });
    // What the configuration names in the data folder is not where it says any more, and that is told.
    expect(report.outside).toContainEqual({
      from: join(running.folder, 'data/authority'),
      to: backup('new/authority'),
      beside: false,
    });
    // Paths that are relative to the configuration lead to what they named.
    const written = await readFile(configuration, 'utf8');
    await writeFile(configuration, written.replace('authority: data/authority', 'authority: ../authority'));
    const flags = { data: backup('new'), port: '0', issuerPort: '0', apiPort: '0' };
    const { settings } = await readSettings({ flags, environment: {}, file: configuration });
    expect(settings.service.groups.map(({ name }) => name)).toEqual(['the devices']);
    expect(settings.service.authority.issuing.certificate.der).toEqual(
      await readFile(join(running.folder, 'data/authority/issuing.pem'), 'utf8').then(derOf),
    );
    const store = await openLevelStore(backup('new/store'));
    try {
      const [first] = await store.devices({ limit: 10 });
      expect(await store.devices({ limit: 10 })).toHaveLength(1);
      expect(await store.credentials(first?.keyId ?? '')).toEqual(await service.store.credentials(first?.keyId ?? ''));
      for (const [k, { issuerKeyId }] of issuers.entries()) {
        expect(await store.nextCrlNumber(issuerKeyId)).toBeGreaterThan(numbers[k] ?? 0);
      }
      expect(store.epoch).toBeGreaterThan(service.store.epoch + 1);
    } finally {
      await store.close();
    }
  });

  it.each([
    ['a file that has changed', (folder: string) => appendFile(join(folder, 'data/token-key.pem'), ' ')],
    [
      'a file that is missing',
      (folder: string) => writeFile(join(folder, 'manifest.json'), manifestWith('data/missing')),
    ],
    ['a file outside of it', (folder: string) => writeFile(join(folder, 'manifest.json'), manifestWith('../outside'))],
    ['no manifest', (folder: string) => writeFile(join(folder, 'manifest.json'), '{}')],
  ])('is not made of a backup with %s', async (what, damage) => {
    const folder = backup(`bad ${what}`);
    await running.service.backUp(folder);
    await damage(folder);
    await expect(restore(folder, backup(`of ${what}`), 0)).rejects.toMatchObject({ code: 'command.file' });
    expect(await readdir(place.path)).not.toContain(`of ${what}`);
  });

  it('is not put over what is there', async () => {
    await running.service.backUp(backup('again'));
    await expect(restore(backup('again'), backup('once'), 0)).rejects.toMatchObject({ code: 'command.file' });
  });
});

const derOf = (pem: string): Uint8Array | undefined => decodeCertificates(pem)[0];

const manifestWith = (path: string): string => {
  const sha256 = '0'.repeat(64);
  const [firstboot, createdAt] = ['0.1.0', '2026-01-01T00:00:00.000Z'];
  return JSON.stringify({ format: 1, firstboot, createdAt, rows: 0, files: [{ path, bytes: 0, sha256 }], outside: [] });
};
