import { Document, isScalar } from 'yaml';
import { fromBase64, toHex } from '../core/bytes.ts';
import { days } from '../core/clock.ts';
import type { EnrollmentGroup, GroupPsk, Hub } from '../store/model.ts';
import { allocationConfig } from './allocation.ts';
import { entryConfig } from './entry.ts';
import type { GroupConfig } from './group-schema.ts';
import { hubConfig } from './hub.ts';
import { selectorConfig } from './selector.ts';

export interface DocumentOptions {
  /**
   * Pre-shared keys and owner masters are written out. Default: left out, each with a comment in its place; a file with such
   * a gap is refused, so that nobody reads back a group that has lost its keys.
   */
  readonly secrets?: boolean;
}

/** One group as YAML that readPolicyFile takes and that gives the same group; its hubs have to be there. */
export const groupDocument = (group: EnrollmentGroup, options?: DocumentOptions): string =>
  policyDocument({ groups: [group], hubs: [] }, options);

/** Groups and hubs as one policy file. Certificates and revocation lists stand in it as PEM. */
export function policyDocument(
  { groups, hubs }: { readonly groups: readonly EnrollmentGroup[]; readonly hubs: readonly Hub[] },
  { secrets = false }: DocumentOptions = {},
): string {
  const document = new Document({
    ...(hubs.length > 0 && { hubs: hubs.map(hubConfig) }),
    ...(groups.length > 0 && { groups: groups.map((group) => groupConfig(group, secrets)) }),
  });
  if (!secrets) markGaps(document, groups);
  return document.toString({ lineWidth: 0 });
}

type Written = Readonly<Record<string, unknown>>;

/** Everything is written, defaults too: what it is today shall not depend on what the default is tomorrow. */
export function groupConfig(group: EnrollmentGroup, secrets: boolean): Written {
  const { attestation, acl, ownerPsk, ownerPskShared, payload, certificate, deviceIds } = group;
  const { x509, psk, pins } = attestation;
  const hex = (key: string): string | null => (secrets && key !== '' ? toHex(fromBase64(key)) : null);
  return {
    id: group.id,
    name: group.name,
    owner: group.owner.name,
    enabled: group.enabled,
    ...(x509 && {
      anchors: x509.anchors,
      ...present('leads', x509.leads),
      ...present('intermediates', x509.intermediates),
      ...present('crls', [...x509.crls, ...x509.crlUrls]),
      expiredGraceDays: x509.expiredGrace / days(1),
    }),
    ...present(
      'psk',
      psk.map(({ identity, key, derived }: GroupPsk) => ({ identity, key: hex(key), derived })),
    ),
    ...present('pins', pins),
    ...present('allow', group.allow.map(selectorConfig)),
    ...present('deny', group.deny.map(selectorConfig)),
    admission: group.admission,
    deviceIds: deviceIds.type === 'own' ? 'own' : { template: deviceIds.template },
    certificate: { keys: certificate.keys, days: certificate.life / days(1), usages: certificate.usages },
    hubs: group.hubs,
    allocation: allocationConfig(group.allocation),
    ...(acl && { acl: acl.map(entryConfig) }),
    ...(ownerPsk !== undefined && { ownerPsk: hex(ownerPsk), ownerPskShared: ownerPskShared === true }),
    ...(payload && { payload }),
    reprovisioning: group.reprovisioning,
    clones: group.clones,
  } satisfies { readonly [K in keyof GroupConfig]?: unknown };
}

const present = <K extends string>(key: K, list: readonly unknown[]) =>
  (list.length > 0 ? { [key]: list } : {}) as { readonly [k in K]?: readonly unknown[] };

/** Keys that are left out say so. */
function markGaps(document: Document, groups: readonly EnrollmentGroup[]): void {
  for (const [at, { attestation, ownerPsk }] of groups.entries()) {
    const gaps = attestation.psk.map((_, which) => ['groups', at, 'psk', which, 'key']);
    if (ownerPsk !== undefined) gaps.push(['groups', at, 'ownerPsk']);
    for (const keys of gaps) {
      const node = document.getIn(keys, true);
      if (isScalar(node)) node.comment = ' a secret: left out';
    }
  }
}
