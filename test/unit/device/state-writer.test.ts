import { describe, expect, it } from 'vitest';
import type { DeviceState } from '../../../src/device/state.ts';
import { StateWriter } from '../../../src/device/state-writer.ts';
import { type DeviceStorage, memoryStorage } from '../../../src/device/storage.ts';
import { freshState } from '../../support/device-bench.ts';

const [first, second, third] = [0, 1, 2].map((selected) => ({ ...freshState(), selected })) as [
  DeviceState,
  DeviceState,
  DeviceState,
];

/** A storage whose first saves fail. */
function failing(times: number): { storage: DeviceStorage; tried: DeviceState[] } {
  const tried: DeviceState[] = [];
  const kept = memoryStorage();
  const save = async (state: DeviceState): Promise<void> => {
    tried.push(state);
    if (tried.length <= times) throw new Error('disk full');
    await kept.save(state);
  };
  return { storage: { ...kept, save }, tried };
}

function writerOf(storage: DeviceStorage): { writer: StateWriter; errors: string[] } {
  const errors: string[] = [];
  return { writer: new StateWriter(storage, (reason) => errors.push(reason)), errors };
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a state that could not be stored', () => {
  it('is tried again at the end', async () => {
    const { storage, tried } = failing(1);
    const { writer, errors } = writerOf(storage);
    writer.write(first);
    await settled();
    expect(await storage.load()).toBeUndefined();
    // Not over and over meanwhile.
    expect(tried).toEqual([first]);
    await writer.done();
    expect(await storage.load()).toBe(first);
    expect(errors).toEqual(['disk full']);
    await writer.done();
    expect(tried).toEqual([first, first]);
  });

  it('gives way to the next one, which is stored', async () => {
    const { storage, tried } = failing(1);
    const { writer } = writerOf(storage);
    writer.write(first);
    await settled();
    writer.write(second);
    await writer.done();
    expect(await storage.load()).toBe(second);
    expect(tried).toEqual([first, second]);
  });

  it('while a newer one waited gives way to it at once', async () => {
    const { storage, tried } = failing(1);
    const { writer } = writerOf(storage);
    writer.write(first);
    writer.write(second);
    writer.write(third);
    await settled();
    expect(tried).toEqual([first, third]);
    expect(await storage.load()).toBe(third);
  });

  it('is tried once at the end, not for ever', async () => {
    const { storage, tried } = failing(Number.POSITIVE_INFINITY);
    const { writer, errors } = writerOf(storage);
    writer.write(first);
    await writer.done();
    expect(tried).toEqual([first, first]);
    expect(errors).toHaveLength(2);
  });

  it('is not tried after a power cut', async () => {
    const { storage, tried } = failing(1);
    const { writer } = writerOf(storage);
    writer.write(first);
    await settled();
    writer.stop();
    await writer.done();
    expect(tried).toEqual([first]);
  });
});

describe('a write', () => {
  it('that is asked for while the one before it ends is not forgotten, in whichever microtask', async () => {
    for (let after = 0; after < 12; after++) {
      const kept = memoryStorage();
      const saved: DeviceState[] = [];
      const save = async (state: DeviceState): Promise<void> => {
        saved.push(state);
        if (state === first) soon(after, () => writer.write(second));
      };
      const { writer } = writerOf({ ...kept, save });
      writer.write(first);
      await settled();
      expect(saved, `${after} microtasks later`).toEqual([first, second]);
    }
  });
});

/** Calls so many microtasks from now. */
function soon(microtasks: number, what: () => void): void {
  queueMicrotask(() => (microtasks === 0 ? what() : soon(microtasks - 1, what)));
}
