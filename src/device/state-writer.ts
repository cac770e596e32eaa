import type { DeviceState } from './state.ts';
import type { DeviceStorage } from './storage.ts';

/**
 * Stores a device's state: one write at a time; what has changed meanwhile goes into the next. A state that could not be
 * stored waits for the next write, which takes its place, or for the end.
 */
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
    void this.begin();
  }

  /** Begins no write any more, whatever waits. */
  stop(): void {
    this.stopped = true;
    this.unsaved = undefined;
  }

  /** Waits for the writes that are under way; what could not be stored is tried once more. */
  async done(): Promise<void> {
    await this.saving;
    if (this.unsaved) await this.begin();
  }

  private begin(): Promise<void> {
    this.saving ??= this.saveAll();
    return this.saving;
  }

  private async saveAll(): Promise<void> {
    while (this.unsaved) {
      const state = this.unsaved;
      const stored = await this.save(state);
      // A newer one is written next, whatever became of this one.
      if (state !== this.unsaved) continue;
      if (!stored) break;
      this.unsaved = undefined;
    }
    this.saving = undefined;
  }

  private async save(state: DeviceState): Promise<boolean> {
    try {
      await this.storage.save(state);
      return true;
    } catch (error) {
      this.onError(error instanceof Error ? error.message : String(error));
      return false;
    }
  }
}
