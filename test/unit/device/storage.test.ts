import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type DeviceState, outdated } from '../../../src/device/state.ts';
import { folderStorage, memoryStorage } from '../../../src/device/storage.ts';
import { DeviceBench } from '../../support/device-bench.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'firstboot-device-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

function provisioned(): DeviceState {
  const bench = new DeviceBench().boot();
  bench.runOnline();
  return bench.machine.state;
}

describe('state in a folder', () => {
  it('comes back as it was stored, however far the device had come', async () => {
    const bench = new DeviceBench().boot();
    bench.runOnline();
    const storage = folderStorage(join(folder, 'inner'));
    expect(await storage.load()).toBeUndefined();
    for (const state of bench.saved) {
      await storage.save(state);
      expect(await folderStorage(join(folder, 'inner')).load()).toEqual(state);
    }
  });

  it('with what is superseded, or without any tag, is as good', async () => {
    const state = provisioned();
    const { credentials, cloud, ...rest } = state;
    if (!credentials || !cloud) throw new Error('not provisioned');
    const { tag: _tag, ...untagged } = credentials;
    const states: DeviceState[] = [
      { ...outdated(state, 'acl and credentials'), superseded: true },
      { ...rest, credentials: untagged, cloud: { ...cloud, tag: 'dps-stale' } },
      { ...state, endpoints: [], selected: 0 },
    ];
    for (const each of states) {
      await folderStorage(folder).save(each);
      expect(await folderStorage(folder).load()).toEqual(each);
    }
  });

  it('is readable for its owner only, and leaves nothing beside it', async () => {
    const storage = folderStorage(folder);
    await storage.save(provisioned());
    expect(await readdir(folder)).toEqual(['device.json']);
    expect((await stat(join(folder, 'device.json'))).mode & 0o777).toBe(0o600);
  });

  it('is not touched by a write that did not finish', async () => {
    const storage = folderStorage(folder);
    const state = provisioned();
    await storage.save(state);
    await writeFile(join(folder, 'device.json.new'), '{"version": 1, "sta');
    expect(await storage.load()).toEqual(state);
    await storage.save({ ...state, selected: 0 });
    expect(await readdir(folder)).toEqual(['device.json']);
  });

  it('is gone after clear', async () => {
    const storage = folderStorage(folder);
    await storage.save(provisioned());
    await storage.clear();
    expect(await storage.load()).toBeUndefined();
  });

  it.each<[string, (state: DeviceState) => unknown]>([
    ['no device id', ({ deviceId: _, ...state }) => state],
    ['a device id that is no UUID', (state) => ({ ...state, deviceId: 'x' })],
    ['a key that is none', (state) => ({ ...state, key: 'x' })],
    ['endpoints that are none', (state) => ({ ...state, endpoints: [{}] })],
    ['a selected endpoint that is not there', (state) => ({ ...state, selected: 5 })],
    ['a clock offset that is text', (state) => ({ ...state, clockOffset: '1' })],
    ['an owner that is no UUID', (state) => ({ ...state, owner: 'me' })],
    ['a cloud without gateways', (state) => ({ ...state, cloud: { ...state.cloud, gateways: [] } })],
    ['a payload that is no map', (state) => ({ ...state, cloud: { ...state.cloud, payload: 'text' } })],
    ['a registration without tokens', (state) => ({ ...state, cloud: { ...state.cloud, registration: {} } })],
    [
      'credentials that are no certificates',
      (state) => ({ ...state, credentials: { ...state.credentials, identity: 'x' } }),
    ],
    ['credentials without anchors', (state) => ({ ...state, credentials: { ...state.credentials, trustAnchors: 1 } })],
    ['an access control list that is none', (state) => ({ ...state, acl: {} })],
    [
      'an entry without a permission',
      (state) => ({ ...state, acl: state.acl?.map(({ permission: _, ...ace }) => ace) }),
    ],
    ['an entry without a subject', (state) => ({ ...state, acl: state.acl?.map(({ subject: _, ...ace }) => ace) })],
    ['an entry without resources', (state) => ({ ...state, acl: state.acl?.map((ace) => ({ ...ace, resources: 1 })) })],
    ['credentials with another tag', (state) => ({ ...state, credentials: { ...state.credentials, tag: 'DPS' } })],
    ['a cloud with another tag', (state) => ({ ...state, cloud: { ...state.cloud, tag: '' } })],
    ['superseded that is false', (state) => ({ ...state, superseded: false })],
    ['no state', () => undefined],
  ])('with %s is damaged: the error names file and fault', async (_what, change) => {
    await writeFile(join(folder, 'device.json'), JSON.stringify({ version: 1, state: change(provisioned()) }));
    await expect(folderStorage(folder).load()).rejects.toMatchObject({
      code: 'device.state',
      evidence: { file: join(folder, 'device.json') },
    });
  });

  it.each(['', '{', '[]', '{"version": 2, "state": {}}'])('that reads %j is damaged', async (text) => {
    await writeFile(join(folder, 'device.json'), text);
    await expect(folderStorage(folder).load()).rejects.toMatchObject({ code: 'device.state' });
  });

  it('cut off at any place is damaged, never half a state', async () => {
    await folderStorage(folder).save(provisioned());
    const text = await readFile(join(folder, 'device.json'), 'utf8');
    await chmod(join(folder, 'device.json'), 0o600);
    for (let length = 0; length < text.length; length += 97) {
      await writeFile(join(folder, 'device.json'), text.slice(0, length));
      await expect(folderStorage(folder).load()).rejects.toMatchObject({ code: 'device.state' });
    }
  });
});

it('state in memory lasts as long as its storage', async () => {
  const storage = memoryStorage();
  const state = provisioned();
  await storage.save(state);
  expect(await storage.load()).toBe(state);
  await storage.clear();
  expect(await storage.load()).toBeUndefined();
});
