import type { Millis, Timers } from '../../src/core/clock.ts';
import type { DeviceState } from '../../src/device/state.ts';
import type { DeviceStorage } from '../../src/device/storage.ts';

/** A device's flash: a write takes its time, and one that is under way when the power goes has not happened. */
export class SlowStorage implements DeviceStorage {
  private readonly timers: Timers;
  private readonly takes: Millis;
  private state: DeviceState | undefined;
  private readonly writing = new Set<() => void>();

  constructor(timers: Timers, takes: Millis) {
    this.timers = timers;
    this.takes = takes;
  }

  async load(): Promise<DeviceState | undefined> {
    return this.state;
  }

  save(state: DeviceState): Promise<void> {
    // The first one is the factory's.
    if (!this.state) return this.clear(state);
    return new Promise((resolve) => {
      const cancel = this.timers.schedule(this.timers.now() + this.takes, () => {
        this.state = state;
        end();
      });
      const end = (): void => {
        cancel();
        this.writing.delete(end);
        resolve();
      };
      this.writing.add(end);
    });
  }

  /** @param state what is there then */
  async clear(state?: DeviceState): Promise<void> {
    this.state = state;
  }

  /** The power goes. */
  cut(): void {
    for (const end of [...this.writing]) end();
  }
}
