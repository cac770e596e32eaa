import { createPrivateKey, type KeyObject } from 'node:crypto';
import { equalBytes } from '../core/bytes.ts';
import type { Millis } from '../core/clock.ts';
import type { RandomSource } from '../core/random.ts';
import type { Identity, Trust } from '../secure/association.ts';
import type { DeviceAction, StepOutcome } from './actions.ts';
import type { Alarm } from './alarms.ts';
import { deviceIdentity, trustAnchors } from './credentials.ts';
import type { Link } from './requests.ts';
import type { RetryRule } from './retry.ts';
import type { StartHook } from './start-gate.ts';
import type { Credentials, DeviceState, Endpoint, Gateway } from './state.ts';
import { type DeviceStatus, deviceStatus, failureFlags, type LastError, lastErrors } from './status.ts';

/** What a device is made with; nothing of it is stored. */
export interface DeviceSettings {
  /** The `n` of its published resources. */
  readonly name: string;
  /** The provisioning services that the firmware knows; the first is asked first. */
  readonly endpoints: readonly Endpoint[];
  /** The manufacturer certificate chain and key. */
  readonly manufacturer: Identity;
  /** Trust anchors of the provisioning service, DER; 'skip' accepts any service. */
  readonly service: readonly Uint8Array[] | 'skip';
  /** Of a certificate of the provisioning service, whatever its CA. */
  readonly fingerprint?: Fingerprint | undefined;
  readonly retry: RetryRule;
  /** ms that a credential must still be valid for. */
  readonly expiring: Millis;
  /** How often, a second apart, the cloud is looked at before the next gateway is tried; 0: never. */
  readonly cloudChecks: number;
  /** Waits before a gateway is tried again, ms, never empty; once they are used up, the next gateway's turn comes. */
  readonly cloudRetry: readonly Millis[];
  readonly links: readonly Link[];
  /** False: the device is provisioned, and kept so, but does not go to its cloud. */
  readonly connect: boolean;
}

/** The digest of a certificate's DER. */
export interface Fingerprint {
  readonly digest: 'SHA256' | 'SHA384';
  /** 32 or 48 bytes. */
  readonly value: Uint8Array;
}

export interface DeviceDeps {
  readonly random: RandomSource;
  /** A fresh P-256 key pair, PKCS#8 PEM. */
  readonly createKey: () => string;
  /** A certificate request for `CN=uuid:<device id>`, PEM (contract, plgd-device b4). */
  readonly createCsr: (key: KeyObject, deviceId: string) => string;
  /** Asked before a run begins. */
  readonly beforeRun?: StartHook;
}

/** What the parts of one device's machine share: its state, its status, and the queue of actions. */
export class DeviceContext {
  readonly deps: DeviceDeps;
  settings: DeviceSettings;
  private current: DeviceState;
  private progress = 0;
  private error: LastError = lastErrors.ok;
  private cloud = 0;
  private readonly raised = new Set<Alarm>();
  private lastId = 0;
  private parsed: { readonly pem: string; readonly key: KeyObject } | undefined;
  private queue: DeviceAction[] = [];

  constructor(state: DeviceState, settings: DeviceSettings, deps: DeviceDeps) {
    this.current = state;
    this.settings = settings;
    this.deps = deps;
  }

  get state(): DeviceState {
    return this.current;
  }

  get status(): DeviceStatus {
    return deviceStatus(this.progress, this.error);
  }

  /** The device's own key. Parsed once: it is needed for the request, its answer, and every session with the cloud. */
  get ownKey(): KeyObject {
    const { key: pem } = this.current;
    if (this.parsed?.pem !== pem) this.parsed = { pem, key: createPrivateKey(pem) };
    return this.parsed.key;
  }

  get cloudFlags(): number {
    return this.cloud;
  }

  /** The device's time: its own clock and what the service told it. */
  time(now: Millis): Millis {
    return now + (this.current.clockOffset ?? 0);
  }

  save(state: DeviceState): void {
    this.current = state;
    this.emit({ type: 'persist', state });
  }

  setProgress(progress: number, error: LastError): void {
    if (progress === this.progress && error === this.error) return;
    this.progress = progress;
    this.error = error;
    this.emit({ type: 'status', status: this.status });
  }

  /** Drops flags without a word: the next change tells of both. */
  restartProgress(keep: number): void {
    this.progress &= keep | failureFlags;
  }

  setCloudFlags(flags: number): void {
    if (flags === this.cloud) return;
    this.cloud = flags;
    this.emit({ type: 'cloud-status', flags });
  }

  get alarms(): ReadonlySet<Alarm> {
    return this.raised;
  }

  setAlarm(alarm: Alarm, set: boolean): void {
    if (this.raised.has(alarm) === set) return;
    if (set) this.raised.add(alarm);
    else this.raised.delete(alarm);
    this.emit({ type: 'alarm', alarm, set });
  }

  /**
   * How the provisioning service is judged (contract, plgd-device c1). Its anchors are those of the factory, and those it has
   * given the device since. A fingerprint lets a chain pass whose check failed; with it, skipping the check accepts no other
   * chain. In the time step plgd's client looks at the fingerprint only when the check is skipped, so that one with a
   * fingerprint and no CA (the DHCP case) never gets past the time: a trap. Here the fingerprint counts in the time step
   * whenever there is no CA of the factory's; where there is one, it has to vouch for the time as with plgd.
   */
  serviceTrust(step: 'time' | 'other'): Trust | undefined {
    const { service, fingerprint } = this.settings;
    if (service === 'skip' && !fingerprint) return undefined;
    const factory = service === 'skip' ? [] : service;
    const counts = fingerprint && (step === 'other' || factory.length === 0);
    return {
      anchors: [...factory, ...trustAnchors(this.current.credentials)],
      dates: step === 'time' ? 'ignore' : 'check',
      purpose: 'server',
      ...(counts && { fingerprints: [fingerprint.value] }),
    };
  }

  /** Anchors that vouch for a service although the factory does not know them: they vouch for hubs and devices, too. */
  get cloudAnchors(): readonly Uint8Array[] {
    const { service } = this.settings;
    if (service === 'skip') return [];
    return trustAnchors(this.current.credentials).filter((der) => !service.some((known) => equalBytes(known, der)));
  }

  nextId(): number {
    return ++this.lastId;
  }

  emit(action: DeviceAction): void {
    this.queue.push(action);
  }

  /** Opens a session with a hub's gateway: the device shows what it was given for that hub, and believes its anchors alone. */
  openHub(session: number, purpose: 'cloud' | 'sign-off', { uri, id }: Gateway, credentials: Credentials): void {
    this.emit({
      type: 'open',
      session,
      purpose,
      uri,
      identity: deviceIdentity(credentials, this.ownKey),
      trust: { anchors: trustAnchors(credentials), dates: 'check', purpose: 'server' },
      expected: { kind: 'hub', id },
      clockOffset: this.current.clockOffset ?? 0,
    });
  }

  reportStep(outcome: Omit<StepOutcome, 'status'>): void {
    this.emit({ type: 'step', report: { ...outcome, status: this.status } });
  }

  log(level: 'debug' | 'info' | 'warn', text: string): void {
    this.emit({ type: 'log', level, text });
  }

  takeActions(): DeviceAction[] {
    const actions = this.queue;
    this.queue = [];
    return actions;
  }
}
