import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { readSettings } from '../../../src/cli/service-source.ts';
import { pathExists } from '../../../src/pki/files.ts';
import { openLevelStore } from '../../../src/store/level.ts';
import { startConfiguredService } from '../../support/configured-service.ts';
import { someDevice } from '../../support/store-records.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

let place: Awaited<ReturnType<typeof temporaryFolder>>;
beforeEach(async () => {
  place = await temporaryFolder();
});
afterEach(() => place.remove());

const start = (data: string) => readSettings({ flags: { data }, environment: {}, file: undefined });

it('without a configuration the folder of a configured service is refused, and stays as it is', async () => {
  const running = await startConfiguredService({ folder: place.path });
  await running.close();
  const data = join(place.path, 'data');
  await expect(start(data)).rejects.toMatchObject({
    code: 'service.config',
    evidence: { data, group: 'the devices', hub: 'hub' },
    fix: expect.stringMatching(/with -c, or name another data folder/),
  });
  expect(await pathExists(join(data, 'pki'))).toBe(false);
  const store = await openLevelStore(join(data, 'store'));
  expect((await store.groups.list()).map(({ name }) => name)).toEqual(['the devices']);
  await store.close();
});

it('so is a folder with devices and without a development PKI', async () => {
  const data = join(place.path, 'data');
  const store = await openLevelStore(join(data, 'store'));
  await store.commit({ devices: [someDevice(1)] });
  await store.close();
  await expect(start(data)).rejects.toMatchObject({
    code: 'service.config',
    evidence: { device: someDevice(1).keyId },
  });
});

it('a new folder is taken, and a development one again and again', async () => {
  const data = join(place.path, 'data');
  const { settings } = await start(data);
  const store = await openLevelStore(join(data, 'store'));
  await store.commit({ groups: settings.service.groups, hubs: settings.service.hubs, devices: [someDevice(1)] });
  await store.close();
  expect((await start(data)).settings.service.groups).toEqual(settings.service.groups);
});

it('a running service whose configuration loses its policy stays what it is', async () => {
  const running = await startConfiguredService({ folder: place.path });
  try {
    await writeFile(join(place.path, 'firstboot.yaml'), 'data: data\n');
    await expect(running.service.reload()).rejects.toMatchObject({ code: 'service.config' });
    expect((await running.service.store.groups.list()).map(({ name }) => name)).toEqual(['the devices']);
  } finally {
    await running.close();
  }
});
