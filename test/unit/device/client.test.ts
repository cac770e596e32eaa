import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { ManualTimers } from '../../../src/core/clock.ts';
import { createDeviceClient, type DeviceClientOptions } from '../../../src/device/client.ts';
import type { DeviceConnection, OpenRequest } from '../../../src/device/network.ts';
import { folderStorage } from '../../../src/device/storage.ts';
import { benchSettings } from '../../support/device-bench.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const undo: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0)) await step();
});

/** Sockets that reach nobody. */
class DeadNetwork {
  readonly opened: OpenRequest[] = [];
  closed = 0;

  open(request: OpenRequest): DeviceConnection {
    this.opened.push(request);
    return {
      traffic: { bytesIn: 0, bytesOut: 0 },
      request: () => undefined,
      respond: () => undefined,
      cancel: () => undefined,
      ping: () => undefined,
      close: () => {
        this.closed++;
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

  it('keeps device id and key from the first start on, before it has asked anybody', async () => {
    const folder = await temporaryFolder();
    undo.push(folder.remove);
    const { device } = client({ storage: folderStorage(folder.path) });
    await device.init();
    const again = client({ storage: folderStorage(folder.path) }).device;
    await again.init();
    expect(again.state).toEqual(device.state);
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
