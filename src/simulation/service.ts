import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Composition, composeService } from '../composition.ts';
import type { Timers } from '../core/clock.ts';
import type { InFlight } from '../core/in-flight.ts';
import { limits } from '../core/limits.ts';
import { type Log, silentLog } from '../core/log.ts';
import type { RandomSource } from '../core/random.ts';
import type { DevelopmentSettings } from '../development.ts';
import type { VirtualNetwork } from '../fleet/virtual-network.ts';
import type { EntryListener, TokenSource } from '../provision/ports.ts';
import { openLevelStore } from '../store/level.ts';
import type { Store } from '../store/store.ts';
import type { SessionOwner } from '../transport/session.ts';
import { VirtualServer } from './server.ts';

export interface SimulatedServiceOptions {
  readonly network: VirtualNetwork;
  readonly settings: DevelopmentSettings;
  readonly tokens: TokenSource;
  readonly timers: Timers;
  /** What the store collects its writes by. */
  readonly patience: Timers;
  readonly inFlight: InFlight;
  readonly random: RandomSource;
  readonly mtu: number;
  readonly log?: Log;
  readonly onEntry?: EntryListener;
  /** Stands between the transports and the service. */
  readonly meddle?: (owner: SessionOwner) => SessionOwner;
}

/** Name and port of the service in simulations. */
export const serviceAddress = { host: 'service', port: 5684 } as const;

/** The real service on a virtual network. It can be stopped, killed and started again over what its store has. */
export class SimulatedService {
  private readonly options: SimulatedServiceOptions;
  private folder: string;
  private running: Running | undefined;

  private constructor(options: SimulatedServiceOptions, folder: string) {
    this.options = options;
    this.folder = folder;
  }

  static async create(options: SimulatedServiceOptions): Promise<SimulatedService> {
    const service = new SimulatedService(options, await newFolder());
    await service.start();
    return service;
  }

  /** Undefined while it is stopped. */
  get composition(): Composition | undefined {
    return this.running?.composition;
  }

  get store(): Store | undefined {
    return this.running?.store;
  }

  /** Sessions held now. */
  get sessions(): number {
    return this.running?.server.sessions ?? 0;
  }

  async start(): Promise<void> {
    if (this.running) return;
    const { network, settings, timers, random, mtu, meddle = (owner) => owner, ...options } = this.options;
    const store = await this.openStore();
    const composition = await composeService({
      ...settings,
      ...options,
      store,
      timers,
      random,
      mtu,
      log: options.log ?? silentLog,
      clock: 'simulated',
    });
    const { contexts } = composition;
    const server = new VirtualServer({
      ...serviceAddress,
      network,
      contexts,
      owner: meddle(composition.owner),
      timers,
      random,
      idle: limits.session.idle,
      mtu,
    });
    this.running = { store, composition, server };
  }

  /** Says goodbye to everybody and writes what there is to write. */
  async stop(): Promise<void> {
    const running = this.takeRunning();
    if (!running) return;
    const { server, composition, store } = running;
    server.close();
    await composition.idle();
    await composition.stop();
    await store.close();
  }

  /**
   * Kills it as the system kills a process: sessions end without a word, and what the store had not handed to its files
   * is gone. The files are copied as they are at that moment; the old process finishes among the old ones, unheard.
   */
  async kill(): Promise<void> {
    const running = this.takeRunning();
    if (!running) return;
    const { server, composition, store } = running;
    server.silence();
    await composition.idle();
    const old = this.folder;
    this.folder = await copyOf(old);
    server.kill();
    await composition.idle();
    await composition.stop();
    await store.close();
    await rm(old, { recursive: true, force: true });
  }

  /** Looks into the store, whether or not the service is running. */
  async look<T>(read: (store: Store) => Promise<T>): Promise<T> {
    if (this.running) return read(this.running.store);
    const store = await this.openStore();
    try {
      return await read(store);
    } finally {
      await store.close();
    }
  }

  async close(): Promise<void> {
    await this.stop();
    await rm(this.folder, { recursive: true, force: true });
  }

  private openStore(): Promise<Store> {
    return openLevelStore(join(this.folder, 'store'), { timers: this.options.patience, synced: false });
  }

  private takeRunning(): Running | undefined {
    const { running } = this;
    this.running = undefined;
    return running;
  }
}

interface Running {
  readonly store: Store;
  readonly composition: Composition;
  readonly server: VirtualServer;
}

const newFolder = (): Promise<string> => mkdtemp(join(tmpdir(), 'firstboot-simulation-'));

/** The database may be tidying up its files in the background: one that goes away under the copy means another try. */
async function copyOf(folder: string): Promise<string> {
  for (let tries = 0; ; tries++) {
    const copy = await newFolder();
    try {
      await cp(folder, copy, { recursive: true, filter: (path) => !path.endsWith('LOCK') });
      return copy;
    } catch (error) {
      await rm(copy, { recursive: true, force: true });
      if (tries === copyTries) throw error;
    }
  }
}

const copyTries = 5;
