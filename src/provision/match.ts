import { utf8 } from '../core/bytes.ts';
import { days, isoTime, type Millis } from '../core/clock.ts';
import { type Decision, decided, type Evidence, refused } from '../core/errors.ts';
import type { Certificate } from '../pki/certificate.ts';
import type { Device, EnrollmentGroup } from '../store/model.ts';
import type { Attestation } from './attest.ts';
import { authorityKey, marksOf, wholePath } from './authorities.ts';
import type { Policy } from './policy.ts';
import { findPsk } from './psk.ts';

/** Which group it is, and by what. */
export interface Match {
  readonly group: EnrollmentGroup;
  readonly by: Evidence;
}

/**
 * Stage match: the group that has pinned the key; else the one that has a certificate of the verified path among its anchors
 * (and, when it has lead certificates, one of the path among those): what is nearest to the leaf wins. Between equals: enabled
 * before disabled, then by id. A known device stays with the group it was given when that says so and still takes it.
 * Here an expired leaf meets the group's grace.
 * @param device its record, if there is one.
 */
export function match(attestation: Attestation, policy: Policy, now: Millis, device?: Device): Decision<Match> {
  if (attestation.mechanism === 'psk') return matchPsk(attestation, policy);
  const candidates = candidatesOf(attestation, policy, now);
  const inTime = candidates.filter(({ group, by }) => by.pin || withinGrace(attestation.expiredSince, group, now));
  const kept = device && keptBy(device, policy);
  const stays = kept && inTime.find(({ group }) => group.id === kept.id);
  if (stays) return decided({ group: stays.group, by: { ...stays.by, stays: stays.group.reprovisioning } });
  const [nearest] = candidates;
  if (nearest === undefined) return noGroup(attestation, policy, now);
  const rivals = inTime.filter(({ place }) => place === nearest.place);
  const [first] = rivals;
  if (first === undefined) return expired(attestation.expiredSince ?? now, nearest.group, now);
  const more = rivals.length - 1;
  return decided({ group: first.group, by: more > 0 ? { ...first.by, alsoMatched: more } : first.by });
}

/** The group that comes nearest to a chain that none takes: by the key id, the name or the organization of its topmost issuer. */
export function nearestGroup(path: readonly Certificate[], policy: Policy): Evidence {
  const top = path.at(-1);
  if (top === undefined) return {};
  for (const [mark, shared] of marksOf(top.authorityKeyId, top.issuer)) {
    const groupId = policy.authorities.marked.get(mark);
    const nearest = groupId === undefined ? undefined : policy.groups.get(groupId);
    if (nearest) return { nearestGroup: nearest.name, because: `it has the ${shared} of the issuer` };
  }
  return {};
}

interface Candidate {
  readonly group: EnrollmentGroup;
  readonly by: Evidence;
  /** Lower ones go before higher ones: -1 for a pin, else the depth in the path. */
  readonly place: number;
}

type Chained = Extract<Attestation, { mechanism: 'x509' }>;

/** Every group that could take the device, best first. */
function candidatesOf(attestation: Chained, policy: Policy, now: Millis): readonly Candidate[] {
  const pinning = (policy.pins.get(attestation.pin) ?? []).flatMap((id) => policy.groups.get(id) ?? []);
  const pinned = pinning.map((group) => ({ group, by: { pin: attestation.pin }, place: -1 }));
  // Of a path that did not hold, nothing says that its certificates belong together.
  if (attestation.onlyByPin) return pinned;
  const { entrances, anchorsOf } = policy.authorities;
  const path = wholePath(attestation.path, policy.authorities, now).map((certificate) => ({
    key: authorityKey(certificate),
    name: certificate.subject.text,
  }));
  const chained = path.flatMap(({ key, name }, depth) =>
    (entrances.get(key) ?? []).flatMap(({ group, as }): Candidate[] => {
      if (as === 'anchor') return [{ group, by: { anchor: name, depth }, place: depth }];
      const anchor = path.find((above) => anchorsOf.get(group.id)?.has(above.key));
      return anchor ? [{ group, by: { lead: name, depth, anchor: anchor.name }, place: depth }] : [];
    }),
  );
  return [...pinned, ...chained];
}

/** The group that a device was given, if that keeps its devices. One that waits has not been given anything. */
function keptBy(device: Device, policy: Policy): EnrollmentGroup | undefined {
  const group = policy.groups.get(device.groupId);
  return device.state !== 'pending' && group?.enabled && group.reprovisioning !== 'migrate' ? group : undefined;
}

function matchPsk(attestation: Extract<Attestation, { mechanism: 'psk' }>, policy: Policy): Decision<Match> {
  const { identity, groupId } = attestation;
  const found = findPsk(policy.psk, utf8(identity));
  const group = found?.groupId === groupId ? policy.groups.get(groupId) : undefined;
  if (group && found) return decided({ group, by: found.by === identity ? { identity } : { identity, by: found.by } });
  return refused('match.no-group', { identity }, 'add the identity to an enrollment group');
}

const withinGrace = (expiredSince: Millis | undefined, group: EnrollmentGroup, now: Millis): boolean =>
  expiredSince === undefined || now - expiredSince <= (group.attestation.x509?.expiredGrace ?? 0);

function noGroup(attestation: Chained, policy: Policy, now: Millis): Decision<never> {
  const { subject, pin, onlyByPin, path } = attestation;
  if (onlyByPin) return refused('match.no-group', { subject, pin }, 'pin the key in an enrollment group again');
  const evidence = { subject, issuer: path.at(-1)?.issuer.text ?? 'none' };
  const withoutLead = groupWithoutLead(wholePath(path, policy.authorities, now), policy);
  if (withoutLead !== undefined) {
    return refused(
      'match.no-group',
      {
        ...evidence,
        nearestGroup: withoutLead,
        because: 'it has an anchor of the path, but none of its lead certificates',
      },
      `add the authority that has issued the device's certificate to the leads of the enrollment group "${withoutLead}", if it shall take such devices`,
    );
  }
  return refused(
    'match.no-group',
    { ...evidence, ...nearestGroup(path, policy) },
    "register an authority of the device's chain in an enrollment group",
  );
}

/** The name of a group that has an anchor in the path, but none of its leads: with one, it would be a candidate. */
function groupWithoutLead(path: readonly Certificate[], { authorities, groups }: Policy): string | undefined {
  const keys = path.map(authorityKey);
  for (const [groupId, anchors] of authorities.anchorsOf)
    if (keys.some((key) => anchors.has(key))) return groups.get(groupId)?.name;
  return undefined;
}

function expired(since: Millis, group: EnrollmentGroup, now: Millis): Decision<never> {
  return refused(
    'attest.expired',
    {
      notAfter: isoTime(since),
      graceDays: (group.attestation.x509?.expiredGrace ?? 0) / days(1),
      expiredDays: Math.round(((now - since) / days(1)) * 10) / 10,
      group: group.name,
    },
    'give the device a new manufacturer certificate, or the group a longer grace for expired ones',
  );
}
