import type { Millis } from '../core/clock.ts';
import { type Decision, failure, type Refusal, refused } from '../core/errors.ts';
import type { Device, EnrollmentGroup } from '../store/model.ts';
import type { AccessSubject } from '../store/store.ts';
import { accessSubject, attestedSubject, nobodyListed, readAccess } from './access.ts';
import { admit, asksAdmission } from './admit.ts';
import { type Attestation, attest } from './attest.ts';
import type { PeerEvidence } from './contract.ts';
import { DeviceRecord } from './device-record.ts';
import { changeDevice, enrolled, seen } from './devices.ts';
import { withNearestGroup } from './handshake.ts';
import { match } from './match.ts';
import { ownerOf } from './owner.ts';
import type { ProvisionerDeps } from './ports.ts';
import type { SessionRecord } from './session-record.ts';
import { type Admitted, judgeAgain, type Standing } from './standing.ts';

type Deps = Pick<ProvisionerDeps, 'store' | 'policy'>;

/**
 * Stages attest, match and admit with their effects: what they agreed to is on the record, and the device has its own, also one
 * that has to wait for approval. A refusal, of the stage that is at work then, is left to the caller to record.
 * @throws FirstbootError service.store, service.busy
 */
export async function admitPeer(
  { store, policy: source }: Deps,
  peer: PeerEvidence,
  record: SessionRecord,
  now: Millis,
): Promise<Decision<Admitted>> {
  const policy = source.current;
  const attested = attest(peer, policy, now);
  if (!attested.ok) {
    const refusal = peer.chain ? withNearestGroup(attested.refusal, peer.chain, policy) : attested.refusal;
    return { ok: false, refusal };
  }
  const attestation = attested.value;
  const { mechanism, keyId, subject } = attestation;
  const listed = attestedSubject(attestation);
  const vouching = listed.unverified === true ? { onlyByPin: true } : {};
  record.agreed({ mechanism, subject, keyId, ...vouching }, undefined, now);
  const shared = isShared(attestation);
  if (!shared) record.identify(keyId, now);

  record.watch.enter('match');
  const known = await store.device(keyId);
  // Who has a shared key can name any number of identities: those that get no record here stay strangers on record.
  if (shared && known) record.identify(keyId, now);
  const matched = match(attestation, policy, now, known);
  if (!matched.ok) return matched;
  const { group, by } = matched.value;
  const place = { group: group.name, groupId: group.id, ownerId: known ? ownerOf(known, group).id : group.owner.id };
  record.agreed({ ...place, ...by }, undefined, now);

  record.watch.enter('admit');
  const access = await readAccess(store, group, listed, asksAdmission(group, known));
  const admitted = admit(group, known, access, listed);
  if (!admitted.ok && !admitted.waits) return { ok: false, refusal: admitted.refusal };
  if (shared && known === undefined) {
    if (!source.newcomers.take(group.id, now)) return tooManyNew(group, listed);
    record.identify(keyId, now);
  }
  const entry = { attestation, group, by: admitted.ok ? admitted.value.by : undefined, peer: record.peer };
  const enroll = (present: Device | undefined): Device => enrolled(present, entry, now);
  const stored = await changeDevice(store, keyId, known, enroll, now);
  if (stored === undefined) throw new TypeError(`no record of ${keyId}`);
  record.device = stored;
  // Somebody may have held the device while it was being decided on; and one that waits is told since when.
  const settled = admit(group, stored, access, listed);
  if (!settled.ok) return { ok: false, refusal: settled.refusal };
  const { facts } = admitted.ok ? admitted.value : settled.value;
  record.agreed(facts, undefined, now);
  const device = new DeviceRecord(store, stored);
  record.device = device.change((present) => seen(present, record.peer, now));
  return { ok: true, value: { state: 'admitted', groupId: group.id, device, attestation, policy } };
}

/**
 * Whether the peer of a session may (still) be served: its record and the lists are read again, so that what an operator does
 * counts at the next question.
 * @throws FirstbootError service.store; service.busy when the record of the device is gone
 */
export async function admitAsking(
  { store, policy: { current } }: Deps,
  standing: Standing,
  now: Millis,
): Promise<Decision<{ readonly group: EnrollmentGroup; readonly standing: Admitted }>> {
  if (standing.state === 'refused') return { ok: false, refusal: standing.refusal };
  if (standing.state !== 'admitted') return refused('request.out-of-order', {}, 'finish the handshake before asking');
  const { device, groupId } = standing;
  const present = await device.refresh();
  if (present === undefined) {
    const { keyId } = device.present;
    throw failure('service.busy', { keyId }, 'the record of the device is gone; it starts anew');
  }
  const group = current.groups.get(groupId);
  const access = group ? await readAccess(store, group, accessSubject(present), false) : nobodyListed;
  return judgeAgain(standing, access, current, now);
}

const isShared = (attestation: Attestation): boolean => attestation.mechanism === 'psk' && attestation.sharedKey;

function tooManyNew(group: EnrollmentGroup, { subject }: AccessSubject): { ok: false; refusal: Refusal } {
  return refused(
    'admit.too-many-new',
    { group: group.name, groupId: group.id, identity: subject },
    'if these are not your devices, the key is in wrong hands: give the group another one, or one that is derived for each device',
  );
}
