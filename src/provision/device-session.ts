import { encodePem } from '../codec/pem.ts';
import { isoTime, type Millis } from '../core/clock.ts';
import { type Decision, decided, type Refusal } from '../core/errors.ts';
import type { Uuid } from '../core/ids.ts';
import { InTurn } from '../core/in-turn.ts';
import type { CheckedCsr } from '../pki/csr.ts';
import type { IssuedCertificate } from '../pki/issue.ts';
import type { PeerChain } from '../pki/path.ts';
import type { Device, EnrollmentGroup } from '../store/model.ts';
import { admitPeer } from './admission.ts';
import { authorize } from './authorize.ts';
import { bound } from './bind.ts';
import { claimId } from './binding.ts';
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
import { recordedAgain } from './devices.ts';
import { refusalOfFault } from './fault.ts';
import { explainHandshake } from './handshake.ts';
import { credentialBundle, judgeRequest } from './issue.ts';
import { issueCredential } from './issuing.ts';
import { ownerTold } from './lineage.ts';
import { locate } from './locate.ts';
import { awaitsOwner, ownerOf } from './owner.ts';
import { stageOf, type Work } from './question.ts';
import { type PeerDeps, SessionPeer } from './session-peer.ts';
import type { SessionRecord } from './session-record.ts';
import type { StageWatch } from './stage-watch.ts';
import type { Admitted } from './standing.ts';
import { afterStep } from './status.ts';

export interface SessionDeps extends PeerDeps {
  /** The revocation list of the present issuing authority, DER. */
  readonly revocations: (now: Millis) => Promise<Uint8Array>;
}

/**
 * One session with the pipeline. Questions are answered one after another, in the order in which they came. Each stage's
 * decision is a pure function in a file of its own; here, and for the device and its standing in SessionPeer, the effects are
 * done and everything is recorded.
 */
export class DeviceSession implements ProvisioningSession {
  private readonly deps: SessionDeps;
  private readonly record: SessionRecord;
  private readonly watch: StageWatch;
  private readonly peer: SessionPeer;
  private offer: OfferEvidence | undefined;
  private alertReceived: string | undefined;
  private psk: { readonly identity: Uint8Array; readonly known: boolean } | undefined;
  /** The device id of this session's cloud step: its credentials must be for the same one. */
  private configured: Uuid | undefined;
  /** The hub that the group's webhook has named in this run. */
  private allocated: Uuid | undefined;
  private readonly inTurn = new InTurn();

  constructor(deps: SessionDeps, record: SessionRecord) {
    this.deps = deps;
    this.record = record;
    this.watch = record.watch;
    this.peer = new SessionPeer(deps, record);
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
    const asked = this.watch.read();
    const { version, cipherSuite, handshakeTime: ms, roundTrips } = peer;
    const trips = roundTrips === undefined ? {} : { roundTrips };
    this.record.note({ at: now, type: 'handshake', version, cipherSuite, ms, ...trips });
    this.noteChain(peer.chain, now);
    return this.inTurn.do(async () => {
      this.watch.begin(asked, 'attest');
      const admission = await this.decide(() => admitPeer(this.deps, peer, this.record, now));
      if (admission.ok) this.peer.admit(admission.value);
      else this.peer.refuse(admission.refusal, now);
    });
  }

  handshakeRefused(error: string, chain: PeerChain | undefined, now: Millis): void {
    this.watch.begin(this.watch.read(), 'attest');
    this.noteChain(chain, now);
    const { offer, alertReceived, psk } = this;
    const refusal = explainHandshake({ error, chain, offer, alertReceived, psk }, this.deps.policy.current, now);
    this.peer.refuse(refusal, now);
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
      this.peer.leave();
      // Side by side, so that they go to the store together.
      const [{ brokeOff }] = await Promise.all([this.record.end(how, now), this.peer.write(now)]);
      if (brokeOff) await this.peer.noteFailure(now);
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
      this.watch.enter('configure');
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
      this.watch.enter('issue');
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
        const { refusal } = this.peer;
        if (refusal) return { ok: false, refusal };
        const standing = await this.peer.standingNow(now);
        return standing.ok ? decided(await this.deps.revocations(now)) : standing;
      }),
    );
  }

  rejected(step: Step, refusal: Refusal, now: Millis): Promise<void> {
    return this.inTurn.do(async () => {
      this.watch.begin(this.watch.read(), stageOf[step]);
      this.record.asked(step, now);
      this.record.refused(refusal, step, now);
      await this.peer.noteFailure(now);
    });
  }

  /** Stage bind with its effects: the claim on the device id, and the record of the device. */
  private async bindDevice(
    group: EnrollmentGroup,
    { device, attestation }: Admitted,
    text: string,
    now: Millis,
  ): Promise<Decision<Uuid>> {
    this.watch.enter('bind');
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
      const standing = await this.peer.alarm(group, 'ids-in-turns', evidence, now);
      if (!standing.ok) return standing;
      this.watch.enter('bind');
    }
    if (kind !== 'same') this.peer.change(device, (record) => bound(record, { deviceId, generation }, now), now);
    if (kind !== 'same' || configured === undefined) {
      this.record.agreed({ kind, deviceId, generation }, undefined, now);
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
      this.peer.show(before, served(before), now);
      return this.record.flush(now);
    };
    try {
      const request = { deviceId, csr, served };
      const issued = await issueCredential({ authority, random, flush }, group.certificate, device, request, now);
      this.record.device = device.present;
      return issued;
    } catch (error) {
      this.peer.show(served(before), before, now);
      throw error;
    }
  }

  /** Answers one question: settles the attempt, checks the standing, works, and records what came of it. */
  private ask<T>(step: Step, now: Millis, work: Work<T>): Promise<Decision<T>> {
    const asked = this.watch.read();
    return this.inTurn.do(async () => {
      this.record.asked(step, now);
      const { refusal } = this.peer;
      if (refusal) return { ok: false, refusal };
      this.watch.begin(asked, 'admit');
      const outcome = await this.decide(async () => {
        const standing = await this.peer.asks(now);
        if (!standing.ok) return standing;
        this.watch.enter(stageOf[step]);
        const { group, admitted } = standing.value;
        const { device } = admitted;
        device.change((record) => recordedAgain(record, now));
        const served = await work(group, admitted);
        if (!served.ok) return served;
        const { change = unchanged, write, facts } = served.value;
        if (write !== 'done') this.peer.change(device, (record) => afterStep(change(record), step, now), now);
        if (write === undefined) this.record.device = await device.write(now);
        this.record.agreed(facts, step, now);
        return served;
      });
      if (!outcome.ok) {
        this.record.refused(outcome.refusal, step, now);
        await this.peer.noteFailure(now);
        return outcome;
      }
      return decided(outcome.value.value);
    });
  }

  /** Runs a decision; what it throws becomes a refusal. */
  private async decide<T>(work: () => Promise<Decision<T>>): Promise<Decision<T>> {
    try {
      return await work();
    } catch (error) {
      const about = { attemptId: this.attemptId, keyId: this.record.device?.keyId, stage: this.watch.present };
      return { ok: false, refusal: refusalOfFault(error, this.deps.log, about) };
    }
  }

  private noteChain(chain: PeerChain | undefined, now: Millis): void {
    if (!chain) return;
    const certificates = chain.presented.map((der) => encodePem('CERTIFICATE', der));
    this.record.note({ at: now, type: 'chain', certificates });
  }
}

const unchanged = (device: Device): Device => device;
