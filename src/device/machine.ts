import type { IncomingResponse } from '../coap/endpoint.ts';
import { earlier, type Millis } from '../core/clock.ts';
import { uuidV4 } from '../core/ids.ts';
import type { RandomSource } from '../core/random.ts';
import type { DeviceAction, ExchangeFailure } from './actions.ts';
import { CloudMachine } from './cloud.ts';
import { DeviceContext, type DeviceDeps, type DeviceSettings } from './context.ts';
import { renewalDelay } from './renewal.ts';
import { ProvisioningRun, type RunMode } from './run.ts';
import { type DeviceState, type Endpoint, firstMissingStep } from './state.ts';
import { type DeviceStatus, lastErrors, progressFlags } from './status.ts';
import { flagsBefore, stepFlags } from './steps.ts';

/**
 * A device without I/O: what happens to it goes in through the methods, each with the time of the device's own clock; what
 * it wants done comes out of `takeActions`. It looks after the provisioning run, the cloud and the renewal, and starts the
 * one that is due.
 */
export class DeviceMachine {
  private readonly context: DeviceContext;
  private readonly run: ProvisioningRun;
  private readonly cloud: CloudMachine;
  private renewAt: Millis | undefined;
  private started = false;

  constructor(state: DeviceState, settings: DeviceSettings, deps: DeviceDeps) {
    this.context = new DeviceContext(state, settings, deps);
    this.run = new ProvisioningRun(this.context, (mode, now) => this.runDone(mode, now));
    this.cloud = new CloudMachine(this.context, {
      hubChanged: (now) => this.hubChanged(now),
      gatewaysExhausted: (now) => this.fullRun(now),
    });
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

  /** Goes on where the state allows: straight to the cloud, or at the first step that is missing. Once more is harmless. */
  start(now: Millis): void {
    if (this.started) return;
    const { context } = this;
    if (context.state.endpoints.length === 0) {
      context.setProgress(0, lastErrors.ok);
      return;
    }
    this.started = true;
    const missing = firstMissingStep(context.state, now, context.settings.expiring);
    context.setProgress(progressFlags.initialized | flagsBefore(missing), lastErrors.ok);
    if (missing === undefined) this.provisioned(now);
    else this.run.begin(missing, 'provision', now);
  }

  /** Closes every session. The state stays. */
  stop(): void {
    if (!this.started) return;
    this.started = false;
    this.run.stop();
    this.cloud.stop();
    this.renewAt = undefined;
  }

  /** Everything again, from the time on, whatever the device has. */
  forceReprovision(now: Millis): void {
    this.stop();
    this.started = this.state.endpoints.length > 0;
    if (!this.started) return;
    this.fullRun(now);
  }

  /** A new device id and a new key pair; nothing else survives but the manufacturer's certificate and the factory's endpoints. */
  factoryReset(now: Millis): void {
    const { started, context } = this;
    this.stop();
    context.save(factoryNew(context.settings.endpoints, context.deps));
    context.setProgress(0, lastErrors.ok);
    if (started) this.start(now);
  }

  /** New settings hold from the next session or try on. */
  configure(changes: Partial<DeviceSettings>): void {
    this.context.settings = { ...this.context.settings, ...changes };
    if (changes.retry) this.run.retry.use(changes.retry);
  }

  connected(session: number, now: Millis): void {
    if (!this.run.connected(session, now)) this.cloud.connected(session, now);
  }

  /** @param reason why; `handshake-timeout` counts as a timeout, everything else as a failure. */
  closed(session: number, reason: string, now: Millis): void {
    if (!this.run.closed(session, reason, now)) this.cloud.closed(session, reason, now);
  }

  response(exchange: number, response: IncomingResponse, now: Millis): void {
    if (!this.run.response(exchange, response, now)) this.cloud.response(exchange, response, now);
  }

  failed(exchange: number, reason: ExchangeFailure, now: Millis): void {
    if (!this.run.failed(exchange, reason, now)) this.cloud.failed(exchange, reason, now);
  }

  pong(exchange: number): void {
    this.cloud.pong(exchange);
  }

  nextTimeout(): Millis | undefined {
    const due = [this.run.nextTimeout(), this.cloud.nextTimeout(), this.renewAt];
    return due.reduce(earlier);
  }

  handleTimeout(now: Millis): void {
    this.run.handleTimeout(now);
    this.cloud.handleTimeout(now);
    if (this.renewAt === undefined || now < this.renewAt || this.run.running) return;
    this.renewAt = undefined;
    this.run.begin('credentials', 'renew', now);
  }

  takeActions(): DeviceAction[] {
    return this.context.takeActions();
  }

  private fullRun(now: Millis): void {
    this.cloud.stop();
    this.renewAt = undefined;
    this.context.restartProgress(0);
    this.context.setProgress(progressFlags.initialized, lastErrors.ok);
    this.run.begin('time', 'provision', now);
  }

  private hubChanged(now: Millis): void {
    const { context } = this;
    this.cloud.stop();
    this.renewAt = undefined;
    const again =
      progressFlags.cloudStarted | progressFlags.renewCredentials | stepFlags.credentials.has | stepFlags.acls.has;
    context.setProgress(context.status.progress & ~again, lastErrors.ok);
    this.run.begin('credentials', 'provision', now);
  }

  private runDone(mode: RunMode, now: Millis): void {
    if (mode === 'provision') this.provisioned(now);
    else this.scheduleRenewal(now);
  }

  private provisioned(now: Millis): void {
    const { context } = this;
    context.setProgress(context.status.progress | progressFlags.cloudStarted, lastErrors.ok);
    this.scheduleRenewal(now);
    this.cloud.start(now);
  }

  private scheduleRenewal(now: Millis): void {
    const { state, settings } = this.context;
    if (!state.credentials) return;
    const remaining = state.credentials.validTo - this.context.time(now);
    this.renewAt = now + renewalDelay(remaining, settings.expiring);
  }
}

/** The state of a device that has never been switched on. */
export function factoryNew(
  endpoints: readonly Endpoint[],
  deps: { readonly random: RandomSource; readonly createKey: () => string },
): DeviceState {
  return { deviceId: uuidV4(deps.random), key: deps.createKey(), endpoints, selected: 0 };
}
