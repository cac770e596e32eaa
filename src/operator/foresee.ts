import { equalBytes } from '../core/bytes.ts';
import type { ErrorCode, Refusal } from '../core/errors.ts';
import type { Uuid } from '../core/ids.ts';
import { certificateInPem } from '../pki/certificate.ts';
import { describeKind } from '../pki/public-key.ts';
import { attestedSubject, readAccess } from '../provision/access.ts';
import { admit, asksAdmission } from '../provision/admit.ts';
import type { Attestation } from '../provision/attest.ts';
import { bind } from '../provision/bind.ts';
import { asksWebhook, configure } from '../provision/configure.ts';
import { demandedId } from '../provision/device-ids.ts';
import { ownerOf } from '../provision/owner.ts';
import type { Policy } from '../provision/policy.ts';
import { keyOfPsk } from '../provision/psk.ts';
import type { Device, EnrollmentGroup, Stage } from '../store/model.ts';
import type { Store } from '../store/store.ts';
import { checkPath, type DoorJudgement, judgeChain, judgePsk } from './judge.ts';
import type { PeerTrace } from './replay-evidence.ts';

/** What a policy would do with a peer that comes again as it came. */
export interface Foreseen {
  readonly verdict: 'accepted' | ErrorCode;
  /** The stage that would refuse it. */
  readonly stage: Stage | undefined;
  readonly group: string | undefined;
  readonly owner: string | undefined;
  /** The first hub it would be sent to; undefined also when a webhook is to say. */
  readonly hub: string | undefined;
  readonly fix: string | undefined;
}

export interface ForeseeDeps {
  readonly store: Pick<Store, 'findAccess' | 'hasAccess' | 'credentials'>;
  readonly policy: Policy;
  /** The policy under which the peer came: a pre-shared key that has another value since would not fit. */
  readonly present: Policy;
}

/**
 * Judges what an attempt has recorded by a policy, through the pure stages: attest and match at the time of the attempt; admit,
 * bind, the kind of key and the hub with what is known of the device now.
 * @throws FirstbootError service.store
 */
export async function foresee(
  { store, policy, present }: ForeseeDeps,
  trace: PeerTrace,
  device: Device | undefined,
): Promise<Foreseen> {
  const door = doorOf(trace, policy, present, device);
  if (!door.ok) return refusedAt(door.stage, door.refusal, undefined);
  const { group } = door.match;
  const { attestation } = door;
  const asked = attestedSubject(attestation);
  const access = await readAccess(store, group, asked, asksAdmission(group, device));
  const admitted = admit(group, device, access, asked);
  if (!admitted.ok) return refusedAt('admit', admitted.refusal, group);
  if (!device) {
    const hub = group.hubs.map((id) => policy.hubs.get(id)).find((found) => found !== undefined);
    return accepted(group, group.owner.name, group.allocation.type === 'first' ? hub?.name : undefined);
  }
  const bound = bindRefusal(device, trace, group, attestation, policy);
  if (bound) return refusedAt('bind', bound, group);
  const key = await keyRefusal(store, attestation.keyId, group);
  if (key) return refusedAt('issue', key, group);
  const owner = ownerOf(device, group).name;
  const selected = device.hubId === undefined ? undefined : { id: device.hubId, uri: '' };
  if (asksWebhook(group, policy.hubs, device, selected)) return accepted(group, owner, undefined);
  const destination = configure(group, policy.hubs, device, selected);
  if (!destination.ok) return refusedAt('configure', destination.refusal, group);
  return accepted(group, owner, destination.value.hub.name);
}

function doorOf(trace: PeerTrace, policy: Policy, present: Policy, device: Device | undefined): DoorJudgement {
  const { pskIdentity, presented, at } = trace;
  if (pskIdentity === undefined) return judgeChain(checkPath(presented, policy, at), policy, at, device);
  const door = judgePsk(pskIdentity, policy, at, device);
  const [was, is] = [keyOfPsk(present.psk, pskIdentity), keyOfPsk(policy.psk, pskIdentity)];
  if (!door.ok || !was || !is || equalBytes(was.reveal(), is.reveal())) return door;
  const identity = door.attestation.subject;
  const group = door.match.group.name;
  const fix = `give the device the new key first, or the enrollment group "${group}" the key that the device has`;
  return {
    ok: false,
    stage: 'attest',
    refusal: { code: 'attest.wrong-psk', evidence: { identity, group }, fix },
    keyId: undefined,
  };
}

function bindRefusal(
  device: Device,
  { deviceId = device.deviceId, at }: PeerTrace,
  group: EnrollmentGroup,
  attestation: Attestation,
  { reserved }: Policy,
): Refusal | undefined {
  if (deviceId === undefined) return undefined;
  const demanded = demandedId(group.deviceIds, attestation);
  const rules = { reserved, ownerId: ownerOf(device, group).id, reprovisioning: group.reprovisioning, demanded };
  const binding = bind(device, deviceId, rules, at);
  return binding.ok ? undefined : binding.refusal;
}

/** Devices keep their kind of key: the one of the last certificate is the one that they would ask for again. */
async function keyRefusal(
  store: ForeseeDeps['store'],
  keyId: Uuid,
  { certificate: { keys } }: EnrollmentGroup,
): Promise<Refusal | undefined> {
  const last = (await store.credentials(keyId)).at(-1);
  const certificate = last && certificateInPem(last.certificate);
  const kind = certificate && describeKind(certificate.publicKey);
  if (kind === undefined || keys.some((allowed) => allowed === kind)) return undefined;
  const evidence = { key: kind, allowed: keys.join(', ') };
  return {
    code: 'csr.key-not-allowed',
    evidence,
    fix: `allow ${kind} in the certificate policy of the enrollment group`,
  };
}

const accepted = (group: EnrollmentGroup, owner: string, hub: string | undefined): Foreseen => ({
  verdict: 'accepted',
  stage: undefined,
  group: group.name,
  owner,
  hub,
  fix: undefined,
});

const refusedAt = (stage: Stage, { code, fix }: Refusal, group: EnrollmentGroup | undefined): Foreseen => ({
  verdict: code,
  stage,
  group: group?.name,
  owner: undefined,
  hub: undefined,
  fix,
});
