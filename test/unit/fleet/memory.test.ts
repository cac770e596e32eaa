import { describe, expect, it } from 'vitest';
import { encodeCertificates } from '../../../src/codec/pem.ts';
import { ManualTimers } from '../../../src/core/clock.ts';
import { limits } from '../../../src/core/limits.ts';
import { createDevelopmentPki } from '../../../src/development.ts';
import type { DeviceState } from '../../../src/device/state.ts';
import { DeviceMemory } from '../../../src/fleet/memory.ts';
import { Trace } from '../../../src/fleet/trace.ts';
import { parseCertificate } from '../../../src/pki/certificate.ts';

const now = Date.UTC(2026, 5, 1);

describe('what a fleet keeps of a device', () => {
  it('are its last doings, short and with their time', () => {
    const timers = new ManualTimers(now);
    const trace = new Trace(timers, now);
    for (let k = 0; k < limits.fleet.trace + 5; k++) {
      timers.advanceTo(now + k * 1500);
      trace.add(`step ${k} ${'x'.repeat(1000)}`);
    }
    expect(trace.lines).toHaveLength(limits.fleet.trace);
    expect(trace.lines[0]).toMatch(/^7\.500 s step 5 x+$/);
    for (const line of trace.lines) expect(line.length).toBeLessThan(limits.fleet.traceText + 20);
  });

  it('are its state and the serial number of every identity certificate that was ever in it', async () => {
    const { devices } = createDevelopmentPki({ devices: 2, now });
    const memory = new DeviceMemory();
    const state: DeviceState = { deviceId: 'id', key: 'key', endpoints: [], selected: 0 };
    const serials: string[] = [];
    for (const { chain } of devices) {
      const [leaf = new Uint8Array()] = chain;
      serials.push(parseCertificate(leaf).serial);
      const credentials = { trustAnchors: [], identity: encodeCertificates(chain), validFrom: 0, validTo: 0, psks: [] };
      await memory.save({ ...state, credentials });
      await memory.save({ ...state, credentials, selected: 1 });
    }
    await memory.save(state);
    expect(await memory.load()).toBe(state);
    expect(memory.serials).toEqual(serials);
  });
});
