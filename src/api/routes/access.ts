import { limits } from '../../core/limits.ts';
import { type Route, route } from '../route.ts';
import { accessList, accessOutcome, accessPage, importReport, newEntry } from '../schemas/access.ts';
import { changeQuery, flag, listQuery, maybe, plainChange, shortText, which, words } from '../schemas/parts.ts';
import { pageTold } from '../told.ts';

const params = which('group', 'id or name of the group');
const known = ['operator.not-found', 'operator.ambiguous'] as const;
const common = { path: '/groups/{group}/access', tag: 'access', params } as const;

const list = route({
  ...common,
  id: 'listAccess',
  method: 'GET',
  summary: 'List the entries of the long lists of a group',
  role: 'viewer',
  query: listQuery({ list: maybe(accessList) }),
  answer: accessPage,
  errors: known,
  handle: async ({ params, query: { cursor: after, limit = limits.api.page, list }, operations }) =>
    pageTold(await operations.access(params.group, { after, limit, list })),
});

const add = route({
  ...common,
  id: 'addAccess',
  method: 'POST',
  summary: 'Put a device on a list of a group',
  role: 'operator',
  query: plainChange,
  body: newEntry,
  answer: accessOutcome,
  status: 201,
  errors: [...known, 'operator.input'],
  handle: async ({ params, query, body, operations }) => ({
    body: await operations.addAccess({ ...body, group: params.group }, query),
  }),
});

const remove = route({
  ...common,
  id: 'removeAccess',
  method: 'DELETE',
  summary: 'Take a device off a list of a group',
  role: 'operator',
  query: changeQuery({
    list: accessList,
    by: words(['key', 'serial', 'subject'], 'what the device is known by'),
    value: shortText('key id, serial number or subject, as it stands on the list'),
  }),
  answer: accessOutcome,
  errors: [...known, 'operator.input'],
  handle: async ({ params, query: { list, by, value, dryRun }, operations }) => ({
    body: await operations.removeAccess({ group: params.group, list, device: { by, value } }, { dryRun }),
  }),
});

const importList: Route = route({
  ...common,
  path: '/groups/{group}/access/import',
  id: 'importAccess',
  method: 'POST',
  summary: 'Put the devices of a file on a list of a group',
  description:
    'CSV with a header line of the columns key, serial, subject and note, or NDJSON with the same names; each line names one ' +
    'device by one of the first three. Everything is written or, when a line has a problem, nothing, unless partial.',
  role: 'operator',
  query: changeQuery({ list: accessList, partial: maybe(flag('leave out the lines with problems')) }),
  consumes: ['text/csv', 'application/x-ndjson'],
  answer: importReport,
  errors: [...known, 'operator.input'],
  handle: async ({ params, query, operations, stream, contentType }) => {
    const format = contentType === 'text/csv' ? 'csv' : 'ndjson';
    return { body: await operations.importAccess(stream, { ...query, group: params.group, format, file: 'request' }) };
  },
});

export const accessRoutes = [list, add, remove, importList];
