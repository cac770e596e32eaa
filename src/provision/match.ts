import { equalBytes } from '../core/bytes.ts';
import type { Millis } from '../core/clock.ts';
import { days } from '../core/clock.ts';
import { type Decision, decided, type Evidence, refused } from '../core/errors.ts';
import { type Certificate, fingerprint } from '../pki/certificate.ts';
import { organizationsOf } from '../pki/explain-path.ts';
import type { EnrollmentGroup } from '../store/model.ts';
import type { Attestation } from './attest.ts';
import type { Policy, PolicyAnchor } from './policy.ts';

/** Which group it is, and by what. */
export interface Match {
  readonly group: EnrollmentGroup;
  readonly by: Evidence;
}

/**
 * Stage match: the group that has a certificate of the verified path among its anchors; the anchor nearest to the leaf
 * wins. Between groups with the same anchor: enabled before disabled, then by id. Here an expired leaf meets the group's grace.
 */
export function match(attestation: Attestation, policy: Policy, now: Millis): Decision<Match> {
  if (attestation.mechanism === 'psk') {
    const group = policy.groups.get(attestation.groupId);
    const known = [...policy.psk.values()].some(
      (psk) => psk.groupId === attestation.groupId && psk.identity === attestation.identity,
    );
    if (group && known) return decided({ group, by: { identity: attestation.identity } });
    return refused('match.no-group', { identity: attestation.identity }, 'add the identity to an enrollment group');
  }
  const candidates = candidatesOf(attestation.path, policy);
  if (candidates.length === 0) {
    return refused(
      'match.no-group',
      { ...evidenceOfTop(attestation.path), ...nearestGroup(attestation.path, policy) },
      "register an authority of the device's chain in an enrollment group",
    );
  }
  const inTime = candidates.filter(({ group }) => withinGrace(attestation.expiredSince, group, now));
  const [first] = inTime;
  if (first === undefined) return expired(attestation.expiredSince ?? now, candidates[0]?.group, now);
  const rivals = inTime.length - 1;
  return decided({ group: first.group, by: rivals > 0 ? { ...first.by, alsoMatched: rivals } : first.by });
}

/** The group that comes nearest to a chain that none takes: by the key id, the name or the organization of its topmost issuer. */
export function nearestGroup(path: readonly Certificate[], policy: Policy): Evidence {
  const top = path.at(-1);
  if (top === undefined) return {};
  const groupOf = (anchor: PolicyAnchor | undefined): string | undefined =>
    anchor && policy.groups.get(anchor.groupId)?.name;
  const key = top.authorityKeyId;
  const byKey = key && policy.anchors.find(({ certificate }) => matchesKeyId(certificate, key));
  const byName = policy.anchors.find(({ certificate }) => equalBytes(certificate.subject.der, top.issuer.der));
  const organizations = organizationsOf(top.issuer);
  const byOrganization = policy.anchors.find(({ certificate }) =>
    organizationsOf(certificate.subject).some((name) => organizations.includes(name)),
  );
  const nearest = groupOf(byKey) ?? groupOf(byName) ?? groupOf(byOrganization);
  if (nearest === undefined) return {};
  const shared = byKey ? 'key id' : byName ? 'name' : 'organization';
  return { nearestGroup: nearest, because: `it has the ${shared} of the issuer` };
}

interface Candidate {
  readonly group: EnrollmentGroup;
  readonly by: Evidence;
}

/** Best first. */
function candidatesOf(path: readonly Certificate[], policy: Policy): readonly Candidate[] {
  for (const [depth, certificate] of path.entries()) {
    const print = fingerprint(certificate.der);
    const groups = new Set(
      policy.anchors
        .filter((anchor) => anchor.fingerprint === print || sameAuthority(anchor.certificate, certificate))
        .flatMap(({ groupId }) => policy.groups.get(groupId) ?? []),
    );
    if (groups.size === 0) continue;
    const by = { anchor: certificate.subject.text, depth };
    return [...groups].sort((a, b) => Number(b.enabled) - Number(a.enabled)).map((group) => ({ group, by }));
  }
  return [];
}

/** The same key under the same name: an authority whose certificate was renewed or cross-signed. */
const sameAuthority = (a: Certificate, b: Certificate): boolean =>
  equalBytes(a.spki, b.spki) && equalBytes(a.subject.der, b.subject.der);

const matchesKeyId = ({ subjectKeyId }: Certificate, key: Uint8Array): boolean =>
  subjectKeyId !== undefined && equalBytes(subjectKeyId, key);

const withinGrace = (expiredSince: Millis | undefined, group: EnrollmentGroup, now: Millis): boolean =>
  expiredSince === undefined || now - expiredSince <= (group.attestation.x509?.expiredGrace ?? 0);

function expired(since: Millis, group: EnrollmentGroup | undefined, now: Millis): Decision<never> {
  return refused(
    'attest.expired',
    {
      notAfter: new Date(since).toISOString(),
      graceDays: (group?.attestation.x509?.expiredGrace ?? 0) / days(1),
      expiredDays: Math.round(((now - since) / days(1)) * 10) / 10,
      group: group?.name ?? 'none',
    },
    'give the device a new manufacturer certificate, or the group a longer grace for expired ones',
  );
}

function evidenceOfTop(path: readonly Certificate[]): Evidence {
  const top = path.at(-1);
  return top ? { subject: path[0]?.subject.text ?? '', issuer: top.issuer.text } : {};
}
