import { rename, rm } from 'node:fs/promises';
import { registerHooks } from 'node:module';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { days } from '../../../src/core/clock.ts';
import { readFactory, readFactoryIdentity } from '../../../src/device/identity.ts';
import { deviceKey, type KeyChoice, selectKey } from '../../../src/device/keys.ts';
import { openPkcs11Key } from '../../../src/device/pkcs11.ts';
import { SimulatedDevice } from '../../../src/device/simulator.ts';
import { createDevelopmentPki, type DevelopmentPki, writeDevelopmentPki } from '../../../src/pki/development.ts';
import { callbackKey } from '../../support/callback-key.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const now = Date.parse('2026-06-01T00:00:00Z');
const hubId = 'd03a1bb4-0a77-428c-b78c-1c46efe6a38e';
const older = createDevelopmentPki({ devices: 1, hubId, now: now - days(400) });
const newer = createDevelopmentPki({ devices: 1, hubId, now });

const slot = (pki: DevelopmentPki, source = 'a file') => ({ ...pki.devices[0], source });

describe('the slots of a device', () => {
  const both = { primary: slot(older), auxiliary: slot(newer) };

  it('give the key that is asked for', () => {
    expect(selectKey(both, 'primary')).toBe(both.primary);
    expect(selectKey(both, 'auxiliary')).toBe(both.auxiliary);
  });

  it('give as the newest the one whose certificate begins later, and of two alike the one that was put in later', () => {
    expect(selectKey(both, 'newest')).toBe(both.auxiliary);
    const swapped = { primary: slot(newer), auxiliary: slot(older) };
    expect(selectKey(swapped, 'newest')).toBe(swapped.primary);
    const alike = { primary: slot(newer), auxiliary: slot(newer) };
    expect(selectKey(alike, 'newest')).toBe(alike.auxiliary);
    expect(selectKey({ primary: both.primary }, 'newest')).toBe(both.primary);
  });

  it('say that the auxiliary one is empty', () => {
    expect(() => selectKey({ primary: slot(older, 'mfgkey.pem') }, 'auxiliary')).toThrow(/auxiliary.*mfgkey\.pem/);
  });
});

describe('a key and its chain', () => {
  const [device] = newer.devices;

  it('belong together, whether the key is here or elsewhere', () => {
    const elsewhere = { ...slot(newer), privateKey: callbackKey(device.privateKey) };
    expect(deviceKey(elsewhere)).toBe(elsewhere);
    expect(deviceKey({ ...elsewhere, chain: [] }).chain).toEqual([]);
  });

  it('are refused when they do not', () => {
    const wrong = { ...slot(newer, 'slot 9c'), privateKey: callbackKey(older.devices[0].privateKey) };
    expect(() => deviceKey(wrong)).toThrow(expect.objectContaining({ code: 'service.config' }));
    expect(() => deviceKey(wrong)).toThrow(/slot 9c/);
  });
});

describe('a factory folder', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let factory: string;

  beforeEach(async () => {
    folder = await temporaryFolder();
    for (const [pki, name] of [
      [older, 'old'],
      [newer, 'new'],
    ] as const)
      await writeDevelopmentPki(pki, join(folder.path, name));
    factory = join(folder.path, 'old', 'devices', 'device-0001');
  });
  afterEach(() => folder.remove());

  const addAuxiliary = async (): Promise<void> => {
    const from = join(folder.path, 'new', 'devices', 'device-0001');
    await rename(join(from, 'mfgcrt.pem'), join(factory, 'auxcrt.pem'));
    await rename(join(from, 'mfgkey.pem'), join(factory, 'auxkey.pem'));
  };

  it('has a primary identity alone, as plgd’s client knows it', async () => {
    const { keys, serviceCa } = await readFactory(factory);
    expect(keys.auxiliary).toBeUndefined();
    expect(keys.primary.chain).toEqual(older.devices[0].chain);
    expect(keys.primary.source).toBe(join(factory, 'mfgkey.pem'));
    expect(serviceCa).toEqual(older.devices[0].serviceCa);
  });

  it('has an auxiliary one beside it, which is used when it is asked for', async () => {
    await addAuxiliary();
    expect((await readFactory(factory)).keys.auxiliary?.chain).toEqual(newer.devices[0].chain);
    for (const [choice, pki] of [
      [undefined, older],
      ['primary', older],
      ['auxiliary', newer],
      ['newest', newer],
    ] as const) {
      const identity = await readFactoryIdentity(factory, choice);
      expect(identity.chain).toEqual(pki.devices[0].chain);
      expect(identity.serviceCa).toEqual(older.devices[0].serviceCa);
    }
  });

  it('lets a simulated device choose between them', async () => {
    await addAuxiliary();
    const ask = async (keySlot?: KeyChoice): Promise<string> => {
      const device = await SimulatedDevice.create({ endpoint: [], identity: factory, ...(keySlot && { keySlot }) });
      return device.client.platformId;
    };
    const [primary, auxiliary, newest] = [await ask(), await ask('auxiliary'), await ask('newest')];
    expect(auxiliary).not.toBe(primary);
    expect(newest).toBe(auxiliary);
  });

  it('with half an auxiliary identity names the file that is missing', async () => {
    await addAuxiliary();
    await rm(join(factory, 'auxcrt.pem'));
    await expect(readFactoryIdentity(factory)).rejects.toThrow(/auxcrt\.pem/);
  });
});

it('without the package for hardware keys says how to get it', () => {
  const hooks = registerHooks({
    resolve(specifier, context, next) {
      if (specifier === 'pkcs11js') throw new Error("Cannot find module 'pkcs11js'");
      return next(specifier, context);
    },
  });
  try {
    expect(() => openPkcs11Key({ module: 'm', token: 't', label: 'l' })).toThrow(
      expect.objectContaining({ code: 'service.config', message: expect.stringMatching(/npm install pkcs11js/) }),
    );
  } finally {
    hooks.deregister();
  }
});
