import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { failure } from '../../core/errors.ts';
import { type Uuid, uuidV4 } from '../../core/ids.ts';
import { writeSynced } from '../../pki/files.ts';
import type { EnrollmentGroup, Hub, Role } from '../../store/model.ts';
import type { Principal } from '../route.ts';
import { secretsOf } from '../told.ts';
import { Asked, type PlgdDeps } from './asked.ts';
import { groupMessage, groupOfMessage } from './groups.ts';
import { hubMessage, hubOfMessage } from './hubs.ts';
import type { Message } from './message.ts';
import { plgdBase } from './paths.ts';
import { deleteRecords, listRecords } from './record-list.ts';
import { refuse } from './status.ts';

/**
 * The REST of plgd's device provisioning service (contract, plgd-service 3.4), so that programs which were written for it go on:
 * enrollment groups, hubs, provisioning records. docs/decisions/0016 says where it is not plgd's.
 */
export function plgdPaths(server: FastifyInstance, deps: PlgdDeps): void {
  void server.register((scope, _options, done) => {
    scope.setErrorHandler((error, request, reply) => refuse(error, request, reply, deps.log));
    const path = (name: string): string => `${plgdBase}/${name}`;
    const at = (role: Role, answer: (asked: Asked) => Promise<unknown>) => ({
      onRequest: (request: FastifyRequest): Promise<void> => deps.door.enter(request, { role }),
      handler: (request: FastifyRequest, reply: FastifyReply) => answer(new Asked(request, reply, deps)),
    });
    scope.get(path('enrollment-groups'), at('viewer', listGroups));
    scope.post(path('enrollment-groups'), at('admin', putGroup));
    scope.put(path('enrollment-groups/:id'), at('admin', putGroup));
    scope.delete(path('enrollment-groups'), at('admin', deleteGroups));
    scope.get(path('hubs'), at('viewer', listHubs));
    scope.post(path('hubs'), at('admin', putHub));
    scope.put(path('hubs/:id'), at('admin', putHub));
    scope.delete(path('hubs'), at('admin', deleteHubs));
    scope.get(path('provisioning-records'), at('viewer', listRecords));
    scope.delete(path('provisioning-records'), at('operator', deleteRecords));
    done();
  });
}

async function listGroups(asked: Asked): Promise<FastifyReply> {
  const [ids, hubs] = [asked.filter('idFilter'), asked.filter('hubIdFilter')];
  const names = asked.filter('attestationMechanismX509CertificateNames');
  const all = (await asked.operations.groups()).map(({ group }) => ({ group, message: groupMessage(group) }));
  const none = ids.length + hubs.length + names.length === 0;
  const found = all.filter(
    ({ group, message }) =>
      none || ids.includes(group.id) || group.hubs.some((id) => hubs.includes(id)) || names.includes(leadOf(message)),
  );
  return asked.stream(found.map(({ message }) => message));
}

const leadOf = ({ attestationMechanism }: Message): string =>
  (attestationMechanism as { readonly x509: { readonly leadCertificateName: string } | null }).x509
    ?.leadCertificateName ?? '';

async function putGroup(asked: Asked): Promise<FastifyReply> {
  const { operations, principal, body, deps, id } = asked;
  const present = id === undefined ? undefined : (await operations.group(id)).group;
  const owner = present?.owner.name ?? requireOwner(principal);
  const place = { id: id ?? uuidV4(deps.random), owner, now: deps.timers.now() };
  const group = groupOfMessage(body, { ...place, ...(present && { known: present }) });
  const { result } = await operations.putGroup(group, { create: present === undefined });
  return asked.answer(groupMessage(result));
}

async function deleteGroups(asked: Asked): Promise<FastifyReply> {
  const { operations } = asked;
  const groups = (await operations.groups()).map(({ group }) => group);
  return deleteEach(asked, groups, {
    none: 'no group has such an id',
    remove: (id, dryRun) => operations.deleteGroup(id, { force: true, dryRun }),
  });
}

async function listHubs(asked: Asked): Promise<FastifyReply> {
  const ids = [...asked.filter('idFilter'), ...asked.filter('hubIdFilter')];
  const hubs = (await asked.operations.hubs()).map(({ hub }) => hub);
  const found = hubs.filter(({ id }) => ids.length === 0 || ids.includes(id));
  return asked.stream(found.map((hub) => hubMessage(hub, hub.ownerId ?? '')));
}

async function putHub(asked: Asked): Promise<FastifyReply> {
  const { operations, principal, body, deps, id } = asked;
  const present = id === undefined ? undefined : (await operations.hub(id)).hub;
  const folder = secretsOf(principal, deps);
  // A name of its own each time: the file of the present secret stays until the hub names the new one.
  const name = uuidV4(deps.random);
  const secretFile = (hub: Uuid): string => join(folder, `hub-${hub}-${name}`);
  const place = { id: id ?? uuidV4(deps.random), ownerId: principal.ownerId, secretFile };
  const { hub, secret } = hubOfMessage(body, { ...place, ...(present && { known: present }) });
  const create = present === undefined;
  // What is refused shall leave no secret behind.
  await operations.putHub(hub, { create, dryRun: true });
  if (secret !== undefined) {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await writeSynced(secretFile(hub.id), secret, 0o600);
  }
  const { result } = await operations.putHub(hub, { create });
  return asked.answer(hubMessage(result, result.ownerId ?? ''));
}

async function deleteHubs(asked: Asked): Promise<FastifyReply> {
  const { operations } = asked;
  const hubs = (await operations.hubs()).map(({ hub }) => hub);
  return deleteEach(asked, hubs, {
    none: 'no hub has such an id',
    remove: (id, dryRun) => operations.deleteHub(id, { dryRun }),
  });
}

/** Those with one of the ids, or none of them; without ids all but those of files, which no caller can delete. */
async function deleteEach(
  asked: Asked,
  rows: readonly Pick<Hub | EnrollmentGroup, 'id' | 'source'>[],
  { none, remove }: { readonly none: string; readonly remove: (id: Uuid, dryRun: boolean) => Promise<unknown> },
): Promise<FastifyReply> {
  asked.requireOnly('idFilter');
  const ids = asked.filter('idFilter');
  const found = rows.filter(({ id, source }) => (ids.length === 0 ? source === 'operator' : ids.includes(id)));
  if (found.length === 0) throw failure('operator.input', { idFilter: ids.join(' ') }, none);
  for (const dryRun of [true, false]) for (const { id } of found) await remove(id, dryRun);
  return asked.answer({ count: String(found.length) });
}

/** Everything has an owner in plgd, and it is the caller. */
function requireOwner({ ownerId }: Principal): string {
  if (ownerId !== undefined) return ownerId;
  const fix = 'use a token that is bound to an owner (firstboot token create --owner), or POST /api/v1/groups';
  throw failure('api.forbidden', { owner: 'none' }, fix);
}
