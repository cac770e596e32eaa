import type { Millis } from '../core/clock.ts';
import { type Decision, decided, type Evidence, type Refusal } from '../core/errors.ts';
import type { Device, DeviceAlarm, EnrollmentGroup } from '../store/model.ts';
import { admitAsking } from './admission.ts';
import { raiseAlarm } from './clones.ts';
import type { DeviceRecord } from './device-record.ts';
import type { ProvisionerDeps } from './ports.ts';
import type { Presence, Stay } from './presence.ts';
import type { Present } from './question.ts';
import type { SessionRecord } from './session-record.ts';
import type { Admitted, Standing } from './standing.ts';
import { stepFailed } from './status.ts';

export interface PeerDeps extends ProvisionerDeps {
  readonly presence: Presence;
}

/** Who a session is with: whether it may be served, by the rules of now, and the record of the device as it changes. */
export class SessionPeer {
  private readonly deps: PeerDeps;
  private readonly record: SessionRecord;
  private standing: Standing = { state: 'unknown' };
  /** Where its key is alive, once it is known. */
  private stay: Stay | undefined;

  constructor(deps: PeerDeps, record: SessionRecord) {
    this.deps = deps;
    this.record = record;
  }

  /** Why it was refused as a whole. */
  get refusal(): Refusal | undefined {
    return this.standing.state === 'refused' ? this.standing.refusal : undefined;
  }

  admit(admitted: Admitted): void {
    this.standing = admitted;
    this.stay = this.deps.presence.arrive(admitted.device.present.keyId, this.record.peer);
  }

  refuse(refusal: Refusal, now: Millis): void {
    this.standing = { state: 'refused', refusal };
    this.record.refused(refusal, undefined, now);
  }

  leave(): void {
    this.stay?.leaves();
  }

  /** Whether it may (still) be served: policy, lists and the state of the device may have changed since it was judged. */
  async standingNow(now: Millis): Promise<Decision<Present>> {
    this.record.watch.enter('admit');
    const judged = await admitAsking(this.deps, this.standing, now);
    if (this.standing.state === 'admitted') this.record.device = this.standing.device.present;
    if (!judged.ok) return judged;
    const { group, standing } = judged.value;
    this.standing = standing;
    return decided({ group, admitted: standing });
  }

  /** The same of one that asks something, after a look at where else its key is alive. */
  async asks(now: Millis): Promise<Decision<Present>> {
    const standing = await this.standingNow(now);
    const elsewhere = standing.ok && this.stay?.asks();
    return elsewhere ? this.alarm(standing.value.group, 'two-places', elsewhere, now) : standing;
  }

  /** Raises an alarm about the device; its group may not want it served after that. */
  async alarm(
    group: EnrollmentGroup,
    kind: DeviceAlarm['kind'],
    evidence: Evidence,
    now: Millis,
  ): Promise<Decision<Present>> {
    if (this.standing.state === 'admitted') {
      await raiseAlarm(this.deps, this.record, this.standing.device, group, { kind, evidence }, now);
    }
    return this.standingNow(now);
  }

  /** Changes the record of the device; the attempt shows it when the flags do. */
  change(device: DeviceRecord, change: (record: Device) => Device, now: Millis): void {
    const before = device.present;
    this.show(before, device.change(change), now);
  }

  show(before: Device, after: Device, now: Millis): void {
    this.record.device = after;
    const { flags } = after;
    if (flags !== before.flags) this.record.note({ at: now, type: 'status', flags });
  }

  /** The device's record shows the failure. */
  async noteFailure(now: Millis): Promise<void> {
    if (this.standing.state === 'admitted') this.change(this.standing.device, (record) => stepFailed(record, now), now);
    await this.write(now);
  }

  /** Writes what is pending where everything is decided and told already, so that a fault can only be logged. */
  async write(now: Millis): Promise<void> {
    if (this.standing.state !== 'admitted') return;
    const { device } = this.standing;
    try {
      this.record.device = await device.write(now);
    } catch (error) {
      const about = { attemptId: this.record.attemptId, keyId: device.present.keyId };
      this.deps.log.warn({ ...about, error }, 'the record of a device could not be written');
    }
  }
}
