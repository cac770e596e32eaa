import { equalBytes, noBytes } from '../core/bytes.ts';
import { type Millis, systemTimers, type Timers } from '../core/clock.ts';
import { type Decision, decided, describe, FirstbootError, failure } from '../core/errors.ts';
import { type Uuid, uuidNamespaces, uuidV5 } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import { type Log, silentLog } from '../core/log.ts';
import { systemRandom } from '../core/random.ts';
import { createSecureContext } from '../secure/engine.ts';
import { Alarm as Clockwork } from '../transport/alarm.ts';
import type { DeviceAction } from './actions.ts';
import type { Alarm } from './alarms.ts';
import type { DeviceDeps, DeviceSettings, Fingerprint } from './context.ts';
import { readDhcpOption } from './dhcp.ts';
import { Listeners, type Unsubscribe } from './listeners.ts';
import { DeviceMachine, factoryNew } from './machine.ts';
import { socketNetwork } from './network.ts';
import { NetworkWait } from './network-wait.ts';
import { type DeviceClientOptions, depsOf, settingsOf } from './options.ts';
import type { StepReport } from './report.ts';
import { DeviceResources } from './resources/device-resources.ts';
import type { ResourceHost } from './resources/resource.ts';
import type { RetryRule } from './retry.ts';
import { SessionTable } from './sessions.ts';
import type { DeviceState, Endpoint } from './state.ts';
import { StateWriter } from './state-writer.ts';
import type { DeviceStatus } from './status.ts';
import { type DeviceStorage, memoryStorage } from './storage.ts';

export type { DeviceClientOptions } from './options.ts';

/** A device's provisioning client: plgd's client library in TypeScript's idiom. */
export function createDeviceClient(options: DeviceClientOptions): DeviceClient {
  return new DeviceClient(options);
}

export class DeviceClient implements ResourceHost {
  /** What the hub, and whoever comes to the device itself, may ask it for. */
  readonly resources: DeviceResources;
  private readonly options: DeviceClientOptions;
  private readonly timers: Timers;
  private readonly storage: DeviceStorage;
  private readonly deps: DeviceDeps;
  private readonly statusListeners = new Listeners<[status: DeviceStatus]>();
  private readonly cloudListeners = new Listeners<[flags: number]>();
  private readonly stepListeners = new Listeners<[report: StepReport]>();
  private readonly alarmListeners = new Listeners<[alarm: Alarm, set: boolean]>();
  private readonly writer: StateWriter;
  private readonly sessions: SessionTable;
  private readonly clockwork: Clockwork;
  private settings: DeviceSettings;
  private serviceCa: readonly Uint8Array[];
  private log: Log;
  private loaded: DeviceMachine | undefined;
  private readonly actions: DeviceAction[] = [];
  private driving = false;
  private off = false;
  private readonly wait: NetworkWait;
  private dhcpOption: Uint8Array | undefined;

  constructor(options: DeviceClientOptions) {
    this.options = options;
    this.timers = options.timers ?? systemTimers;
    this.storage = options.storage ?? memoryStorage();
    this.log = options.log ?? silentLog;
    this.serviceCa = options.serviceCa ?? [];
    this.settings = settingsOf(options);
    this.deps = depsOf(options);
    this.writer = new StateWriter(this.storage, (reason) => {
      this.log.error({ device: this.settings.name, reason }, 'the state could not be stored');
    });
    this.wait = new NetworkWait(options.networkReady, (reason) => {
      this.log.warn({ device: this.settings.name, reason }, 'waiting for the network failed; starting all the same');
    });
    const { timers } = this;
    const network =
      options.network ?? socketNetwork({ createSecureContext, timers, random: options.random ?? systemRandom });
    this.resources = new DeviceResources(this, options.onRequest);
    this.sessions = new SessionTable(network, timers, this.resources, () => this.drive());
    this.clockwork = new Clockwork(timers, (now) => {
      this.loaded?.handleTimeout(now);
      this.drive();
      return this.off ? undefined : this.loaded?.nextTimeout();
    });
  }

  /**
   * Loads the device's state, or makes a factory-new one. Before anything else.
   * @throws FirstbootError device.state when it is damaged, unless the options say to reset it.
   */
  async init(): Promise<void> {
    if (this.loaded) return;
    const stored = await this.load();
    const kept = stored?.leaving ? undefined : stored;
    const state = kept ?? factoryNew(stored ? [] : this.settings.endpoints, this.deps);
    if (!kept) await this.storage.save(state);
    this.loaded = new DeviceMachine(state, this.settings, this.deps);
  }

  /** Provisions what is missing and goes to the cloud; tries for ever. With `networkReady`, once the network is there. */
  start(): void {
    this.wait.begin(() => this.act((machine, now) => machine.start(now)));
  }

  /** Closes every session and stops trying. State and status stay. */
  stop(): void {
    this.wait.cancel();
    this.act((machine) => machine.stop());
  }

  restart(): void {
    this.stop();
    this.start();
  }

  /** New device id, new key pair, nothing else kept, nobody told; a client that runs provisions itself again. */
  factoryReset(): void {
    this.act((machine, now) => machine.factoryReset(now));
  }

  /** A full run from the time on, keeping device id and key. Switches the device on. */
  forceReprovision(): void {
    this.act((machine, now) => machine.forceReprovision(now));
  }

  /** The provisioning services that the device knows now. */
  get endpoints(): readonly Endpoint[] {
    return this.machine.state.endpoints;
  }

  /** The one it asks. */
  get selectedEndpoint(): Endpoint | undefined {
    const { endpoints, selected } = this.machine.state;
    return endpoints[selected];
  }

  /**
   * Takes these services in the place of those it knows, and provisions itself anew with the first. An empty list, or a first
   * one with the URI '', is a factory reset of which the cloud is told: after it the device waits for an endpoint.
   * @throws FirstbootError service.config when there are more than limits.device.endpoints.
   */
  setEndpoints(endpoints: readonly Endpoint[]): void {
    if (endpoints.length > limits.device.endpoints) {
      const evidence = { endpoints: endpoints.length };
      throw failure('service.config', evidence, `name ${limits.device.endpoints} endpoints at most`);
    }
    const different = endpoints.filter(({ uri }, at) => endpoints.findIndex((other) => other.uri === uri) === at);
    this.act((machine, now) => machine.setEndpoints(different, now));
  }

  /** A certificate fingerprint of the provisioning service, or none; from the next session on. */
  setFingerprint(fingerprint: Fingerprint | undefined): void {
    this.configure({ fingerprint });
  }

  /**
   * Takes over what the network's DHCP server tells in option 43: another endpoint means a full run there. The same option
   * once more changes nothing; what an option does not tell stays. A fingerprint from the network counts where the factory has
   * given no CA: it would let pass what the CA does not vouch for, and anybody can answer DHCP.
   */
  applyDhcpOption(option: Uint8Array): Decision<void> {
    if (this.dhcpOption && equalBytes(this.dhcpOption, option)) return decided(undefined);
    const read = readDhcpOption(option);
    if (!read.ok) return read;
    const { endpoint, fingerprint } = read.value;
    const judgedByCa = this.settings.service !== 'skip' && this.serviceCa.length > 0;
    if (fingerprint && !judgedByCa) this.setFingerprint(fingerprint);
    else if (fingerprint) this.log.warn({ device: this.settings.name }, 'DHCP names a fingerprint; the CA is trusted');
    if (endpoint !== undefined && endpoint !== this.selectedEndpoint?.uri) this.setEndpoints([{ uri: endpoint }]);
    this.dhcpOption = option.slice();
    return decided(undefined);
  }

  /** Stops, and waits until the last state is stored. */
  async shutdown(): Promise<void> {
    if (this.loaded && !this.off) this.stop();
    this.clockwork.stop();
    await this.writer.done();
  }

  /**
   * A power cut: nobody is told, nothing more is stored (a write under way ends or not; `shutdown` waits for it), and this
   * client is dead. A new one over the same storage goes on from there.
   */
  powerOff(): void {
    if (this.off) return;
    this.off = true;
    this.wait.cancel();
    this.writer.stop();
    this.clockwork.stop();
    this.actions.length = 0;
    this.sessions.powerOff();
  }

  /** Told of every change of the status, from now on. */
  onStatus(listener: (status: DeviceStatus) => void): Unsubscribe {
    return this.statusListeners.add(listener);
  }

  /** Told of every change of the cloud's flags (`cloudFlags`), from now on. */
  onCloudStatus(listener: (flags: number) => void): Unsubscribe {
    return this.cloudListeners.add(listener);
  }

  /** Told of every alarm that is raised or cleared, from now on. */
  onAlarm(listener: (alarm: Alarm, set: boolean) => void): Unsubscribe {
    return this.alarmListeners.add(listener);
  }

  /** Told of every step that ended, well or not. */
  onStep(listener: (report: StepReport) => void): Unsubscribe {
    return this.stepListeners.add(listener);
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

  get name(): string {
    return this.settings.name;
  }

  /** Follows from the manufacturer certificate. */
  get platformId(): Uuid {
    const [leaf = noBytes] = this.settings.manufacturer.chain;
    return uuidV5(uuidNamespaces.x500, leaf);
  }

  /** The device's own clock, without what the service told it. */
  now(): Millis {
    return this.timers.now();
  }

  get status(): DeviceStatus {
    return this.machine.status;
  }

  get cloudFlags(): number {
    return this.machine.cloudFlags;
  }

  /** The alarms that are raised now. */
  get alarms(): ReadonlySet<Alarm> {
    return this.machine.alarms;
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
    if (this.off) return;
    what(this.machine, this.timers.now());
    this.drive();
  }

  /** Performs what the machine wants and tells it what came of it, until both are quiet. Calls from inside only queue. */
  private drive(): void {
    const machine = this.loaded;
    if (!machine || this.driving || this.off) return;
    this.driving = true;
    try {
      while (!this.off) {
        this.sessions.deliver(machine);
        this.actions.push(...machine.takeActions());
        const action = this.actions.shift();
        if (action) this.perform(action);
        else if (!this.sessions.waiting) break;
      }
    } finally {
      this.driving = false;
    }
    if (!this.off) this.clockwork.set(machine.nextTimeout());
  }

  private perform(action: DeviceAction): void {
    switch (action.type) {
      case 'persist':
        this.writer.write(action.state);
        break;
      case 'status':
        this.statusListeners.tell(action.status);
        break;
      case 'cloud-status':
        this.cloudListeners.tell(action.flags);
        break;
      case 'alarm':
        this.alarmListeners.tell(action.alarm, action.set);
        break;
      case 'step': {
        const report = this.sessions.report(action.report);
        const { refusal } = report;
        if (refusal) this.log.warn({ device: this.settings.name, step: report.step }, describe(refusal));
        this.stepListeners.tell(report);
        break;
      }
      case 'log':
        this.log[action.level]({ device: this.settings.name }, action.text);
        break;
      default:
        this.sessions.perform(action);
    }
  }
}
