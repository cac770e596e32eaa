import { encodePem } from '../codec/pem.ts';
import { isoTime, type Millis } from '../core/clock.ts';
import { type Decision, decided, type Evidence, type Refusal } from '../core/errors.ts';
import type { Uuid } from '../core/ids.ts';
import { InTurn } from '../core/in-turn.ts';
import type { CheckedCsr } from '../pki/csr.ts';
import type { IssuedCertificate } from '../pki/issue.ts';
import type { PeerChain } from '../pki/path.ts';
import type { Device, DeviceAlarm, EnrollmentGroup, Stage } from '../store/model.ts';
import { admitAsking, admitPeer } from './admission.ts';
import { authorize } from './authorize.ts';
import { bound } from './bind.ts';
import { claimId } from './binding.ts';
import { raiseAlarm } from './clones.ts';
import type {
  AccessControl,
  CloudConfiguration,
  CredentialBundle,
  ExchangeEvidence,
  OfferEvidence,
  PeerEvidence,
  ProvisioningSession,
  SelectedGateway,
  SessionEnd,
  Step,
} from './contract.ts';
import { attestedFields, demandedId } from './device-ids.ts';
import type { DeviceRecord } from './device-record.ts';
import { refusalOfFault } from './fault.ts';
import { explainHandshake } from './handshake.ts';
import { credentialBundle, judgeRequest } from './issue.ts';
import { issueCredential } from './issuing.ts';
import { ownerTold } from './lineage.ts';
import { locate } from './locate.ts';
import { awaitsOwner, ownerOf } from './owner.ts';
import type { ProvisionerDeps } from './ports.ts';
import type { Presence, Stay } from './presence.ts';
import { type Present, stageOf, type Work } from './question.ts';
import type { SessionRecord } from './session-record.ts';
import type { Admitted, Standing } from './standing.ts';
import { afterStep, stepFailed } from './status.ts';

export interface SessionDeps extends ProvisionerDeps {
  /** The revocation list of the present issuing authority, DER. */
  readonly revocations: (now: Millis) => Promise<Uint8Array>;
  readonly presence: Presence;
}

/**
 * One session with the pipeline. Questions are answered one after another, in the order in which they came. Each stage's
 * decision is a pure function in a file of its own; here the effects are done and everything is recorded.
 */
export class DeviceSession implements ProvisioningSession {
  private readonly deps: SessionDeps;
  private readonly record: SessionRecord;
  private standing: Standing = { state: 'unknown' };
  private offer: OfferEvidence | undefined;
  private alertReceived: string | undefined;
  private psk: { readonly identity: Uint8Array; readonly known: boolean } | undefined;
  /** The device id of this session's cloud step: its credentials must be for the same one. */
  private configured: Uuid | undefined;
  /** The hub that the group's webhook has named in this run. */
  private allocated: Uuid | undefined;
  /** Where its key is alive, once it is known. */
  private stay: Stay | undefined;
  /** The stage that works on the present question. */
  private stage: Stage = 'attest';
  private readonly inTurn = new InTurn();

  constructor(deps: SessionDeps, record: SessionRecord) {
    this.deps = deps;
    this.record = record;
  }

  get attemptId(): Uuid {
    return this.record.attemptId;
  }

  offered(offer: OfferEvidence, now: Millis): void {
    this.offer = offer;
    const { version, cipherSuites, groups, signatureAlgorithms, serverName } = offer;
    this.record.note({ at: now, type: 'client-hello', version, cipherSuites, groups, signatureAlgorithms, serverName });
  }

  pskNamed(identity: Uint8Array, known: boolean): void {
    this.psk = { identity, known };
  }

  established(peer: PeerEvidence, now: Millis): Promise<void> {
    const { version, cipherSuite, handshakeTime: ms, roundTrips } = peer;
    const trips = roundTrips === undefined ? {} : { roundTrips };
    this.record.note({ at: now, type: 'handshake', version, cipherSuite, ms, ...trips });
    this.noteChain(peer.chain, now);
    return this.inTurn.do(async () => {
      this.stage = 'admit';
      const admission = await this.decide(async () => {
        const admitted = await admitPeer(this.deps, peer, this.record, now);
        if (!admitted.ok) this.stage = admitted.stage;
        return admitted;
      });
      if (!admission.ok) {
        this.standing = { state: 'refused', refusal: admission.refusal };
        this.record.refused(this.stage, admission.refusal, undefined, now);
        return;
      }
      this.standing = admission.value;
      this.stay = this.deps.presence.arrive(admission.value.device.present.keyId, this.record.peer);
    });
  }

  handshakeRefused(error: string, chain: PeerChain | undefined, now: Millis): void {
    this.noteChain(chain, now);
    const { offer, alertReceived, psk } = this;
    const refusal = explainHandshake({ error, chain, offer, alertReceived, psk }, this.deps.policy.current, now);
    this.standing = { state: 'refused', refusal };
    this.record.refused('attest', refusal, undefined, now);
  }

  alert(direction: 'sent' | 'received', name: string, now: Millis): void {
    if (direction === 'received') this.alertReceived = name;
    this.record.note({ at: now, type: 'alert', direction, name });
  }

  exchanged({ method, path, code, bytesIn, bytesOut, ms, roundTrips }: ExchangeEvidence, now: Millis): void {
    this.record.note({ at: now, type: 'exchange', method, path, code, bytesIn, bytesOut, ms, roundTrips });
  }

  closed(how: SessionEnd, now: Millis): Promise<void> {
    return this.inTurn.do(async () => {
      this.stay?.leaves();
      // Side by side, so that they go to the store together.
      const [{ brokeOff }] = await Promise.all([this.record.end(how, now), this.writeDevice(now)]);
      if (brokeOff) await this.noteFailure(now);
    });
  }

  time(now: Millis): Promise<Decision<Millis>> {
    return this.ask('time', now, async () => {
      // A run begins anew: the device may have been reset.
      this.configured = undefined;
      this.allocated = undefined;
      return decided({ value: now, facts: {}, write: 'later' });
    });
  }

  ownership(now: Millis): Promise<Decision<{ readonly ownerId: Uuid }>> {
    return this.ask('ownership', now, async (group, { device }) => {
      const { id: ownerId } = ownerOf(device.present, group);
      const facts = { owner: ownerId };
      if (!awaitsOwner(device.present)) return decided({ value: { ownerId }, facts, write: 'later' });
      return decided({ value: { ownerId }, facts, change: (record: Device) => ownerTold(record, ownerId, now) });
    });
  }

  cloud(
    question: { readonly deviceId: string; readonly selected?: SelectedGateway },
    now: Millis,
  ): Promise<Decision<CloudConfiguration>> {
    return this.ask('cloud', now, async (group, admitted) => {
      const identified = await this.bindDevice(group, admitted, question.deviceId, now);
      if (!identified.ok) return identified;
      const deviceId = identified.value;
      this.configured = deviceId;
      this.stage = 'configure';
      const { present } = admitted.device;
      const { selected } = question;
      const destination = await locate(this.deps, group, { device: present, selected, answer: this.allocated }, now);
      if (!destination.ok) return destination;
      this.allocated = destination.value.answer;
      const { hub, others, gateway, gateways, chosen } = destination.value;
      const owner = ownerOf(present, group);
      const accessToken = await this.deps.tokens.accessToken({ hub, others, owner, deviceId }, now);
      return decided({
        value: { accessToken, provider: hub.provider, gateway, gateways, payload: group.payload },
        facts: { hub: hub.id, gateway: gateway.uri, chosen, gateways: gateways.length },
        change: (record) => ({ ...record, hubId: hub.id }),
      });
    });
  }

  credentials(
    question: { readonly deviceId: string; readonly csr: Uint8Array },
    now: Millis,
  ): Promise<Decision<CredentialBundle>> {
    return this.ask('credentials', now, async (group, admitted) => {
      const identified = await this.bindDevice(group, admitted, question.deviceId, now);
      if (!identified.ok) return identified;
      this.stage = 'issue';
      const csr = judgeRequest(question.csr, group.certificate);
      if (!csr.ok) return csr;
      const { device } = admitted;
      const issued = await this.issue(group, admitted, identified.value, csr.value, now);
      if (!issued.ok) return issued;
      const { serial, notAfter } = issued.value.certificate;
      return decided({
        value: credentialBundle(group, ownerOf(device.present, group), issued.value),
        facts: { serial, notAfter: isoTime(notAfter), generation: device.present.generation },
        write: 'done',
      });
    });
  }

  acls(now: Millis): Promise<Decision<AccessControl>> {
    return this.ask('acls', now, async (group, { device: { present }, attestation }) => {
      const listed = authorize(group, {
        ownerId: ownerOf(present, group).id,
        deviceId: present.deviceId,
        commonName: attestedFields(attestation)['cert.subject.cn'],
      });
      return listed.ok ? decided({ value: listed.value, facts: { entries: listed.value.entries.length } }) : listed;
    });
  }

  revocations(now: Millis): Promise<Decision<Uint8Array>> {
    return this.inTurn.do(() =>
      this.decide(async () => {
        if (this.standing.state === 'refused') return { ok: false, refusal: this.standing.refusal };
        const standing = await this.presentStanding(now);
        return standing.ok ? decided(await this.deps.revocations(now)) : standing;
      }),
    );
  }

  rejected(step: Step, refusal: Refusal, now: Millis): Promise<void> {
    return this.inTurn.do(async () => {
      this.record.asked(step, now);
      this.record.refused(stageOf[step], refusal, step, now);
      await this.noteFailure(now);
    });
  }

  /** Stage bind with its effects: the claim on the device id, and the record of the device. */
  private async bindDevice(
    group: EnrollmentGroup,
    { device, attestation }: Admitted,
    text: string,
    now: Millis,
  ): Promise<Decision<Uuid>> {
    this.stage = 'bind';
    const { store, policy } = this.deps;
    const { configured } = this;
    const { present } = device;
    const { reserved } = policy.current;
    const demanded = demandedId(group.deviceIds, attestation);
    const ownerId = ownerOf(present, group).id;
    const rules = { reserved, ownerId, reprovisioning: group.reprovisioning, demanded, configured };
    const claimed = await claimId(store, present, text, rules, now);
    if (!claimed.ok) return claimed;
    const { kind, deviceId, generation, returns } = claimed.value;
    if (returns > 0) {
      const evidence = { deviceId, present: present.deviceId ?? 'none', generation: present.generation, returns };
      const standing = await this.alarm(group, 'ids-in-turns', evidence, now);
      if (!standing.ok) return standing;
      this.stage = 'bind';
    }
    if (kind !== 'same') this.change(device, (record) => bound(record, { deviceId, generation }, now), now);
    if (kind !== 'same' || configured === undefined) {
      this.record.agreed('bind', { kind, deviceId, generation }, undefined, now);
    }
    return decided(deviceId);
  }

  /** Signs and records; certificate and status are durable before they are returned. */
  private async issue(
    group: EnrollmentGroup,
    { device }: Admitted,
    deviceId: Uuid,
    csr: CheckedCsr,
    now: Millis,
  ): Promise<Decision<IssuedCertificate>> {
    const { random } = this.deps;
    const authority = this.deps.authority.current;
    const before = device.present;
    const served = (record: Device): Device => afterStep(record, 'credentials', now);
    const flush = (): Promise<void> => {
      this.show(before, served(before), now);
      return this.record.flush(now);
    };
    try {
      const request = { deviceId, csr, served };
      const issued = await issueCredential({ authority, random, flush }, group.certificate, device, request, now);
      this.record.device = device.present;
      return issued;
    } catch (error) {
      this.show(served(before), before, now);
      throw error;
    }
  }

  /** Answers one question: settles the attempt, checks the standing, works, and records what came of it. */
  private ask<T>(step: Step, now: Millis, work: Work<T>): Promise<Decision<T>> {
    return this.inTurn.do(async () => {
      this.record.asked(step, now);
      if (this.standing.state === 'refused') return { ok: false, refusal: this.standing.refusal };
      this.stage = 'admit';
      const outcome = await this.decide(async () => {
        const standing = await this.judgePlaces(now);
        if (!standing.ok) return standing;
        this.stage = stageOf[step];
        const { group, admitted } = standing.value;
        const { device } = admitted;
        const served = await work(group, admitted);
        if (!served.ok) return served;
        this.stage = stageOf[step];
        const { change = unchanged, write, facts } = served.value;
        if (write !== 'done') this.change(device, (record) => afterStep(change(record), step, now), now);
        if (write === undefined) this.record.device = await device.write(now);
        this.record.agreed(this.stage, facts, step, now);
        return served;
      });
      if (!outcome.ok) {
        this.record.refused(this.stage, outcome.refusal, step, now);
        await this.noteFailure(now);
        return outcome;
      }
      return decided(outcome.value.value);
    });
  }

  /** Whether the peer may (still) be served: policy, lists and the state of the device may have changed since it was judged. */
  private async presentStanding(now: Millis): Promise<Decision<Present>> {
    this.stage = 'admit';
    const judged = await admitAsking(this.deps, this.standing, now);
    if (!judged.ok) return judged;
    const { group, standing } = judged.value;
    this.standing = standing;
    return decided({ group, admitted: standing });
  }

  /** The same, after a look at where else its key is alive. */
  private async judgePlaces(now: Millis): Promise<Decision<Present>> {
    const standing = await this.presentStanding(now);
    const elsewhere = standing.ok && this.stay?.asks();
    return elsewhere ? this.alarm(standing.value.group, 'two-places', elsewhere, now) : standing;
  }

  /** Raises an alarm about the device; its group may not want it served after that. */
  private async alarm(
    group: EnrollmentGroup,
    kind: DeviceAlarm['kind'],
    evidence: Evidence,
    now: Millis,
  ): Promise<Decision<Present>> {
    if (this.standing.state === 'admitted') {
      await raiseAlarm(this.deps, this.record, this.standing.device, group, { kind, evidence }, now);
    }
    return this.presentStanding(now);
  }

  /** Runs a decision; what it throws becomes a refusal. */
  private async decide<T>(work: () => Promise<Decision<T>>): Promise<Decision<T>> {
    try {
      return await work();
    } catch (error) {
      const about = { attemptId: this.attemptId, keyId: this.record.device?.keyId, stage: this.stage };
      return { ok: false, refusal: refusalOfFault(error, this.deps.log, about) };
    }
  }

  /** Changes the record of the device; the attempt shows it when the flags do. */
  private change(device: DeviceRecord, change: (record: Device) => Device, now: Millis): void {
    const before = device.present;
    this.show(before, device.change(change), now);
  }

  private show(before: Device, after: Device, now: Millis): void {
    this.record.device = after;
    const { flags } = after;
    if (flags !== before.flags) this.record.note({ at: now, type: 'status', flags });
  }

  /** The device's record shows the failure. */
  private async noteFailure(now: Millis): Promise<void> {
    if (this.standing.state === 'admitted') this.change(this.standing.device, (record) => stepFailed(record, now), now);
    await this.writeDevice(now);
  }

  /** Writes what is pending where everything is decided and told already, so that a fault can only be logged. */
  private async writeDevice(now: Millis): Promise<void> {
    if (this.standing.state !== 'admitted') return;
    const { device } = this.standing;
    try {
      this.record.device = await device.write(now);
    } catch (error) {
      const about = { attemptId: this.attemptId, keyId: device.present.keyId };
      this.deps.log.warn({ ...about, error }, 'the record of a device could not be written');
    }
  }

  private noteChain(chain: PeerChain | undefined, now: Millis): void {
    if (!chain) return;
    const certificates = chain.presented.map((der) => encodePem('CERTIFICATE', der));
    this.record.note({ at: now, type: 'chain', certificates });
  }
}

const unchanged = (device: Device): Device => device;
