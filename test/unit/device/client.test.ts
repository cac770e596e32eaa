import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { concatBytes, utf8 } from '../../../src/core/bytes.ts';
import { ManualTimers } from '../../../src/core/clock.ts';
import { silentLog } from '../../../src/core/log.ts';
import { createDeviceClient, type DeviceClientOptions } from '../../../src/device/client.ts';
import type { DeviceConnection, OpenRequest } from '../../../src/device/network.ts';
import type { DeviceState } from '../../../src/device/state.ts';
import { folderStorage, memoryStorage } from '../../../src/device/storage.ts';
import { noTraffic } from '../../../src/transport/connection.ts';
import { benchSettings, DeviceBench } from '../../support/device-bench.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const undo: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0)) await step();
});

/** Sockets that reach nobody. */
class DeadNetwork {
  readonly opened: OpenRequest[] = [];
  closed = 0;
  abandoned = 0;

  open(request: OpenRequest): DeviceConnection {
    this.opened.push(request);
    return {
      traffic: noTraffic,
      request: () => undefined,
      respond: () => undefined,
      notify: () => undefined,
      cancel: () => undefined,
      ping: () => undefined,
      close: () => {
        this.closed++;
      },
      abandon: () => {
        this.abandoned++;
      },
    };
  }
}

function client(options: Partial<DeviceClientOptions> = {}) {
  const network = new DeadNetwork();
  const timers = new ManualTimers(0);
  const device = createDeviceClient({
    endpoints: ['coaps://service.example:20030'],
    manufacturer: benchSettings.manufacturer,
    network,
    timers,
    ...options,
  });
  return { device, network, timers };
}

describe('a device client', () => {
  it('cannot be used before it is initialized', () => {
    expect(() => client().device.start()).toThrow('init()');
  });

  it.each([[[]], [[0]], [[2000, 999]], [Array<number>(17).fill(1000)]])(
    'refuses the retry table %j of the cloud: empty, too fast or too long',
    (cloudRetry) => {
      expect(() => client({ cloudRetry })).toThrow(expect.objectContaining({ code: 'service.config' }));
    },
  );

  it('keeps device id and key from the first start on, before it has asked anybody', async () => {
    const folder = await temporaryFolder();
    undo.push(folder.remove);
    const { device } = client({ storage: folderStorage(folder.path) });
    await device.init();
    const again = client({ storage: folderStorage(folder.path) }).device;
    await again.init();
    expect(again.state).toEqual(device.state);
  });

  it('whose first state could not be stored is not initialized, and may try again', async () => {
    const storage = memoryStorage();
    let full = true;
    const save = (state: DeviceState): Promise<void> =>
      full ? Promise.reject(new Error('the disk is full')) : storage.save(state);
    const { device } = client({ storage: { ...storage, save } });
    await expect(device.init()).rejects.toThrow('the disk is full');
    expect(() => device.start()).toThrow('init()');
    full = false;
    await device.init();
    expect(await storage.load()).toEqual(device.state);
  });

  it('refuses damaged state, and starts factory-new only when told so', async () => {
    const folder = await temporaryFolder();
    undo.push(folder.remove);
    await writeFile(join(folder.path, 'device.json'), '{');
    const storage = folderStorage(folder.path);
    await expect(client({ storage }).device.init()).rejects.toMatchObject({ code: 'device.state' });
    const { device } = client({ storage, damagedState: 'reset' });
    await device.init();
    expect(device.state.owner).toBeUndefined();
    expect(await storage.load()).toEqual(device.state);
  });

  it('tells of status changes until the listener is taken away', async () => {
    const { device, timers } = client();
    await device.init();
    const seen: number[] = [];
    const stop = device.onStatus(({ progress }) => seen.push(progress));
    device.start();
    expect(seen).toEqual([1, 4097]);
    stop();
    timers.advanceTo(60_000);
    expect(seen).toEqual([1, 4097]);
  });

  it('may be stopped by a listener in the middle of its actions', async () => {
    const { device, network, timers } = client();
    await device.init();
    device.onStatus(() => device.stop());
    device.start();
    timers.advanceTo(600_000);
    expect(network.opened.length).toBe(network.closed);
    expect(device.running).toBe(false);
  });

  it('takes a bad gateway or service address as unreachable, and goes on trying', async () => {
    const { device, network, timers } = client({ endpoints: ['http://nowhere', 'coaps://service.example:20030'] });
    await device.init();
    const failures: string[] = [];
    device.onStep(({ result, refusal }) => failures.push(`${result} ${String(refusal?.evidence.found)}`));
    device.start();
    expect(failures).toEqual([expect.stringMatching(/^failure .*http:\/\/nowhere/)]);
    timers.advanceTo(600_000);
    expect(network.opened.length).toBeGreaterThan(0);
    await device.shutdown();
  });

  it('uses a service CA, or none, from the next session on', async () => {
    const { device, network } = client();
    await device.init();
    device.start();
    device.setServiceCa([new Uint8Array([1])]);
    device.restart();
    device.skipVerification(true);
    device.restart();
    device.skipVerification(false);
    device.restart();
    expect(network.opened.map(({ trust }) => trust?.anchors.length)).toEqual([0, 1, undefined, 1]);
    await device.shutdown();
  });

  it('has no timer and no session left after shutdown', async () => {
    const { device, network, timers } = client();
    await device.init();
    device.start();
    await device.shutdown();
    expect(network.closed).toBe(1);
    expect(timers.next()).toBeUndefined();
  });
});

/** A promise and what settles it. */
function gate(): { readonly wait: Promise<void>; readonly open: () => void; readonly fail: () => void } {
  let open = (): void => undefined;
  let fail = (): void => undefined;
  const wait = new Promise<void>((resolve, reject) => {
    open = resolve;
    fail = () => reject(new Error('no interface'));
  });
  return { wait, open: () => open(), fail: () => fail() };
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('the network wait', () => {
  it('holds the start back, and a stop meanwhile ends it', async () => {
    const gates = [gate(), gate()];
    let waits = 0;
    const { device, network } = client({ networkReady: () => gates[waits++]?.wait ?? Promise.resolve() });
    await device.init();
    device.start();
    await settled();
    expect(network.opened).toHaveLength(0);
    expect(device.running).toBe(false);
    device.stop();
    gates[0]?.open();
    await settled();
    expect(network.opened).toHaveLength(0);

    device.start();
    gates[1]?.open();
    await settled();
    expect(network.opened).toHaveLength(1);
    expect(waits).toBe(2);
    await device.shutdown();
  });

  it('that fails is told, and the device starts all the same', async () => {
    const { wait, fail } = gate();
    const warnings: string[] = [];
    const log = { ...silentLog, warn: (_fields: object, text: string) => warnings.push(text) };
    const { device, network } = client({ networkReady: () => wait, log });
    await device.init();
    device.start();
    fail();
    await settled();
    expect(warnings).toEqual([expect.stringContaining('network')]);
    expect(network.opened).toHaveLength(1);
    await device.shutdown();
  });

  it('that never ends does not keep the device from being switched off', async () => {
    const { device, timers } = client({ networkReady: () => new Promise<void>(() => undefined) });
    await device.init();
    device.start();
    await device.shutdown();
    expect(timers.next()).toBeUndefined();
  });
});

describe('alarms', () => {
  it('are told and shown', async () => {
    const { device } = client();
    await device.init();
    const told: string[] = [];
    const stop = device.onAlarm((alarm, set) => told.push(`${alarm} ${set}`));
    device.start();
    expect([...device.alarms]).toEqual(['Disconnected']);
    device.stop();
    stop();
    device.start();
    expect(told).toEqual(['Disconnected true', 'Disconnected false']);
    await device.shutdown();
  });
});

describe('the conditional start', () => {
  it('is asked with the reason, and may switch the device off for good', async () => {
    const reasons: string[] = [];
    const { device, network } = client({
      beforeRun: (reason) => {
        reasons.push(reason);
        device.powerOff();
        return 'apply';
      },
    });
    await device.init();
    device.start();
    expect(reasons).toEqual(['first-boot']);
    expect(network.opened).toHaveLength(0);
  });
});

describe('endpoints', () => {
  const [a, b] = [{ uri: 'coaps://a.example:1', name: 'a' }, { uri: 'coaps://b.example:2' }];

  it('are told with their names, and are replaced at once, repeated ones once', async () => {
    const { device, network } = client({ endpoints: [a, b.uri] });
    await device.init();
    expect(device.endpoints).toEqual([a, b]);
    expect(device.selectedEndpoint).toEqual(a);
    device.start();
    device.setEndpoints([b, a, b]);
    expect(device.endpoints).toEqual([b, a]);
    expect(device.selectedEndpoint).toEqual(b);
    expect(network.opened.map(({ uri }) => uri.host)).toEqual(['a.example', 'b.example']);
    await device.shutdown();
  });

  it('are sixteen at the most', async () => {
    const { device } = client();
    await device.init();
    const many = Array.from({ length: 17 }, (_, at) => ({ uri: `coaps://s${at}.example` }));
    expect(() => device.setEndpoints(many)).toThrow(expect.objectContaining({ code: 'service.config' }));
    device.setEndpoints(many.slice(1));
    expect(device.endpoints).toHaveLength(16);
    await device.shutdown();
  });

  it('that are taken away reset the device, and leave it waiting', async () => {
    const { device } = client();
    await device.init();
    const { deviceId } = device.state;
    device.start();
    device.setEndpoints([{ uri: '' }]);
    expect(device.state.deviceId).not.toBe(deviceId);
    expect(device.selectedEndpoint).toBeUndefined();
    expect(device.status.text).toBe('uninitialized');
    device.factoryReset();
    expect(device.selectedEndpoint?.uri).toBe('coaps://service.example:20030');
    await device.shutdown();
  });

  it('may be none from the start: the device waits for DHCP to tell one', async () => {
    const { device, network } = client({ endpoints: [] });
    await device.init();
    device.start();
    expect(device.status.text).toBe('uninitialized');
    const uri = utf8('coaps+tcp://dps.example:20030');
    const print = new Uint8Array(32).fill(9);
    const option = concatBytes(
      new Uint8Array([200, uri.length]),
      uri,
      new Uint8Array([201, 32]),
      print,
      new Uint8Array([202, 6]),
      utf8('SHA256'),
    );
    expect(device.applyDhcpOption(option)).toEqual({ ok: true, value: undefined });
    expect(network.opened.map((request) => [request.uri.host, request.trust?.fingerprints])).toEqual([
      ['dps.example', [print]],
    ]);
    // The lease is renewed: nothing new.
    expect(device.applyDhcpOption(option).ok).toBe(true);
    expect(network.opened).toHaveLength(1);
    await device.shutdown();
  });

  it('come by DHCP, but nobody else than the CA of the factory vouches for them: the fingerprint beside them is left out', async () => {
    const { device, network } = client({ serviceCa: [new Uint8Array([1])] });
    await device.init();
    device.start();
    const print = concatBytes(new Uint8Array([201, 32]), new Uint8Array(32), new Uint8Array([202, 6]), utf8('SHA256'));
    const uri = utf8('coaps+tcp://dps.example:20030');
    device.applyDhcpOption(concatBytes(new Uint8Array([200, uri.length]), uri, print));
    expect(network.opened.at(-1)?.uri.host).toBe('dps.example');
    expect(network.opened.at(-1)?.trust?.fingerprints).toBeUndefined();
    device.forceReprovision();
    expect(network.opened.flatMap(({ trust }) => trust?.fingerprints ?? [])).toEqual([]);
    await device.shutdown();
  });

  it('come by a DHCP option that is told again after it came too early', async () => {
    const { device } = client();
    const uri = utf8('coaps+tcp://dps.example:20030');
    const option = concatBytes(new Uint8Array([200, uri.length]), uri);
    expect(() => device.applyDhcpOption(option)).toThrow('init()');
    await device.init();
    device.applyDhcpOption(option);
    expect(device.selectedEndpoint?.uri).toBe('coaps+tcp://dps.example:20030');
    await device.shutdown();
  });

  it('are not touched by an invalid DHCP option', async () => {
    const { device } = client();
    await device.init();
    expect(device.applyDhcpOption(new Uint8Array([1, 1, 1]))).toMatchObject({ ok: false });
    expect(device.selectedEndpoint?.uri).toBe('coaps://service.example:20030');
  });

  it('a fingerprint can be set and taken away', async () => {
    const { device, network } = client();
    await device.init();
    device.setFingerprint({ digest: 'SHA256', value: new Uint8Array(32) });
    device.start();
    device.setFingerprint(undefined);
    device.restart();
    expect(network.opened.map(({ trust }) => trust?.fingerprints?.length)).toEqual([1, undefined]);
    await device.shutdown();
  });
});

describe('a power cut', () => {
  it('while the cloud is told of a reset does not undo it: owner, key and endpoints are gone', async () => {
    const bench = new DeviceBench();
    expect(bench.boot().runOnline()).toBe(true);
    const before = bench.machine.state;
    const storage = memoryStorage(before);
    const { device } = client({ storage, timers: bench.timers });
    await device.init();
    device.start();
    device.setEndpoints([]);
    // The gateway does not answer: the device would wait for it.
    expect(device.state.owner).toBe(before.owner);
    device.powerOff();
    await device.shutdown();
    const { device: again } = client({ storage });
    await again.init();
    expect(again.state.deviceId).not.toBe(before.deviceId);
    expect(Object.keys(again.state).sort()).toEqual(['deviceId', 'endpoints', 'key', 'selected']);
    expect(again.endpoints).toEqual([]);
    expect(await storage.load()).toEqual(again.state);
  });

  it('closes nothing politely, stores nothing more, and leaves no timer', async () => {
    const storage = memoryStorage();
    let saves = 0;
    const counting = {
      ...storage,
      save: (state: DeviceState): Promise<void> => {
        saves++;
        return storage.save(state);
      },
    };
    const { device, network, timers } = client({ storage: counting });
    await device.init();
    device.start();
    const before = saves;
    device.powerOff();
    expect(network.closed).toBe(0);
    expect(network.abandoned).toBe(1);
    expect(timers.next()).toBeUndefined();
    device.forceReprovision();
    device.factoryReset();
    device.start();
    await device.shutdown();
    expect(saves).toBe(before);
    expect(network.opened).toHaveLength(1);
  });

  it('in the middle of a write drops what waits behind it', async () => {
    const { wait, open } = gate();
    const stored: DeviceState[] = [];
    const slow = {
      load: async () => undefined,
      clear: async () => undefined,
      save: async (state: DeviceState) => {
        if (stored.length > 0) await wait;
        stored.push(state);
      },
    };
    const { device } = client({ storage: slow });
    await device.init();
    device.factoryReset();
    const first = device.state;
    device.factoryReset();
    device.powerOff();
    open();
    await device.shutdown();
    expect(stored).toHaveLength(2);
    expect(stored[1]).toBe(first);
  });
});
