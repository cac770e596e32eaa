import Type from 'typebox';
import { readSent, type SentGroup, secretFilesOf, toldPolicy } from '../../config/sent.ts';
import { limits } from '../../core/limits.ts';
import { route } from '../route.ts';
import { writtenGroup } from '../schemas/group.ts';
import { newHub } from '../schemas/hub.ts';
import { closed, flag, maybe, time } from '../schemas/parts.ts';
import { policyDryRun } from '../schemas/policy.ts';
import { sentBy, writtenOf } from '../told.ts';

const tag = 'policy';

const get = route({
  id: 'getPolicy',
  method: 'GET',
  path: '/policy',
  tag,
  summary: 'Get all groups and hubs as one policy file, without keys',
  role: 'viewer',
  produces: 'application/yaml',
  errors: [],
  handle: async ({ operations }) => {
    const [groups, hubs] = [await operations.groups(), await operations.hubs()];
    return {
      body: toldPolicy(
        groups.map(({ group }) => group),
        hubs.map(({ hub }) => hub),
      ),
    };
  },
});

const dryRun = route({
  id: 'dryRunPolicy',
  method: 'POST',
  path: '/policy/dry-run',
  tag,
  summary: 'Say what other policy files would change, in the policy and for those who came lately',
  description: 'Groups and hubs of operators are judged along. Nothing is written.',
  role: 'operator',
  body: Type.Object(
    {
      groups: Type.Array(writtenGroup, { maxItems: limits.policy.files }),
      hubs: Type.Array(newHub, { maxItems: limits.policy.files }),
      since: time('those who came from then on are judged'),
      changes: maybe(
        flag('these are changes by operators: all that is not named stays. Default: they are all of the files'),
      ),
    },
    closed,
  ),
  answer: policyDryRun,
  errors: ['operator.input', 'operator.conflict', 'pem.malformed'],
  handle: async ({ body, operations, principal, service, now }) => {
    const present = [
      ...(await operations.groups()).map(({ group }) => group),
      ...(await operations.hubs()).map(({ hub }) => hub),
    ];
    const options = {
      ...sentBy(principal, service, now, secretFilesOf(present)),
      source: body.changes === true ? ('operator' as const) : ('file' as const),
    };
    const sent = {
      groups: body.groups.map((group) => writtenOf(group) as SentGroup),
      hubs: body.hubs.map(writtenOf),
    };
    return { body: await operations.dryRun(readSent(sent, options), body.since) };
  },
});

export const policyRoutes = [get, dryRun];
