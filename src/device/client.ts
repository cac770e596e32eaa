import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import type { IncomingRequest, OutgoingResponse } from '../coap/endpoint.ts';
import { encodePem } from '../codec/pem.ts';
import { systemTimers, type Timers } from '../core/clock.ts';
import { describe, FirstbootError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { type Log, silentLog } from '../core/log.ts';
import { type RandomSource, systemRandom } from '../core/random.ts';
import { createCsr } from '../pki/csr.ts';
import { uuidSubject } from '../pki/name.ts';
import type { Identity } from '../secure/association.ts';
import { createSecureContext } from '../secure/engine.ts';
import { Alarm } from '../transport/alarm.ts';
import type { DeviceAction } from './actions.ts';
import type { DeviceDeps, DeviceSettings } from './context.ts';
import { DeviceMachine, factoryNew } from './machine.ts';
import { type Network, socketNetwork } from './network.ts';
import type { StepReport } from './report.ts';
import type { Link } from './requests.ts';
import { documentedRetry, type RetryRule } from './retry.ts';
import { SessionTable } from './sessions.ts';
import type { DeviceState, Endpoint } from './state.ts';
import type { DeviceStatus } from './status.ts';
import { type DeviceStorage, memoryStorage } from './storage.ts';

export interface DeviceClientOptions {
  /** URIs of provisioning services, `coaps://host:port` or `coaps+tcp://host:port`; the first is asked first. */
  readonly endpoints: readonly (string | Endpoint)[];
  /** The manufacturer certificate chain (leaf first, no root) and its key. */
  readonly manufacturer: Identity;
  /** Default: real sockets. */
  readonly network?: Network;
  /** Trust anchors of the provisioning service, DER. None: no service is trusted until one is set or checks are skipped. */
  readonly serviceCa?: readonly Uint8Array[];
  readonly skipVerification?: boolean;
  /** Default: in memory. */
  readonly storage?: DeviceStorage;
  /** What to do with stored state that is damaged. Default: `init` throws. */
  readonly damagedState?: 'throw' | 'reset';
  /** Default: `dps`. */
  readonly name?: string;
  readonly links?: readonly Link[];
  /** Default: 10, 20, 40, 80, 120 s, for ever. */
  readonly retry?: RetryRule;
  /** ms that a credential must still be valid for; default one hour. */
  readonly expiring?: number;
  /** Seconds to sign in at a gateway before the next one is tried; default 30, 0: for ever. */
  readonly cloudChecks?: number;
  /** Answers what the hub asks of the device; default 4.04. */
  readonly onRequest?: (request: IncomingRequest) => OutgoingResponse;
  readonly timers?: Timers;
  readonly random?: RandomSource;
  readonly log?: Log;
}

/** A device's provisioning client: plgd's client library in TypeScript's idiom. */
export function createDeviceClient(options: DeviceClientOptions): DeviceClient {
  return new DeviceClient(options);
}

/** Returned by every `on...`: ends the subscription. */
export type Unsubscribe = () => void;

export class DeviceClient {
  private readonly options: DeviceClientOptions;
  private readonly timers: Timers;
  private readonly storage: DeviceStorage;
  private readonly deps: DeviceDeps;
  private readonly statusListeners = new Set<(status: DeviceStatus) => void>();
  private readonly cloudListeners = new Set<(flags: number) => void>();
  private readonly stepListeners = new Set<(report: StepReport) => void>();
  private readonly sessions: SessionTable;
  private readonly alarm: Alarm;
  private settings: DeviceSettings;
  private serviceCa: readonly Uint8Array[];
  private log: Log;
  private loaded: DeviceMachine | undefined;
  private readonly actions: DeviceAction[] = [];
  private driving = false;
  private unsaved: DeviceState | undefined;
  private saving: Promise<void> | undefined;

  constructor(options: DeviceClientOptions) {
    this.options = options;
    this.timers = options.timers ?? systemTimers;
    this.storage = options.storage ?? memoryStorage();
    this.log = options.log ?? silentLog;
    this.serviceCa = options.serviceCa ?? [];
    this.settings = {
      name: options.name ?? 'dps',
      endpoints: options.endpoints.map((endpoint) => (typeof endpoint === 'string' ? { uri: endpoint } : endpoint)),
      manufacturer: options.manufacturer,
      service: options.skipVerification ? 'skip' : this.serviceCa,
      retry: options.retry ?? documentedRetry,
      expiring: options.expiring ?? limits.device.expiring,
      cloudChecks: options.cloudChecks ?? 30,
      links: options.links ?? defaultLinks,
    };
    const random = options.random ?? systemRandom;
    this.deps = { random, createKey, createCsr: requestPem };
    const network = options.network ?? socketNetwork({ createSecureContext, timers: this.timers, random });
    this.sessions = new SessionTable(network, this.timers, options.onRequest ?? notFound, () => this.drive());
    this.alarm = new Alarm(this.timers, (now) => {
      this.loaded?.handleTimeout(now);
      this.drive();
      return this.loaded?.nextTimeout();
    });
  }

  /**
   * Loads the device's state, or makes a factory-new one. Before anything else.
   * @throws FirstbootError device.state when it is damaged, unless the options say to reset it.
   */
  async init(): Promise<void> {
    if (this.loaded) return;
    const stored = await this.load();
    const state = stored ?? factoryNew(this.settings.endpoints, this.deps);
    this.loaded = new DeviceMachine(state, this.settings, this.deps);
    if (!stored) await this.storage.save(state);
  }

  /** Provisions what is missing and goes to the cloud; tries for ever. */
  start(): void {
    this.act((machine, now) => machine.start(now));
  }

  /** Closes every session and stops trying. State and status stay. */
  stop(): void {
    this.act((machine) => machine.stop());
  }

  restart(): void {
    this.act((machine, now) => {
      machine.stop();
      machine.start(now);
    });
  }

  /** New device id, new key pair, nothing else kept; a client that runs provisions itself again. */
  factoryReset(): void {
    this.act((machine, now) => machine.factoryReset(now));
  }

  /** A full run from the time on, keeping device id and key. */
  forceReprovision(): void {
    this.act((machine, now) => machine.forceReprovision(now));
  }

  /** Stops, and waits until the last state is stored. */
  async shutdown(): Promise<void> {
    if (this.loaded) this.stop();
    this.alarm.stop();
    await this.saving;
  }

  /** Told of every change of the status, from now on. */
  onStatus(listener: (status: DeviceStatus) => void): Unsubscribe {
    return subscribe(this.statusListeners, listener);
  }

  /** Told of every change of the cloud's flags (`cloudFlags`), from now on. */
  onCloudStatus(listener: (flags: number) => void): Unsubscribe {
    return subscribe(this.cloudListeners, listener);
  }

  /** Told of every step that ended, well or not. */
  onStep(listener: (report: StepReport) => void): Unsubscribe {
    return subscribe(this.stepListeners, listener);
  }

  /** Trust anchors of the provisioning service, DER; from the next session on. */
  setServiceCa(anchors: readonly Uint8Array[]): void {
    this.serviceCa = anchors;
    if (this.settings.service !== 'skip') this.configure({ service: anchors });
  }

  /** Accepts any provisioning service: for development only. The cloud is always checked. */
  skipVerification(skip: boolean): void {
    this.configure({ service: skip ? 'skip' : this.serviceCa });
  }

  setRetry(retry: RetryRule): void {
    this.configure({ retry });
  }

  setLog(log: Log): void {
    this.log = log;
  }

  get status(): DeviceStatus {
    return this.machine.status;
  }

  get cloudFlags(): number {
    return this.machine.cloudFlags;
  }

  get online(): boolean {
    return this.machine.online;
  }

  get running(): boolean {
    return this.loaded?.running ?? false;
  }

  get state(): DeviceState {
    return this.machine.state;
  }

  private get machine(): DeviceMachine {
    if (!this.loaded) throw new TypeError('init() the device client first');
    return this.loaded;
  }

  private async load(): Promise<DeviceState | undefined> {
    try {
      return await this.storage.load();
    } catch (error) {
      if (this.options.damagedState !== 'reset' || !(error instanceof FirstbootError)) throw error;
      this.log.warn({ device: this.settings.name }, `${error.message}; starting factory-new`);
      await this.storage.clear();
      return undefined;
    }
  }

  private configure(changes: Partial<DeviceSettings>): void {
    this.settings = { ...this.settings, ...changes };
    this.loaded?.configure(changes);
  }

  private act(what: (machine: DeviceMachine, now: number) => void): void {
    what(this.machine, this.timers.now());
    this.drive();
  }

  /** Performs what the machine wants and tells it what came of it, until both are quiet. Calls from inside only queue. */
  private drive(): void {
    const machine = this.loaded;
    if (!machine || this.driving) return;
    this.driving = true;
    try {
      for (;;) {
        this.sessions.deliver(machine);
        this.actions.push(...machine.takeActions());
        const action = this.actions.shift();
        if (action) this.perform(action);
        else if (!this.sessions.waiting) break;
      }
    } finally {
      this.driving = false;
    }
    this.alarm.set(machine.nextTimeout());
  }

  private perform(action: DeviceAction): void {
    switch (action.type) {
      case 'persist':
        this.persist(action.state);
        break;
      case 'status':
        for (const listener of this.statusListeners) listener(action.status);
        break;
      case 'cloud-status':
        for (const listener of this.cloudListeners) listener(action.flags);
        break;
      case 'step': {
        const report = this.sessions.report(action.report);
        const { refusal } = report;
        if (refusal) this.log.warn({ device: this.settings.name, step: report.step }, describe(refusal));
        for (const listener of this.stepListeners) listener(report);
        break;
      }
      case 'log':
        this.log[action.level]({ device: this.settings.name }, action.text);
        break;
      default:
        this.sessions.perform(action);
    }
  }

  /** One write at a time; what has changed meanwhile goes into the next. */
  private persist(state: DeviceState): void {
    this.unsaved = state;
    this.saving ??= this.saveAll().finally(() => {
      this.saving = undefined;
    });
  }

  private async saveAll(): Promise<void> {
    while (this.unsaved) {
      const state = this.unsaved;
      this.unsaved = undefined;
      try {
        await this.storage.save(state);
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        this.log.error({ device: this.settings.name, reason }, 'the state could not be stored');
      }
    }
  }
}

/** What a device without resources of its own publishes: itself. */
const defaultLinks: readonly Link[] = [
  {
    href: '/oic/d',
    types: ['oic.d.cloudDevice', 'oic.wk.d'],
    interfaces: ['oic.if.r', 'oic.if.baseline'],
    instance: 1,
  },
  { href: '/oic/p', types: ['oic.wk.p'], interfaces: ['oic.if.r', 'oic.if.baseline'], instance: 2 },
];

const notFound = (): OutgoingResponse => ({ code: 404 });

function subscribe<T>(listeners: Set<T>, listener: T): Unsubscribe {
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
  };
}

function createKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

const requestPem = (key: string, deviceId: string): string =>
  encodePem('CERTIFICATE REQUEST', createCsr({ privateKey: createPrivateKey(key), subject: uuidSubject(deviceId) }));
