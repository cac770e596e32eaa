import { failure } from '../../core/errors.ts';
import type { Actor } from '../../store/model.ts';
import { type Principal, type Route, route } from '../route.ts';
import { jsonObject } from '../schemas/parts.ts';
import { backupReport, newBackup, reloadReport } from '../schemas/service.ts';

/** The running service itself. */
export const serviceRoutes: readonly Route[] = [
  route({
    id: 'reload',
    method: 'POST',
    path: '/reload',
    tag: 'service',
    summary: 'Read the configuration again',
    description:
      'Certificates, revocation lists and policy files. Sessions of devices go on. What is wrong in a file is told, and ' +
      'nothing is changed then.',
    role: 'admin',
    unbound: true,
    answer: reloadReport,
    errors: ['service.config', 'operator.conflict'],
    handle: async ({ service: { reload }, principal }) => {
      if (reload) return { body: await reload(actorOf(principal)) };
      throw failure('operator.conflict', {}, 'this service was not started from a configuration: start it again');
    },
  }),
  route({
    id: 'createBackup',
    method: 'POST',
    path: '/backups',
    tag: 'service',
    summary: 'Write a backup',
    description: 'Of the store, the authority and the keys, while the service goes on.',
    role: 'admin',
    unbound: true,
    body: newBackup,
    answer: backupReport,
    status: 201,
    errors: ['operator.conflict', 'operator.input', 'service.backup'],
    handle: async ({ service: { backup }, principal, body }) => {
      if (backup) return { body: await backup(body.name, actorOf(principal)) };
      throw failure('operator.conflict', {}, 'this service has no folder for backups');
    },
  }),
  route({
    id: 'describeApi',
    method: 'GET',
    path: '/openapi.json',
    tag: 'service',
    summary: 'Describe this API',
    role: undefined,
    answer: jsonObject('OpenAPI 3.1'),
    errors: [],
    handle: async ({ service }) => ({ body: service.document() }),
  }),
];

const actorOf = ({ name, from }: Principal): Actor => ({ kind: 'operator', name, from });
