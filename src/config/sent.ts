import { basename } from 'node:path';
import { keyText } from '../codec/yaml.ts';
import type { Millis } from '../core/clock.ts';
import { failure } from '../core/errors.ts';
import { parseUuid } from '../core/ids.ts';
import type { EnrollmentGroup, Hub, PolicyOrigin } from '../store/model.ts';
import { groupConfig, policyDocument } from './document.ts';
import type { GroupConfig } from './group-schema.ts';
import { hubConfig } from './hub.ts';
import type { HubConfig } from './hub-schema.ts';
import type { SentPolicy } from './place.ts';
import { readPolicy } from './policy.ts';

/** A group as it is sent: keys that the sender was not told are null. */
export type SentGroup = Omit<GroupConfig, 'psk' | 'ownerPsk' | 'ownerPskFile'> & {
  readonly psk?: readonly { readonly identity: string; readonly key?: string | null; readonly derived?: boolean }[];
  readonly ownerPsk?: string | null;
};

export interface SentOptions extends SentPolicy {
  readonly source: PolicyOrigin;
  readonly now: Millis;
}

/**
 * Groups and hubs that came over the network in the form of policy files, with everything in place. Keys that were not sent
 * are ''. Hubs that are not among them may be anywhere: whoever writes the groups looks for them.
 * @throws FirstbootError operator.input naming the key (`groups[0].anchors[1]`) and what was expected
 */
export function readSent(
  { groups, hubs }: { readonly groups: readonly SentGroup[]; readonly hubs: readonly HubConfig[] },
  options: SentOptions,
): { readonly groups: readonly EnrollmentGroup[]; readonly hubs: readonly Hub[] } {
  return read(groups, hubs, options, (keys) => keyText(keys));
}

/** One group; complaints name the key within it (`anchors[1]`). @throws as readSent */
export function readSentGroup(group: SentGroup, options: SentOptions): EnrollmentGroup {
  const [first] = read([group], [], options, (keys) => keyText(keys.slice(2))).groups;
  return first ?? nothing();
}

/** @throws as readSent */
export function readSentHub(hub: HubConfig, options: SentOptions): Hub {
  const [first] = read([], [hub], options, (keys) => keyText(keys.slice(2))).hubs;
  return first ?? nothing();
}

/** A group as it is told: no keys, and of files their names alone. */
export const toldGroup = (group: EnrollmentGroup): Readonly<Record<string, unknown>> =>
  groupConfig(withoutFolder(group), false);

/** A hub as it is told. */
export const toldHub = (hub: Hub): HubConfig => hubConfig(hubWithoutFolder(hub));

/** All of it as one policy file. */
export const toldPolicy = (groups: readonly EnrollmentGroup[], hubs: readonly Hub[]): string =>
  policyDocument({ groups: groups.map(withoutFolder), hubs: hubs.map(hubWithoutFolder) });

/** Files with secrets that groups and hubs name. */
export const secretFilesOf = (rows: readonly (EnrollmentGroup | Hub)[]): readonly string[] =>
  rows.flatMap((row) => {
    const file = 'authorization' in row ? clientSecretOf(row) : allocationSecretOf(row);
    return file === undefined ? [] : [file];
  });

function read(
  groups: readonly SentGroup[],
  hubs: readonly HubConfig[],
  { source, now, secrets, named }: SentOptions,
  nameOf: (keys: readonly (string | number)[]) => string,
) {
  const written = groups.map(withoutGaps);
  const part = {
    name: '',
    base: '',
    sent: { secrets, named },
    groups: written,
    hubs,
    hubIds: hubs.map(({ id }) => parseUuid(id) ?? id),
    at: (keys: readonly (string | number)[], expected: string) =>
      failure('operator.input', { key: nameOf(keys) }, expected),
    problems: [],
  };
  const known = written.flatMap((group) => group.hubs.map((id) => parseUuid(id) ?? id));
  return readPolicy([part], { hubs: known, source, now, secrets: 'may-be-left-out' });
}

function withoutGaps({ psk, ownerPsk, ...group }: SentGroup): GroupConfig {
  return {
    ...group,
    ...(psk && { psk: psk.map(({ key, ...entry }) => ({ ...entry, ...(typeof key === 'string' && { key }) })) }),
    ...(ownerPsk !== undefined && { ownerPsk: ownerPsk ?? '' }),
  };
}

function withoutFolder(group: EnrollmentGroup): EnrollmentGroup {
  const { allocation } = group;
  if (allocation.type !== 'webhook' || allocation.secretFile === undefined) return group;
  return { ...group, allocation: { ...allocation, secretFile: basename(allocation.secretFile) } };
}

function hubWithoutFolder(hub: Hub): Hub {
  const { authorization } = hub;
  if (authorization.type === 'built-in') return hub;
  const clientSecretFile = basename(authorization.clientSecretFile);
  return { ...hub, authorization: { ...authorization, clientSecretFile } };
}

const clientSecretOf = ({ authorization }: Hub): string | undefined =>
  authorization.type === 'client-credentials' ? authorization.clientSecretFile : undefined;

const allocationSecretOf = ({ allocation }: EnrollmentGroup): string | undefined =>
  allocation.type === 'webhook' ? allocation.secretFile : undefined;

function nothing(): never {
  throw failure('service.internal', {}, '');
}
