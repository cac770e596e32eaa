import { afterEach, beforeEach } from 'vitest';
import type { Device } from '../../src/store/model.ts';
import type { Store } from '../../src/store/store.ts';

/** A medium on which a store can be opened again and again. */
export interface StoreSubject {
  open(): Promise<Store>;
  /** Opens what `copyTo` wrote. */
  openCopy(directory: string): Promise<Store>;
  /** Throws the medium away; every store on it has been closed. */
  destroy(): Promise<void>;
}

/**
 * Opens a store on a medium of its own before each test of the suite, and closes it behind it.
 * @param given gets each one that is opened
 */
export function storeForEach(
  prepare: () => Promise<StoreSubject>,
  given: (store: Store) => void,
): {
  readonly reopen: () => Promise<void>;
  readonly openCopy: StoreSubject['openCopy'];
  /** Writes a device, as it has to be written. */
  readonly put: (device: Device) => Promise<Device>;
} {
  let subject: StoreSubject;
  let store: Store;
  const open = async (): Promise<void> => {
    store = await subject.open();
    given(store);
  };
  beforeEach(async () => {
    subject = await prepare();
    await open();
  });
  afterEach(async () => {
    await store.close();
    await subject.destroy();
  });
  return {
    reopen: async () => {
      await store.close();
      await open();
    },
    openCopy: (directory) => subject.openCopy(directory),
    put: async (device) => {
      const written = await store.putDevice(device);
      if (!written) throw new Error(`device ${device.keyId} was not written`);
      return written;
    },
  };
}
