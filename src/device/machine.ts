import type { IncomingResponse } from '../coap/endpoint.ts';
import { earlier, type Millis, seconds } from '../core/clock.ts';
import { unreachable } from '../core/errors.ts';
import { uuidV4 } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import type { RandomSource } from '../core/random.ts';
import type { DeviceAction, ExchangeFailure } from './actions.ts';
import type { Alarm } from './alarms.ts';
import { CloudMachine } from './cloud.ts';
import { DeviceContext, type DeviceDeps, type DeviceSettings } from './context.ts';
import { renewalDelay } from './renewal.ts';
import { ProvisioningRun } from './run.ts';
import { SignOff } from './sign-off.ts';
import { type RunReason, StartGate } from './start-gate.ts';
import { type DeviceState, type Endpoint, firstMissingStep } from './state.ts';
import { cloudFlags, type DeviceStatus, lastErrors, progressFlags } from './status.ts';
import { flagsBefore, type RunMode, stepFlags } from './steps.ts';

/**
 * A device without I/O: what happens to it goes in through the methods, each with the time of the device's own clock; what
 * it wants done comes out of `takeActions`. It looks after the provisioning run, the cloud and the renewal, and starts the
 * one that is due.
 */
export class DeviceMachine {
  private readonly context: DeviceContext;
  private readonly run: ProvisioningRun;
  private readonly cloud: CloudMachine;
  private readonly signOff: SignOff;
  private readonly gate: StartGate;
  private renewAt: Millis | undefined;
  private started = false;
  /** The device leaves its cloud, and forgets everything then. */
  private leaving = false;

  constructor(state: DeviceState, settings: DeviceSettings, deps: DeviceDeps) {
    this.context = new DeviceContext(state, settings, deps);
    this.run = new ProvisioningRun(this.context, {
      done: (mode, now) => this.runDone(mode, now),
      hubLeft: (before, now) => this.leaveHub(before, now),
    });
    this.cloud = new CloudMachine(this.context, {
      hubChanged: (now) => this.hubChanged(now),
      gatewaysExhausted: (now) => this.gatewaysExhausted(now),
    });
    this.signOff = new SignOff(this.context);
    this.gate = new StartGate(deps.beforeRun, (reason, now) => this.begin(reason, now));
  }

  get state(): DeviceState {
    return this.context.state;
  }

  get status(): DeviceStatus {
    return this.context.status;
  }

  get cloudFlags(): number {
    return this.context.cloudFlags;
  }

  get online(): boolean {
    return this.cloud.online;
  }

  get running(): boolean {
    return this.started;
  }

  get alarms(): ReadonlySet<Alarm> {
    return this.context.alarms;
  }

  /**
   * Goes on where the state allows: straight to the cloud, or at the first step that is missing. Once more is harmless, and
   * asks again for a run that was not allowed to begin. Without an endpoint it waits for one.
   */
  start(now: Millis): void {
    if (this.started && this.busy) return;
    this.started = true;
    const { context } = this;
    if (context.state.endpoints.length === 0) {
      context.setProgress(0, lastErrors.ok);
      return;
    }
    const missing = firstMissingStep(context.state, now, context.settings.expiring);
    context.setProgress(progressFlags.initialized | flagsBefore(missing), lastErrors.ok);
    if (missing === undefined) this.provisioned(now);
    else this.gate.request(context.state.clockOffset === undefined ? 'first-boot' : 'missing', now);
  }

  /** Closes every session. The state stays; a device that was about to forget it does so now. */
  stop(): void {
    if (!this.started) return;
    this.started = false;
    this.halt();
    this.signOff.stop();
    if (this.leaving) this.forget([]);
  }

  /** Everything again, from the time on, whatever the device has. Switches it on. */
  forceReprovision(now: Millis): void {
    if (this.leaving) this.forget([]);
    this.started = true;
    if (this.state.endpoints.length === 0) this.start(now);
    else this.gate.request('forced', now);
  }

  /**
   * A new device id and a new key pair; nothing else survives but the manufacturer's certificate and the factory's endpoints.
   * Nobody is told.
   */
  factoryReset(now: Millis): void {
    const { started, context } = this;
    this.stop();
    this.forget(context.settings.endpoints);
    if (started) this.start(now);
  }

  /**
   * Takes these services in the place of those it knows, the first of them to begin with, and provisions itself anew. None,
   * or a first one without a URI, is a factory reset that tells the cloud first (2 s at the most): no endpoint is left then,
   * and the device waits for one.
   */
  setEndpoints(endpoints: readonly Endpoint[], now: Millis): void {
    if (endpoints.length === 0 || endpoints[0]?.uri === '') {
      this.leave(now);
      return;
    }
    if (this.leaving) this.forget([]);
    const { context } = this;
    const fresh = context.state.clockOffset === undefined;
    context.save({ ...context.state, endpoints, selected: 0, ...(!fresh && { superseded: true }) });
    if (!this.started) return;
    if (fresh) {
      this.halt();
      this.start(now);
    } else {
      this.gate.request('forced', now);
    }
  }

  /** New settings hold from the next session or try on. */
  configure(changes: Partial<DeviceSettings>): void {
    this.context.settings = { ...this.context.settings, ...changes };
    if (changes.retry) this.run.retry.use(changes.retry);
  }

  connected(session: number, now: Millis): void {
    if (this.run.connected(session, now) || this.signOff.connected(session, now)) return;
    this.cloud.connected(session, now);
  }

  /** @param reason why; `handshake-timeout` counts as a timeout, everything else as a failure. */
  closed(session: number, reason: string, now: Millis): void {
    if (this.run.closed(session, reason, now) || this.signOff.closed(session, reason)) return;
    this.cloud.closed(session, reason, now);
  }

  response(exchange: number, response: IncomingResponse, now: Millis): void {
    if (this.run.response(exchange, response, now) || this.signOff.response(exchange, response, now)) return;
    this.cloud.response(exchange, response, now);
  }

  failed(exchange: number, reason: ExchangeFailure, now: Millis): void {
    if (this.run.failed(exchange, reason, now) || this.signOff.failed(exchange, reason)) return;
    this.cloud.failed(exchange, reason, now);
  }

  pong(exchange: number): void {
    this.cloud.pong(exchange);
  }

  nextTimeout(): Millis | undefined {
    const parts = [this.run, this.cloud, this.signOff, this.gate];
    return parts.map((part) => part.nextTimeout()).reduce(earlier, this.renewAt);
  }

  handleTimeout(now: Millis): void {
    this.run.handleTimeout(now);
    this.signOff.handleTimeout(now);
    this.cloud.handleTimeout(now);
    const held = this.gate.due(now);
    if (held !== undefined) this.ask(held, now);
    if (this.renewAt !== undefined && now >= this.renewAt) this.renewalDue(now);
  }

  takeActions(): DeviceAction[] {
    this.judgeAlarms();
    return this.context.takeActions();
  }

  /** Something is under way, or waits for its time. */
  private get busy(): boolean {
    return this.run.running || this.cloud.active || this.cloud.online || this.gate.holding || this.leaving;
  }

  private judgeAlarms(): void {
    const { context, started, online } = this;
    const wanted = started && context.settings.connect && context.state.endpoints.length > 0;
    context.setAlarm('Disconnected', wanted && !online);
  }

  /** Ends everything but a sign-off. */
  private halt(): void {
    this.run.stop();
    this.cloud.stop();
    this.gate.clear();
    this.renewAt = undefined;
  }

  private forget(endpoints: readonly Endpoint[]): void {
    const { context } = this;
    this.leaving = false;
    this.signOff.stop();
    context.save(factoryNew(endpoints, context.deps));
    context.setAlarm('ProvisioningFailed', false);
    context.setProgress(0, lastErrors.ok);
  }

  private leave(now: Millis): void {
    if (this.leaving) return;
    if (!this.started) {
      this.forget([]);
      return;
    }
    const session = this.cloud.release();
    this.halt();
    this.leaving = true;
    // Whoever asked for it may cut the power at once.
    this.context.save({ ...this.state, leaving: true });
    const within = limits.device.resetSignOff;
    const done = (told: boolean): void => {
      if (told) this.context.setCloudFlags(cloudFlags.deregistered);
      this.forget([]);
    };
    this.signOff.begin({ state: this.state, session, within, done }, now);
  }

  /** The run goes on meanwhile: the hub it has left is told beside it. */
  private leaveHub(before: DeviceState, now: Millis): void {
    const within = limits.device.signOff;
    this.signOff.begin({ state: before, session: undefined, within, done: () => undefined }, now);
  }

  private begin(reason: RunReason, now: Millis): void {
    switch (reason) {
      case 'first-boot':
      case 'missing': {
        const missing = firstMissingStep(this.state, now, this.context.settings.expiring);
        if (missing === undefined) this.provisioned(now);
        else this.run.begin(missing, 'provision', now);
        break;
      }
      case 'forced':
      case 'gateways-exhausted':
        this.fullRun(now);
        break;
      case 'hub-changed':
        this.hubRun(now);
        break;
      case 'renewal':
        this.run.begin('credentials', 'renew', now);
        break;
      default:
        unreachable(reason);
    }
  }

  private fullRun(now: Millis): void {
    this.cloud.stop();
    this.renewAt = undefined;
    this.context.restartProgress(0);
    this.context.setProgress(progressFlags.initialized, lastErrors.ok);
    this.run.begin('time', 'provision', now);
  }

  private hubRun(now: Millis): void {
    const { context } = this;
    const again =
      progressFlags.cloudStarted | progressFlags.renewCredentials | stepFlags.credentials.has | stepFlags.acls.has;
    context.setProgress(context.status.progress & ~again, lastErrors.ok);
    this.run.begin('credentials', 'provision', now);
  }

  /** The cloud waits for the credentials of its hub, whenever they may be fetched. */
  private hubChanged(now: Millis): void {
    this.cloud.stop();
    this.run.stop();
    this.renewAt = undefined;
    this.gate.request('hub-changed', now);
  }

  /** The gateway it has is tried on, until the run may begin. */
  private gatewaysExhausted(now: Millis): void {
    if (!this.gate.holding && this.gate.request('gateways-exhausted', now) === 'begun') return;
    // Whoever was asked may have switched the device off, or reset it.
    if (this.started && !this.leaving && this.state.cloud) this.cloud.start(now);
  }

  private renewalDue(now: Millis): void {
    this.renewAt = undefined;
    if (this.run.running) return;
    // Whatever run is held back fetches credentials, too: unless it comes to nothing, which is seen when it is due.
    if (!this.gate.holding) this.ask('renewal', now);
    if (this.gate.holding) this.renewAt = this.gate.nextTimeout();
  }

  private ask(reason: RunReason, now: Millis): void {
    const outcome = this.gate.request(reason, now);
    if (reason === 'renewal' && outcome === 'ignored') this.scheduleRenewal(now, ignoredRenewal);
  }

  private runDone(mode: RunMode, now: Millis): void {
    if (mode === 'provision') this.provisioned(now);
    else this.scheduleRenewal(now);
  }

  private provisioned(now: Millis): void {
    const { context } = this;
    context.setProgress(context.status.progress | progressFlags.cloudStarted, lastErrors.ok);
    this.scheduleRenewal(now);
    if (context.settings.connect) this.cloud.start(now);
  }

  private scheduleRenewal(now: Millis, least: Millis = 0): void {
    const { state, settings } = this.context;
    if (!state.credentials || !this.started) return;
    const remaining = state.credentials.validTo - this.context.time(now);
    this.renewAt = now + Math.max(least, renewalDelay(remaining, settings.expiring));
  }
}

/** An ignored renewal of credentials that are about to expire is not asked about without end. */
const ignoredRenewal = seconds(10);

/** The state of a device that has never been switched on. */
export function factoryNew(
  endpoints: readonly Endpoint[],
  deps: { readonly random: RandomSource; readonly createKey: () => string },
): DeviceState {
  return { deviceId: uuidV4(deps.random), key: deps.createKey(), endpoints, selected: 0 };
}
