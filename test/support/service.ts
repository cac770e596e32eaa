import { join } from 'node:path';
import { type Millis, systemTimers, type Timers } from '../../src/core/clock.ts';
import type { Log } from '../../src/core/log.ts';
import { type DevelopmentSettings, developmentHub, developmentSettings } from '../../src/development.ts';
import { type Service, startService } from '../../src/main.ts';
import {
  createDevelopmentPki,
  type DevelopmentDevice,
  type DevelopmentPki,
  writeDevelopmentPki,
} from '../../src/pki/development.ts';
import type { Attempt, AttemptEntry } from '../../src/store/model.ts';
import { temporaryFolder } from './temporary-folder.ts';
import { until } from './until.ts';

export interface TestServiceOptions {
  /** Devices of the development PKI; default 1. */
  readonly devices?: number;
  /** Changes the development settings before the service takes them. */
  readonly settings?: (settings: DevelopmentSettings, pki: DevelopmentPki) => DevelopmentSettings;
  readonly timers?: Timers;
}

export interface TestService {
  readonly service: Service;
  readonly pki: DevelopmentPki;
  readonly settings: DevelopmentSettings;
  readonly port: { readonly udp: number; readonly tcp: number };
  /** The PKI as files, in the layout of certs/README.md; more may be put here. */
  readonly files: string;
  /** What the service has logged as `error`. */
  readonly errors: readonly string[];
  device(index?: number): DevelopmentDevice;
  /** Every attempt on record, oldest first. */
  attempts(): Promise<readonly Attempt[]>;
  /** Waits until an attempt has closed for a reason. @returns it, newest first. */
  attempt(matches: (attempt: Attempt) => boolean): Promise<Attempt>;
  close(): Promise<void>;
}

/** The real service on loopback: free ports, a development PKI and a store of its own. */
export async function startTestService(options: TestServiceOptions = {}): Promise<TestService> {
  const { devices = 1, timers = systemTimers } = options;
  const folder = await temporaryFolder();
  const pki = createDevelopmentPki({ devices, hubId: developmentHub.id, now: timers.now() });
  const files = join(folder.path, 'pki');
  await writeDevelopmentPki(pki, files);
  const development = developmentSettings(pki);
  const settings = options.settings?.(development, pki) ?? development;
  const errors: string[] = [];
  const service = await startService({
    ...settings,
    data: join(folder.path, 'data'),
    timers,
    log: errorLog(errors),
  });
  const attempts = async (): Promise<readonly Attempt[]> => {
    const found: Attempt[] = [];
    let before: string | undefined;
    for (;;) {
      const page = await service.store.attempts({ limit: 500, ...(before !== undefined && { before }) });
      for (const { id } of page) {
        before = id;
        const attempt = await service.store.attempt(id);
        if (attempt) found.push(attempt);
      }
      if (page.length < 500) return found.toReversed();
    }
  };
  return {
    service,
    pki,
    settings,
    port: { udp: portOf(service.endpoints.udp), tcp: portOf(service.endpoints.tcp) },
    files,
    errors,
    device: (index = 0) => {
      const device = pki.devices[index];
      if (!device) throw new Error(`the PKI has no device ${index}`);
      return device;
    },
    attempts,
    attempt: async (matches) => {
      let found: Attempt | undefined;
      await until(async () => {
        found = (await attempts()).findLast(matches);
        if (!found) await service.provisioner.sweep(timers.now());
        return found !== undefined;
      }).catch(() => undefined);
      if (found) return found;
      throw new Error(`no such attempt among ${JSON.stringify(await attempts(), undefined, 1)}`);
    },
    close: async () => {
      await service.close();
      await folder.remove();
    },
  };
}

/** The refusal that an attempt was closed with. */
export const refusalOf = (attempt: Attempt | undefined) => entryOf(attempt, 'closed')?.refusal;

/** The last entry of a kind. */
export function entryOf<T extends AttemptEntry['type']>(
  attempt: Attempt | undefined,
  type: T,
): Extract<AttemptEntry, { type: T }> | undefined {
  return attempt?.entries.findLast((entry): entry is Extract<AttemptEntry, { type: T }> => entry.type === type);
}

/** Every entry of a kind, in order. */
export const entriesOf = <T extends AttemptEntry['type']>(
  attempt: Attempt,
  type: T,
): Extract<AttemptEntry, { type: T }>[] =>
  attempt.entries.filter((entry): entry is Extract<AttemptEntry, { type: T }> => entry.type === type);

/** The machine's clock, which can be set forward: time-outs of minutes come at once. */
export class SkippingTimers implements Timers {
  private skipped: Millis = 0;
  private readonly waiting = new Set<{ readonly at: Millis; readonly wake: () => void; cancel: () => void }>();

  now(): Millis {
    return systemTimers.now() + this.skipped;
  }

  schedule(at: Millis, wake: () => void): () => void {
    const entry = { at, wake, cancel: (): void => undefined };
    this.waiting.add(entry);
    this.arm(entry);
    return () => {
      entry.cancel();
      this.waiting.delete(entry);
    };
  }

  skip(time: Millis): void {
    this.skipped += time;
    for (const entry of this.waiting) {
      entry.cancel();
      this.arm(entry);
    }
  }

  private arm(entry: { readonly at: Millis; readonly wake: () => void; cancel: () => void }): void {
    entry.cancel = systemTimers.schedule(entry.at - this.skipped, () => {
      this.waiting.delete(entry);
      entry.wake();
    });
  }
}

function portOf(endpoint: string | undefined): number {
  return Number(/:(\d+)$/.exec(endpoint ?? '')?.[1] ?? Number.NaN);
}

function errorLog(errors: string[]): Log {
  const ignore = (): void => undefined;
  return {
    debug: ignore,
    info: ignore,
    warn: ignore,
    error: (facts, text) => errors.push(`${text} ${String((facts as { error?: unknown }).error ?? '')}`),
  };
}
