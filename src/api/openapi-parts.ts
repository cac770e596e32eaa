import { errorTable } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';

export const problemSchema: JsonObject = {
  type: 'object',
  description: 'Why a request was refused (RFC 9457).',
  required: ['type', 'title', 'status', 'code', 'evidence', 'fix', 'instance'],
  properties: {
    type: { type: 'string', description: '`urn:firstboot:error:` and the code' },
    title: { type: 'string', description: 'what the code means' },
    status: { type: 'integer' },
    detail: { type: 'string', description: 'title, evidence and fix in one line' },
    code: { type: 'string', enum: Object.keys(errorTable) },
    evidence: {
      type: 'object',
      description: 'what was seen, by name',
      additionalProperties: { type: ['string', 'number', 'boolean'] },
    },
    fix: { type: 'string', description: 'what would help' },
    instance: { type: 'string', description: "id of the request, as in the service's log and in x-request-id" },
  },
  examples: [
    {
      type: 'urn:firstboot:error:operator.not-found',
      title: 'there is no such thing',
      status: 404,
      detail: 'there is no such thing (device 3f0c): `firstboot device list` shows those that are known',
      code: 'operator.not-found',
      evidence: { device: '3f0c' },
      fix: '`firstboot device list` shows those that are known',
      instance: '019aa3b2-7c50-7d2e-8b8e-3f1f0f6f2f10',
    },
  ],
};

const statusSchema: JsonObject = {
  type: 'object',
  required: ['status'],
  properties: { status: { type: 'string' }, reasons: { type: 'array', items: { type: 'string' } } },
};
const statusContent: JsonObject = { content: { 'application/json': { schema: statusSchema } } };

/** Below no version: for watchers of machines (health.ts). */
export const watchersPaths: JsonObject = {
  '/health/live': {
    get: {
      operationId: 'live',
      tags: ['service'],
      summary: 'Say that the process answers',
      security: [],
      responses: { 200: { description: 'It does.', ...statusContent } },
    },
  },
  '/health/ready': {
    get: {
      operationId: 'ready',
      tags: ['service'],
      summary: 'Say whether it takes devices',
      description: 'Reasons are short codes; a viewer who is not bound to an owner gets them in words.',
      security: [],
      responses: {
        200: { description: 'It does.', ...statusContent },
        503: { description: 'It does not, and why.', ...statusContent },
      },
    },
  },
  '/metrics': {
    get: {
      operationId: 'metrics',
      tags: ['service'],
      summary: 'Tell Prometheus its numbers',
      description: 'Role: viewer, not bound to an owner; nobody is asked for it with api.openMetrics.',
      responses: {
        200: { description: 'Text of Prometheus.', content: { 'text/plain': { schema: { type: 'string' } } } },
      },
    },
  },
};
