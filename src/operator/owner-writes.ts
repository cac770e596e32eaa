import { basename, dirname } from 'node:path';
import { failure } from '../core/errors.ts';
import { nilUuid, type Uuid } from '../core/ids.ts';
import { withOwnersUrls } from '../provision/owners-urls.ts';
import type { EnrollmentGroup, Hub, Owner } from '../store/model.ts';
import type { StoreChanges, Table } from '../store/store.ts';
import { differences } from './difference.ts';
import { refuseForeignClaims } from './owner-claims.ts';
import type { OwnerScope } from './owner-scope.ts';
import { absent, notForOperators } from './owner-tables.ts';

export interface OwnerRights {
  /**
   * Whether the owner's people say what their groups know devices by. Who may takes any device whose certificate is public;
   * so it is only for owners who trust each other. Default: no, admins of the whole service do.
   */
  readonly ownersAttest?: boolean | undefined;
}

/**
 * Refuses changes of what is not the owner's.
 * @throws FirstbootError operator.not-found, operator.conflict, api.forbidden
 */
export async function requireOwnChanges(scope: OwnerScope, changes: StoreChanges, rights: OwnerRights): Promise<void> {
  if (changes.newCredentials?.length) notForOperators('commit of new credentials');
  for (const device of changes.devices ?? []) {
    const present = await scope.device(device.keyId);
    // Whoever made a record of a key that has not come yet would decide about somebody else's device.
    if (!present) {
      const fix = 'name one that has come; for one that has not yet, ask an admin of the whole service';
      throw failure('operator.not-found', { device: device.keyId }, fix);
    }
    const { assignedOwner } = device;
    if (assignedOwner && assignedOwner.id !== present.assignedOwner?.id) await requireKnownOwner(scope, assignedOwner);
  }
  for (const { serial } of changes.credentials ?? []) {
    if (!(await scope.credential(serial))) throw absent('credential', serial);
  }
  for (const { deviceId, keyId } of changes.claims ?? []) {
    await requireFree(scope, deviceId, keyId);
    if (keyId === nilUuid) await requireKnownOwner(scope, { id: deviceId, name: deviceId });
    else if (!(await scope.device(keyId))) throw absent('device', keyId);
  }
  for (const group of changes.groups ?? []) await requireOwnGroup(scope, group, rights);
  await requireOwnRows(scope, changes);
  const { access = [], deletedAccess = [], deletedGroups = [] } = changes;
  const groups = [...deletedGroups, ...new Set([...access, ...deletedAccess].map(({ groupId }) => groupId))];
  for (const id of groups) if (!(await scope.groups.get(id))) throw absent('group', id);
}

/** What is written then: with whose the URLs of groups are, and with names that others may have, too. */
export async function markedChanges<T extends StoreChanges>({ whole, ownerId }: OwnerScope, changes: T): Promise<T> {
  const { groups, names = [] } = changes;
  const own = { ...changes, names: names.map((name) => ({ ...name, ownerId })) };
  if (!groups?.length) return own;
  const present = new Map((await whole.groups.list()).map((group) => [group.id, group]));
  return { ...own, groups: groups.map((group) => withOwnersUrls(group, present.get(group.id), ownerId)) };
}

async function requireFree(scope: OwnerScope, deviceId: Uuid, keyId: Uuid): Promise<void> {
  const holder = await scope.whole.ownerOfDeviceId(deviceId);
  if (holder === undefined || holder === keyId || (holder !== nilUuid && (await scope.device(holder)))) return;
  throw taken('deviceId', deviceId);
}

/** An owner that is made up may have the id that somebody else's device is going to have. */
async function requireKnownOwner({ whole, ownerId }: OwnerScope, { id, name }: Owner): Promise<void> {
  if (id === ownerId || (await whole.groups.list()).some(({ owner }) => owner.id === id)) return;
  if ((await whole.devicesBy({ by: 'owner', value: id, limit: 1 })).length > 0) return;
  const fix = 'there is no such owner yet: ask an admin of the whole service';
  throw failure('operator.not-found', { owner: name }, fix);
}

/** Of a hub or an owner. Ids that no device has yet are free: devices choose theirs at random. */
async function requireNoDevice({ whole }: OwnerScope, field: 'hub' | 'owner', id: Uuid): Promise<void> {
  const holder = await whole.ownerOfDeviceId(id);
  if (holder === undefined || (holder === nilUuid && field === 'owner')) return;
  throw taken(field, id);
}

const taken = (field: string, id: Uuid) =>
  failure('operator.conflict', { [field]: id }, 'this id is taken: choose another');

async function requireOwnGroup(
  scope: OwnerScope,
  group: EnrollmentGroup,
  { ownersAttest }: OwnerRights,
): Promise<void> {
  const { id, name, owner, hubs } = group;
  if (owner.id !== scope.ownerId) {
    const fix = 'write groups of your own owner';
    throw failure('operator.not-found', { group: name, owner: owner.name }, fix);
  }
  const all = await scope.whole.groups.list();
  const present = all.find((row) => row.id === id);
  if (present && present.owner.id !== scope.ownerId) {
    throw failure('operator.conflict', { group: name, id }, 'this id is taken: choose another, or none');
  }
  requireOwnSecret(scope, group, present);
  for (const hub of hubs) if (!(await scope.hubs.get(hub))) throw absent('hub', hub);
  if (!present) await requireNoDevice(scope, 'owner', owner.id);
  const differing = present ? differences(present.attestation, group.attestation).map(({ field }) => field) : ['all'];
  // What is there already, an admin may have given to several owners.
  if (differing.length === 0) return;
  if (!ownersAttest) throw notTheirs(group, differing);
  refuseForeignClaims(
    group,
    all.filter((row) => row.owner.id !== scope.ownerId),
  );
}

/** A pin, an authority or an identity may be somebody else's without any record of it. */
function notTheirs({ name }: EnrollmentGroup, differing: readonly string[]) {
  const fix =
    'ask an admin of the whole service to say what this group knows devices by, or to set api.ownersAttest: true';
  return failure('api.forbidden', { group: name, attestation: differing.join(', ') }, fix);
}

/** Of the tables whose rows say whose they are. */
async function requireOwnRows(scope: OwnerScope, changes: StoreChanges): Promise<void> {
  const { hubs, webhooks, tokens } = scope.whole;
  await requireOwn(scope, 'hub', hubs, { rows: changes.hubs, deleted: changes.deletedHubs });
  await requireOwn(scope, 'webhook', webhooks, { rows: changes.webhooks, deleted: changes.deletedWebhooks });
  await requireOwn(scope, 'token', tokens, { rows: changes.tokens, deleted: changes.deletedTokens });
  for (const id of new Set(changes.revived?.map(({ webhookId }) => webhookId))) await scope.requireWebhook(id);
  for (const hub of changes.hubs ?? []) {
    const present = await hubs.get(hub.id);
    requireOwnSecret(scope, hub, present);
    if (!present) await requireNoDevice(scope, 'hub', hub.id);
  }
}

/**
 * Admins of the whole service write owners' groups and hubs, too, with secrets that the owner's people do not know: such a one
 * goes where it goes, or nowhere. Owners' own are in a folder of their name.
 */
function requireOwnSecret<Row extends EnrollmentGroup | Hub>(
  { ownerId }: OwnerScope,
  row: Row,
  present: Row | undefined,
): void {
  const [secret, before] = [secretOf(row), present && secretOf(present)];
  if (!secret || basename(dirname(secret.file)) === ownerId) return;
  if (before && differences(before, secret).length === 0) return;
  const evidence = { name: row.name, secretFile: basename(secret.file) };
  const fix = 'this secret is not yours: leave where it goes as it is, or name a file of your own, of another name';
  throw failure('api.forbidden', evidence, fix);
}

/** What the service proves itself with, and to whom. */
function secretOf(row: EnrollmentGroup | Hub): { readonly file: string; readonly to: object } | undefined {
  const to = 'authorization' in row ? row.authorization : row.allocation;
  if (to.type === 'client-credentials') return { file: to.clientSecretFile, to };
  return to.type === 'webhook' && to.secretFile !== undefined
    ? { file: to.secretFile, to: { url: to.url } }
    : undefined;
}

async function requireOwn<T extends { readonly id: Uuid; readonly ownerId: Uuid | undefined }>(
  { ownerId }: OwnerScope,
  kind: string,
  table: Table<T>,
  {
    rows = [],
    deleted = [],
  }: { readonly rows: readonly T[] | undefined; readonly deleted: readonly Uuid[] | undefined },
): Promise<void> {
  for (const row of rows) {
    const present = await table.get(row.id);
    if (row.ownerId !== ownerId || (present && present.ownerId !== ownerId)) throw absent(kind, row.id);
  }
  for (const id of deleted) if ((await table.get(id))?.ownerId !== ownerId) throw absent(kind, id);
}
