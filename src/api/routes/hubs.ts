import { readSentHub, secretFilesOf } from '../../config/sent.ts';
import { failure } from '../../core/errors.ts';
import { parseUuid, type Uuid } from '../../core/ids.ts';
import type { Outcome } from '../../operator/change.ts';
import type { Hub } from '../../store/model.ts';
import { route } from '../route.ts';
import { changedHub, hubList, hubOutcome, hubView, newHub } from '../schemas/hub.ts';
import { plainChange, which } from '../schemas/parts.ts';
import { changeTold, hubTold, listTold, outcomeTold, sentBy, writtenOf } from '../told.ts';

const params = which('hub', 'id or name of the hub');
const known = ['operator.not-found', 'operator.ambiguous'] as const;
const tag = 'hubs';

const list = route({
  id: 'listHubs',
  method: 'GET',
  path: '/hubs',
  tag,
  summary: 'List all hubs with who uses them',
  role: 'viewer',
  answer: hubList,
  errors: [],
  handle: async ({ operations }) => {
    const hubs = await operations.hubs();
    return listTold(hubs.map(({ hub, ...counts }) => ({ hub: hubTold(hub), ...counts })));
  },
});

const create = route({
  id: 'createHub',
  method: 'POST',
  path: '/hubs',
  tag,
  summary: 'Make a hub',
  role: 'admin',
  query: plainChange,
  body: newHub,
  answer: hubOutcome,
  status: 201,
  errors: ['operator.input', 'operator.conflict'],
  handle: async ({ body, query, operations, principal, service, now }) => {
    const read = readSentHub(writtenOf(body), sentBy(principal, service, now));
    const hub = { ...read, ownerId: principal.ownerId };
    return told(await operations.putHub(hub, { create: true, dryRun: query.dryRun }));
  },
});

const get = route({
  id: 'getHub',
  method: 'GET',
  path: '/hubs/{hub}',
  tag,
  summary: 'Show a hub',
  role: 'viewer',
  params,
  answer: hubView,
  errors: known,
  handle: async ({ params, operations }) => {
    const { hub, groups } = await operations.hub(params.hub);
    return { body: { hub: hubTold(hub), groups: [...groups] }, revision: hub.revision };
  },
});

const put = route({
  id: 'putHub',
  method: 'PUT',
  path: '/hubs/{hub}',
  tag,
  summary: 'Change a hub to what is sent',
  description: 'What is left out gets its default.',
  role: 'admin',
  params,
  query: plainChange,
  body: changedHub,
  answer: hubOutcome,
  conditional: true,
  errors: [...known, 'operator.input', 'operator.conflict', 'operator.file-managed', 'api.precondition'],
  handle: async ({ params, body, query, operations, principal, service, now, ifMatch }) => {
    const { hub: present } = await operations.hub(params.hub);
    requireSameId(body.id, present.id);
    const options = sentBy(principal, service, now, secretFilesOf([present]));
    const hub = { ...readSentHub({ ...writtenOf(body), id: present.id }, options), ownerId: present.ownerId };
    return told(await operations.putHub(hub, { create: false, revision: ifMatch, dryRun: query.dryRun }));
  },
});

const remove = route({
  id: 'deleteHub',
  method: 'DELETE',
  path: '/hubs/{hub}',
  tag,
  summary: 'Delete a hub that no group uses',
  role: 'admin',
  params,
  query: plainChange,
  answer: hubOutcome,
  conditional: true,
  errors: [...known, 'operator.conflict', 'operator.file-managed', 'api.precondition'],
  handle: async ({ params, query, operations, ifMatch }) => {
    const outcome = await operations.deleteHub(params.hub, { ...query, revision: ifMatch });
    return { body: outcomeTold(outcome, hubTold) };
  },
});

export const hubRoutes = [list, create, get, put, remove];

const told = (outcome: Outcome<Hub>) => changeTold(outcomeTold(outcome, hubTold));

function requireSameId(sentId: string | undefined, id: Uuid): void {
  if (sentId === undefined || parseUuid(sentId) === id) return;
  throw failure('operator.input', { key: 'id', id }, 'the id of a hub cannot be changed: send this one');
}
