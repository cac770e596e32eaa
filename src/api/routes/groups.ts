import Type from 'typebox';
import { groupIdOf } from '../../config/group.ts';
import { readSentGroup, type SentGroup, secretFilesOf } from '../../config/sent.ts';
import { failure } from '../../core/errors.ts';
import { parseUuid, type Uuid } from '../../core/ids.ts';
import type { Outcome } from '../../operator/change.ts';
import type { EnrollmentGroup } from '../../store/model.ts';
import { type Principal, route } from '../route.ts';
import {
  approvalOutcome,
  groupList,
  groupOutcome,
  groupView,
  type WrittenGroup,
  writtenGroup,
} from '../schemas/group.ts';
import { changeQuery, closed, flag, maybe, plainChange, shortText, which } from '../schemas/parts.ts';
import { changeTold, groupTold, listTold, outcomeTold, sentBy, writtenOf } from '../told.ts';

const params = which('group', 'id or name of the group');
const known = ['operator.not-found', 'operator.ambiguous'] as const;
const tag = 'groups';

const list = route({
  id: 'listGroups',
  method: 'GET',
  path: '/groups',
  tag,
  summary: 'List all groups with how many devices each has',
  role: 'viewer',
  answer: groupList,
  errors: [],
  handle: async ({ operations }) => {
    const groups = await operations.groups();
    return listTold(groups.map(({ group, devices }) => ({ group: groupTold(group), devices })));
  },
});

const create = route({
  id: 'createGroup',
  method: 'POST',
  path: '/groups',
  tag,
  summary: 'Make a group',
  description: 'Everything stands in place: PEM, not file names. A pre-shared key needs its key.',
  role: 'admin',
  query: plainChange,
  body: writtenGroup,
  answer: groupOutcome,
  status: 201,
  errors: ['operator.input', 'operator.conflict', 'operator.not-found', 'pem.malformed'],
  handle: async ({ body, query, operations, principal, service, now }) => {
    const id = body.id ?? idFor(body.name, principal);
    const group = readSentGroup(sent(body, id), sentBy(principal, service, now));
    return told(await operations.putGroup(group, { create: true, dryRun: query.dryRun }));
  },
});

const get = route({
  id: 'getGroup',
  method: 'GET',
  path: '/groups/{group}',
  tag,
  summary: 'Show a group',
  role: 'viewer',
  params,
  answer: groupView,
  errors: known,
  handle: async ({ params, operations }) => {
    const { group, ...view } = await operations.group(params.group);
    return { body: { ...view, hubs: [...view.hubs], group: groupTold(group) }, revision: group.revision };
  },
});

const put = route({
  id: 'putGroup',
  method: 'PUT',
  path: '/groups/{group}',
  tag,
  summary: 'Change a group to what is sent',
  description:
    'What is left out gets its default; keys that are null, and pre-shared keys without one, stay as they are.',
  role: 'admin',
  params,
  query: plainChange,
  body: writtenGroup,
  answer: groupOutcome,
  conditional: true,
  errors: [
    ...known,
    'operator.input',
    'operator.conflict',
    'operator.file-managed',
    'api.precondition',
    'pem.malformed',
  ],
  handle: async ({ params, body, query, operations, principal, service, now, ifMatch }) => {
    const { group: present } = await operations.group(params.group);
    requireSameId(body.id, present.id);
    const options = sentBy(principal, service, now, secretFilesOf([present]));
    const group = readSentGroup(sent(body, present.id), options);
    return told(await operations.putGroup(group, { create: false, revision: ifMatch, dryRun: query.dryRun }));
  },
});

const remove = route({
  id: 'deleteGroup',
  method: 'DELETE',
  path: '/groups/{group}',
  tag,
  summary: 'Delete a group with its lists; its devices stay on record',
  role: 'admin',
  params,
  query: changeQuery({ force: maybe(flag('also when it has devices')) }),
  answer: groupOutcome,
  conditional: true,
  errors: [...known, 'operator.conflict', 'operator.file-managed', 'api.precondition'],
  handle: async ({ params, query, operations, ifMatch }) => {
    const outcome = await operations.deleteGroup(params.group, { ...query, revision: ifMatch });
    return { body: outcomeTold(outcome, groupTold) };
  },
});

const turn = (verb: 'enable' | 'disable', summary: string) =>
  route({
    id: `${verb}Group`,
    method: 'POST',
    path: `/groups/{group}/${verb}`,
    tag,
    summary,
    role: 'admin',
    params,
    query: plainChange,
    answer: groupOutcome,
    conditional: true,
    errors: [...known, 'operator.file-managed', 'api.precondition'],
    handle: async ({ params, query, operations, ifMatch }) => {
      const options = { ...query, enabled: verb === 'enable', revision: ifMatch };
      return told(await operations.setGroupEnabled(params.group, options));
    },
  });

const approve = route({
  id: 'approveGroup',
  method: 'POST',
  path: '/groups/{group}/approve',
  tag,
  summary: 'Approve all devices that wait in a group',
  role: 'operator',
  params,
  query: plainChange,
  body: Type.Object({ reason: maybe(shortText('one line, goes on record')) }, closed),
  answer: approvalOutcome,
  errors: [...known, 'operator.input'],
  handle: async ({ params, query, body, operations }) => ({
    body: await operations.approveGroup(params.group, { ...query, ...body }),
  }),
});

export const groupRoutes = [
  list,
  create,
  get,
  put,
  remove,
  turn('enable', 'Let the devices of a group in again'),
  turn('disable', 'Refuse all devices of a group until it is enabled'),
  approve,
];

const told = (outcome: Outcome<EnrollmentGroup>) => changeTold(outcomeTold(outcome, groupTold));

const sent = (body: WrittenGroup, id: Uuid) => ({ ...writtenOf(body), id }) as SentGroup;

/** Groups of two owners may have one name: their ids shall not meet. Otherwise it is the one that files give it. */
const idFor = (name: string, { ownerId }: Principal): Uuid =>
  groupIdOf(ownerId === undefined ? name : `${ownerId}:${name}`);

function requireSameId(sentId: string | undefined, id: Uuid): void {
  if (sentId === undefined || parseUuid(sentId) === id) return;
  throw failure('operator.input', { key: 'id', id }, 'the id of a group cannot be changed: send this one, or none');
}
