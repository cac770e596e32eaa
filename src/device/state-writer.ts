import type { DeviceState } from './state.ts';
import type { DeviceStorage } from './storage.ts';

/** Stores a device's state: one write at a time; what has changed meanwhile goes into the next. */
export class StateWriter {
  private readonly storage: DeviceStorage;
  private readonly onError: (reason: string) => void;
  private unsaved: DeviceState | undefined;
  private saving: Promise<void> | undefined;
  private stopped = false;

  constructor(storage: DeviceStorage, onError: (reason: string) => void) {
    this.storage = storage;
    this.onError = onError;
  }

  write(state: DeviceState): void {
    if (this.stopped) return;
    this.unsaved = state;
    this.saving ??= this.saveAll().finally(() => {
      this.saving = undefined;
    });
  }

  /** Begins no write any more, whatever waits. */
  stop(): void {
    this.stopped = true;
    this.unsaved = undefined;
  }

  /** Waits for the writes that are under way. */
  async done(): Promise<void> {
    await this.saving;
  }

  private async saveAll(): Promise<void> {
    while (this.unsaved) {
      const state = this.unsaved;
      this.unsaved = undefined;
      try {
        await this.storage.save(state);
      } catch (error) {
        this.onError(error instanceof Error ? error.message : String(error));
      }
    }
  }
}
