import Type from 'typebox';
import { limits } from '../../core/limits.ts';
import { route } from '../route.ts';
import { auditPage, auditVerdict } from '../schemas/audit.ts';
import { closed, flag, listQuery, maybe, shortText, time } from '../schemas/parts.ts';
import { pageTold } from '../told.ts';

const common = { method: 'GET', tag: 'audit', role: 'admin', unbound: true } as const;

const list = route({
  ...common,
  id: 'listAudit',
  path: '/audit',
  summary: 'List lines of the audit log, oldest first',
  description: 'A page looks through so many lines at a time: it may be short, or empty, and still have a next one.',
  query: listQuery({
    action: maybe(shortText('`device.approve`, or `device` for everything that was done to devices')),
    target: maybe(shortText('a part of the target: an id')),
    actor: maybe(shortText('name of who did it')),
    since: maybe(time('from then on')),
    until: maybe(time('before that')),
    newest: maybe(flag('newest first')),
  }),
  answer: auditPage,
  errors: ['operator.input', 'operator.audit'],
  handle: async ({ query: { cursor: after, limit = limits.api.page, newest = false, ...filter }, operations }) =>
    pageTold(await operations.audit(filter, { after, limit, newest })),
});

const verify = route({
  ...common,
  id: 'verifyAudit',
  path: '/audit/verification',
  summary: 'Check that the audit log is whole',
  query: Type.Object(
    {
      head: maybe(
        Type.String({
          pattern: '^[0-9a-fA-F]{64}$',
          description: 'hash of a line, noted elsewhere: it has to be in the log',
        }),
      ),
    },
    closed,
  ),
  answer: auditVerdict,
  errors: ['operator.audit'],
  handle: async ({ query, operations }) => ({ body: await operations.verifyAudit(query) }),
});

export const auditRoutes = [list, verify];
