import Type from 'typebox';
import { limits } from '../../core/limits.ts';
import { route } from '../route.ts';
import { credentialOutcome, credentialPage, credentialView, revocation, selection } from '../schemas/credential.ts';
import { flag, listQuery, maybe, plainChange, shortText, which } from '../schemas/parts.ts';
import { pageTold } from '../told.ts';

const tag = 'credentials';
const known = ['operator.not-found', 'operator.ambiguous', 'operator.input'] as const;

const list = route({
  id: 'listCredentials',
  method: 'GET',
  path: '/credentials',
  tag,
  summary: 'List identity certificates',
  description: 'In order of their serials; with expiringWithin in order of their end.',
  role: 'viewer',
  query: listQuery({
    device: maybe(shortText('key id or device id')),
    group: maybe(shortText('id or name of an enrollment group')),
    revoked: maybe(flag('only those that are, or are not')),
    expiringWithin: maybe(
      Type.Integer({ minimum: 1, maximum: 1e13, description: 'only those that are valid and end within this, ms' }),
    ),
  }),
  answer: credentialPage,
  errors: known,
  handle: async ({ query: { cursor: after, limit = limits.api.page, ...filter }, operations }) =>
    pageTold(await operations.credentials(filter, { after, limit })),
});

const get = route({
  id: 'getCredential',
  method: 'GET',
  path: '/credentials/{serial}',
  tag,
  summary: 'Show an identity certificate',
  role: 'viewer',
  params: which('serial', 'serial number, hex'),
  answer: credentialView,
  errors: ['operator.not-found'],
  handle: async ({ params, operations }) => ({ body: await operations.credential(params.serial) }),
});

const revoke = route({
  id: 'revokeCredentials',
  method: 'POST',
  path: '/credentials/revoke',
  tag,
  summary: 'Put credentials on the revocation list',
  role: 'operator',
  query: plainChange,
  body: revocation,
  answer: credentialOutcome,
  errors: known,
  handle: async ({ body: { reason, ...which }, query, operations }) => ({
    body: await operations.revokeCredentials(which, { ...query, reason }),
  }),
});

const release = route({
  id: 'releaseCredentials',
  method: 'POST',
  path: '/credentials/release',
  tag,
  summary: 'Take credentials off hold',
  description: 'No other revocation can be taken back. Those of a device that is held itself stay on hold.',
  role: 'operator',
  query: plainChange,
  body: selection,
  answer: credentialOutcome,
  errors: [...known, 'operator.conflict'],
  handle: async ({ body, query, operations }) => ({ body: await operations.releaseCredentials(body, query) }),
});

export const credentialRoutes = [list, get, revoke, release];
