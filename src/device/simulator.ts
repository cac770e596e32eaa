import { type Millis, systemTimers, type Timers } from '../core/clock.ts';
import { describe, failure } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { createDeviceClient, type DeviceClient, type DeviceClientOptions } from './client.ts';
import { type FactoryIdentity, readFactoryIdentity } from './identity.ts';
import type { KeyChoice } from './keys.ts';
import { type Report, type StepReport, summarize } from './report.ts';
import type { Endpoint } from './state.ts';
import { progressFlags } from './status.ts';
import { type DeviceStorage, folderStorage, memoryStorage } from './storage.ts';

export interface SimulatedDeviceOptions extends Partial<PassedOn> {
  /** The provisioning service, `coaps://host:port` or `coaps+tcp://host:port`; more: the first is asked first; none: it waits. */
  readonly endpoint: string | readonly (string | Endpoint)[];
  /** A factory folder (dpsca.pem, mfgcrt.pem, mfgkey.pem), or what would be in it. */
  readonly identity: string | FactoryIdentity;
  /** Which of the factory folder's identities; default: the primary one. */
  readonly keySlot?: KeyChoice;
  /** Folder that keeps the state, or a storage; default: in memory. */
  readonly state?: string | DeviceStorage;
  /** How long `provision` and `online` wait before they give up, ms. Default: limits.device.wait. */
  readonly timeout?: Millis;
}

/** What goes to the client as it is. */
type PassedOn = Pick<DeviceClientOptions, (typeof passedOn)[number]>;

const passedOn = [
  'name',
  'skipVerification',
  'fingerprint',
  'links',
  'retry',
  'expiring',
  'cloudChecks',
  'cloudRetry',
  'connect',
  'networkReady',
  'beforeRun',
  'onRequest',
  'damagedState',
  'network',
  'timers',
  'random',
  'log',
] as const;

/**
 * A device for tests and demos:
 *
 *     const device = await SimulatedDevice.create({ endpoint, identity });
 *     const report = await device.online();
 *     await device.close();
 */
export class SimulatedDevice {
  readonly name: string;
  /** The whole client behind it: status callbacks, settings, retry rule. */
  readonly client: DeviceClient;
  private readonly timeout: Millis;
  private readonly timers: Timers;
  private steps: StepReport[] = [];

  private constructor(client: DeviceClient, name: string, timeout: Millis, timers: Timers) {
    this.client = client;
    this.name = name;
    this.timeout = timeout;
    this.timers = timers;
    client.onStep((step) => {
      // A device that lives on keeps the steps of its latest time only.
      if (this.steps.length === limits.device.reportedSteps) this.steps.shift();
      this.steps.push(step);
    });
  }

  /** @throws FirstbootError when the identity's files or the stored state cannot be used. */
  static async create(options: SimulatedDeviceOptions): Promise<SimulatedDevice> {
    const { endpoint, identity, name = 'dps', state, timers = systemTimers } = options;
    const factory = typeof identity === 'string' ? await readFactoryIdentity(identity, options.keySlot) : identity;
    const client = createDeviceClient({
      ...pick(options, passedOn),
      endpoints: typeof endpoint === 'string' ? [endpoint] : endpoint,
      manufacturer: factory,
      serviceCa: factory.serviceCa ?? [],
      storage: typeof state === 'string' ? folderStorage(state) : (state ?? memoryStorage()),
    });
    await client.init();
    return new SimulatedDevice(client, name, options.timeout ?? limits.device.wait, timers);
  }

  get deviceId(): string {
    return this.client.state.deviceId;
  }

  /** What has happened since the device was made, provisioned anew, or reset. */
  get report(): Report {
    return summarize(this.deviceId, this.steps);
  }

  /**
   * Switches the device on and waits until its last step is done. At once when it already was.
   * @throws FirstbootError device.timeout with the reason of the last failure; the device goes on trying.
   */
  async provision(): Promise<Report> {
    return this.reach('provisioned', () => (this.client.status.progress & progressFlags.cloudStarted) !== 0);
  }

  /** Switches the device on and waits until it is signed in at its cloud. @throws FirstbootError device.timeout */
  async online(): Promise<Report> {
    return this.reach('online', () => this.client.online);
  }

  /** New device id, new key, same manufacturer certificate. A device that is on provisions itself again. */
  factoryReset(): void {
    this.steps = [];
    this.client.factoryReset();
  }

  /** Everything again with the same device id. */
  forceReprovision(): void {
    this.steps = [];
    this.client.forceReprovision();
  }

  /** A power cut: nobody is told, nothing more is stored. Make a new device over the same state to switch it on again. */
  powerOff(): void {
    this.client.powerOff();
  }

  /** Switches off; what is stored stays. */
  async close(): Promise<void> {
    await this.client.shutdown();
  }

  private reach(goal: string, reached: () => boolean): Promise<Report> {
    const { client, timers } = this;
    return new Promise((resolve, reject) => {
      const unsubscribe = [client.onStatus(check), client.onCloudStatus(check)];
      const cancel = timers.schedule(timers.now() + this.timeout, () => {
        end();
        reject(this.overdue(goal));
      });
      const end = (): void => {
        cancel();
        for (const stop of unsubscribe) stop();
      };
      const report = (): Report => this.report;
      function check(): void {
        if (!reached()) return;
        end();
        resolve(report());
      }
      client.start();
      check();
    });
  }

  private overdue(goal: string): Error {
    const fault = this.steps.findLast(({ refusal }) => refusal !== undefined);
    const reason = fault?.refusal ? `${fault.step}: ${describe(fault.refusal)}` : this.client.status.text;
    return failure(
      'device.timeout',
      { device: this.name, goal, after: this.timeout, last: reason },
      'see the log of the service for this device',
    );
  }
}

/** The given options that are set. */
function pick<T extends object, K extends keyof T>(from: T, keys: readonly K[]): Pick<T, K> {
  return Object.fromEntries(keys.filter((key) => from[key] !== undefined).map((key) => [key, from[key]])) as Pick<T, K>;
}
