import { encodePem } from '../codec/pem.ts';
import type { Millis } from '../core/clock.ts';
import { type Decision, decided, type Evidence, failure, type Refusal, refused } from '../core/errors.ts';
import type { Uuid } from '../core/ids.ts';
import type { CheckedCsr } from '../pki/csr.ts';
import { type IssuedCertificate, issueIdentity, randomSerial } from '../pki/issue.ts';
import type { PeerChain } from '../pki/path.ts';
import type { Device, EnrollmentGroup, Stage } from '../store/model.ts';
import { admit } from './admit.ts';
import { attest } from './attest.ts';
import { authorize } from './authorize.ts';
import { bind, bound, settleClaim } from './bind.ts';
import { configure } from './configure.ts';
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
import { DeviceRecord } from './device-record.ts';
import { changeDevice, enrolled } from './devices.ts';
import { refusalOfFault } from './fault.ts';
import { explainHandshake } from './handshake.ts';
import { credentialBundle, credentialOf, judgeRequest } from './issue.ts';
import { match } from './match.ts';
import type { ProvisionerDeps } from './ports.ts';
import type { SessionRecord } from './session-record.ts';
import { judgeAgain, type Standing } from './standing.ts';
import { stepFailed, stepServed } from './status.ts';

/**
 * One session with the pipeline. Questions are answered one after another, in the order in which they came. Each stage's
 * decision is a pure function in a file of its own; here the effects are done and everything is recorded.
 */
export class DeviceSession implements ProvisioningSession {
  private readonly deps: ProvisionerDeps;
  private readonly record: SessionRecord;
  private standing: Standing = { state: 'unknown' };
  private offer: OfferEvidence | undefined;
  private alertReceived: string | undefined;
  private psk: { readonly identity: Uint8Array; readonly known: boolean } | undefined;
  /** The device id of this session's cloud step: its credentials must be for the same one. */
  private configured: Uuid | undefined;
  /** The stage that works on the present question. */
  private stage: Stage = 'attest';
  private queue: Promise<unknown> = Promise.resolve();

  constructor(deps: ProvisionerDeps, record: SessionRecord) {
    this.deps = deps;
    this.record = record;
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
    const { version, cipherSuite, handshakeTime } = peer;
    this.record.note({ at: now, type: 'handshake', version, cipherSuite, ms: handshakeTime });
    this.noteChain(peer.chain, now);
    return this.inOrder(async () => {
      const admission = await this.decide(() => this.admitPeer(peer, now));
      if (!admission.ok) {
        this.standing = { state: 'refused', refusal: admission.refusal };
        this.record.refused(this.stage, admission.refusal, undefined, now);
      }
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

  exchanged({ method, path, code, bytesIn, bytesOut, ms }: ExchangeEvidence, now: Millis): void {
    this.record.note({ at: now, type: 'exchange', method, path, code, bytesIn, bytesOut, ms });
  }

  closed(how: SessionEnd, now: Millis): Promise<void> {
    return this.inOrder(async () => {
      // Side by side, so that they go to the store together.
      const [{ brokeOff }] = await Promise.all([this.record.end(how, now), this.writeDevice(now)]);
      if (brokeOff) await this.noteFailure(now);
    });
  }

  time(now: Millis): Promise<Decision<Millis>> {
    return this.ask('time', now, async () => {
      // A run begins anew: the device may have been reset.
      this.configured = undefined;
      return decided({ value: now, facts: {}, write: 'later' });
    });
  }

  ownership(now: Millis): Promise<Decision<{ readonly ownerId: Uuid }>> {
    return this.ask('ownership', now, async ({ owner }) =>
      decided({ value: { ownerId: owner.id }, facts: { owner: owner.id }, write: 'later' }),
    );
  }

  cloud(
    question: { readonly deviceId: string; readonly selected?: SelectedGateway },
    now: Millis,
  ): Promise<Decision<CloudConfiguration>> {
    return this.ask('cloud', now, async (group, device) => {
      const identified = await this.bindDevice(device, question.deviceId, now);
      if (!identified.ok) return identified;
      const deviceId = identified.value;
      this.configured = deviceId;
      this.stage = 'configure';
      const destination = configure(group, this.deps.policy.current.hubs, question.selected);
      if (!destination.ok) return destination;
      const { hub, others, gateway, gateways, chosen } = destination.value;
      const accessToken = await this.deps.tokens.accessToken({ hub, others, owner: group.owner, deviceId }, now);
      return decided({
        value: { accessToken, provider: hub.provider, gateway, gateways },
        facts: { hub: hub.id, gateway: gateway.uri, chosen, gateways: gateways.length },
        change: (present) => ({ ...present, hubId: hub.id }),
      });
    });
  }

  credentials(
    question: { readonly deviceId: string; readonly csr: Uint8Array },
    now: Millis,
  ): Promise<Decision<CredentialBundle>> {
    return this.ask('credentials', now, async (group, device) => {
      const identified = await this.bindDevice(device, question.deviceId, now);
      if (!identified.ok) return identified;
      this.stage = 'issue';
      const csr = judgeRequest(question.csr);
      if (!csr.ok) return csr;
      const issued = await this.issue(group, device, identified.value, csr.value, now);
      if (!issued.ok) return issued;
      const { serial, notAfter } = issued.value.certificate;
      return decided({
        value: credentialBundle(group, issued.value),
        facts: { serial, notAfter: new Date(notAfter).toISOString(), generation: device.present.generation },
        write: 'done',
      });
    });
  }

  acls(now: Millis): Promise<Decision<AccessControl>> {
    return this.ask('acls', now, async (group) => {
      const value = authorize(group);
      return decided({ value, facts: { entries: value.entries.length } });
    });
  }

  rejected(step: Step, refusal: Refusal, now: Millis): Promise<void> {
    return this.inOrder(async () => {
      this.record.asked(step, now);
      this.record.refused(stageOf[step], refusal, step, now);
      await this.noteFailure(now);
    });
  }

  /** Stages attest, match and admit; leaves the device's record behind. */
  private async admitPeer(peer: PeerEvidence, now: Millis): Promise<Decision<undefined>> {
    const policy = this.deps.policy.current;
    this.stage = 'attest';
    const attested = attest(peer, policy, now);
    if (!attested.ok) return attested;
    const attestation = attested.value;
    const { mechanism, keyId, subject } = attestation;
    this.record.agreed('attest', { mechanism, subject, keyId }, undefined, now);
    this.record.identify(keyId, now);

    this.stage = 'match';
    const matched = match(attestation, policy, now);
    if (!matched.ok) return matched;
    const { group, by } = matched.value;
    this.record.agreed('match', { group: group.name, groupId: group.id, ...by }, undefined, now);

    this.stage = 'admit';
    const known = await this.deps.store.device(keyId);
    const admitted = admit(group, known);
    if (!admitted.ok) return admitted;
    const { moved } = admitted.value;
    const facts = { known: admitted.value.known, ...(moved ? { moved } : {}) };
    this.record.agreed('admit', facts, undefined, now);
    const enroll = (present: Device | undefined): Device => enrolled(present, attestation, group, now);
    const stored = await changeDevice(this.deps.store, keyId, known, enroll, now);
    if (stored === undefined) throw new TypeError(`no record of ${keyId}`);
    this.record.device = stored;
    const device = new DeviceRecord(this.deps.store, stored);
    this.standing = { state: 'admitted', groupId: group.id, device, attestation, policy };
    return decided(undefined);
  }

  /** Stage bind with its effects: the claim on the device id, and the record of the device. */
  private async bindDevice(device: DeviceRecord, text: string, now: Millis): Promise<Decision<Uuid>> {
    this.stage = 'bind';
    const { store, policy } = this.deps;
    const { keyId } = device.present;
    const present = await device.refresh();
    if (present === undefined)
      throw failure('service.busy', { keyId }, 'the record of the device is gone; it starts anew');
    const binding = bind(present, text, policy.current.reserved, now);
    if (!binding.ok) return binding;
    const { kind, deviceId, generation } = binding.value;
    if (this.configured !== undefined && this.configured !== deviceId) {
      const evidence = { deviceId, configured: this.configured };
      return refused('request.out-of-order', evidence, 'name one device id in all requests of a session');
    }
    if (kind !== 'same') {
      const settled = settleClaim(present, deviceId, await store.claimDeviceId(deviceId, keyId));
      if (!settled.ok) return settled;
      this.change(device, (record) => bound(record, deviceId), now);
    }
    if (kind !== 'same' || this.configured === undefined) {
      this.record.agreed('bind', { kind, deviceId, generation }, undefined, now);
    }
    return decided(deviceId);
  }

  /** Signs and records; certificate and status are durable before they are returned. */
  private async issue(
    group: EnrollmentGroup,
    device: DeviceRecord,
    deviceId: Uuid,
    csr: CheckedCsr,
    now: Millis,
  ): Promise<Decision<IssuedCertificate>> {
    const { authority, random, store } = this.deps;
    const request = { authority, csr, deviceId, now, serial: randomSerial(random), lifetime: group.identityLife };
    const { flags } = device.present;
    try {
      return await issueIdentity(request, async (issued) => {
        this.change(device, (record) => stepServed(record, 'credentials'), now);
        // Side by side, so that the one sync of the certificate carries all of them.
        const [added] = await Promise.all([
          store.addCredential(credentialOf(device.present, deviceId, issued, now)),
          device.write(now),
          this.record.flush(now),
        ]);
        if (added) return;
        const { serial } = issued.certificate;
        throw failure(
          'service.busy',
          { serial },
          'the serial number is taken; the device tries again with another one',
        );
      });
    } catch (error) {
      this.change(device, (record) => ({ ...record, flags }), now);
      throw error;
    }
  }

  /** Answers one question: settles the attempt, checks the standing, works, and records what came of it. */
  private ask<T>(step: Step, now: Millis, work: Work<T>): Promise<Decision<T>> {
    return this.inOrder(async () => {
      this.record.asked(step, now);
      if (this.standing.state === 'refused') return { ok: false, refusal: this.standing.refusal };
      this.stage = 'admit';
      const outcome = await this.decide(async () => {
        const standing = this.presentStanding(now);
        if (!standing.ok) return standing;
        this.stage = stageOf[step];
        const { group, device } = standing.value;
        const served = await work(group, device);
        if (!served.ok) return served;
        this.stage = stageOf[step];
        const { change = unchanged, write, facts } = served.value;
        if (write !== 'done') this.change(device, (record) => stepServed(change(record), step), now);
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

  /** Whether the peer may (still) be served: the policy may have changed since it was judged. */
  private presentStanding(now: Millis): Decision<{ readonly group: EnrollmentGroup; readonly device: DeviceRecord }> {
    const judged = judgeAgain(this.standing, this.deps.policy.current, now);
    if (!judged.ok) return judged;
    this.standing = judged.value.standing;
    return decided({ group: judged.value.group, device: judged.value.standing.device });
  }

  /** Runs a decision; what it throws becomes a refusal. */
  private async decide<T>(work: () => Promise<Decision<T>>): Promise<Decision<T>> {
    try {
      return await work();
    } catch (error) {
      const about = { keyId: this.record.device?.keyId, stage: this.stage };
      return { ok: false, refusal: refusalOfFault(error, this.deps.log, about) };
    }
  }

  /** Changes the record of the device; the attempt shows it when the flags do. */
  private change(device: DeviceRecord, change: (record: Device) => Device, now: Millis): void {
    const before = device.present.flags;
    const { flags } = device.change(change);
    this.record.device = device.present;
    if (flags !== before) this.record.note({ at: now, type: 'status', flags });
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
      this.deps.log.warn({ keyId: device.present.keyId, error }, 'the record of a device could not be written');
    }
  }

  private noteChain(chain: PeerChain | undefined, now: Millis): void {
    if (!chain) return;
    const certificates = chain.presented.map((der) => encodePem('CERTIFICATE', der));
    this.record.note({ at: now, type: 'chain', certificates });
  }

  private inOrder<T>(work: () => Promise<T>): Promise<T> {
    const done = this.queue.then(work);
    this.queue = done.catch(() => undefined);
    return done;
  }
}

/** What a step came to: the answer, the facts for the attempt, and what it changes on the record of the device. */
interface Served<T> {
  readonly value: T;
  readonly facts: Evidence;
  readonly change?: (device: Device) => Device;
  /** When the record goes to the store: before the answer (default), with a later write, or it is there already. */
  readonly write?: 'later' | 'done';
}

type Work<T> = (group: EnrollmentGroup, device: DeviceRecord) => Promise<Decision<Served<T>>>;

const unchanged = (device: Device): Device => device;

/** The stage that gives the device what it asks for. */
const stageOf: Readonly<Record<Step, Stage>> = {
  time: 'configure',
  ownership: 'authorize',
  cloud: 'configure',
  credentials: 'issue',
  acls: 'authorize',
};
