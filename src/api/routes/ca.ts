import Type from 'typebox';
import { days, type Millis } from '../../core/clock.ts';
import { failure } from '../../core/errors.ts';
import { route } from '../route.ts';
import { caStatus, type Horizon, horizon, rehearsal, rotationOutcome, rotationStages } from '../schemas/ca.ts';
import { closed, flag, maybe, plainChange, shortText, time, words } from '../schemas/parts.ts';
import type { ApiService } from '../service.ts';

const tag = 'ca';

const status = route({
  id: 'getCa',
  method: 'GET',
  path: '/ca',
  tag,
  summary: 'Show the authorities, ours and manufacturers',
  role: 'viewer',
  answer: caStatus,
  errors: ['operator.not-found'],
  handle: async ({ operations }) => ({ body: await operations.ca() }),
});

const rehearse = route({
  id: 'rehearseCa',
  method: 'POST',
  path: '/ca/rehearse',
  tag,
  summary: 'Say which devices are cut off if a trust anchor goes on a day',
  role: 'viewer',
  body: Type.Object(
    {
      anchor: shortText('fingerprint or key id, 8 digits or more, of a root of ours or of a group; or `root`'),
      on: time('the day'),
    },
    closed,
  ),
  answer: rehearsal,
  errors: ['operator.not-found', 'operator.ambiguous'],
  handle: async ({ body, operations }) => ({ body: await operations.rehearse(body) }),
});

const rotate = route({
  id: 'rotateCa',
  method: 'POST',
  path: '/ca/rotate',
  tag,
  summary: 'Take the next step of a roll-over of the issuing authority or the root',
  role: 'admin',
  unbound: true,
  query: plainChange,
  body: Type.Object(
    {
      what: words(['issuing', 'root'], 'which authority'),
      stage: maybe(words(rotationStages, 'of a root; default: the one whose turn it is')),
      force: maybe(flag('although devices depend on what goes')),
    },
    closed,
  ),
  answer: rotationOutcome,
  errors: ['operator.conflict', 'operator.not-found'],
  handle: async ({ body, query, operations }) => ({ body: await operations.rotate({ ...body, ...query }) }),
});

const horizonRoute = route({
  id: 'getExpiryHorizon',
  method: 'GET',
  path: '/ca/horizon',
  tag,
  summary: 'Show what ends when: credentials by day, authorities, trust anchors',
  role: 'viewer',
  query: Type.Object(
    {
      since: maybe(time('first day; default: today')),
      until: maybe(time('behind the last one; default: a year later')),
    },
    closed,
  ),
  answer: horizon,
  errors: ['operator.not-found'],
  handle: async ({ query, operations, store, now }) => {
    const since = query.since ?? now - (now % days(1));
    const until = query.until ?? since + days(366);
    const counts = new Map<Millis, number>();
    for (const { day, count } of await store.expiryCounts({ since, until }))
      counts.set(day, (counts.get(day) ?? 0) + count);
    const { roots, issuing, manufacturers } = await operations.ca();
    const body: Horizon = {
      days: [...counts]
        .filter(([, count]) => count > 0)
        .toSorted(([a], [b]) => a - b)
        .map(([day, count]) => ({ day, count })),
      issuers: [...roots, ...issuing].map(ending),
      anchors: manufacturers.flatMap(({ group, anchors }) => anchors.map((anchor) => ({ ...ending(anchor), group }))),
    };
    return { body };
  },
});

const list = route({
  id: 'getCrl',
  method: 'GET',
  path: '/crl',
  tag,
  summary: 'Get the revocation list of the present issuing authority',
  role: 'viewer',
  produces: 'application/pkix-crl',
  errors: ['operator.not-found'],
  handle: async ({ service, now }) => ({ body: await listOf(service, now, undefined) }),
});

const listOfIssuer = route({
  id: 'getCrlOfIssuer',
  method: 'GET',
  path: '/crl/{issuer}',
  tag,
  summary: 'Get the revocation list of an issuing authority',
  role: 'viewer',
  params: Type.Object(
    { issuer: Type.String({ pattern: '^[0-9a-f]{1,128}$', description: 'its key id, hex' }) },
    closed,
  ),
  produces: 'application/pkix-crl',
  errors: ['operator.not-found'],
  handle: async ({ params, service, now }) => ({ body: await listOf(service, now, params.issuer) }),
});

export const caRoutes = [status, rehearse, rotate, horizonRoute, list, listOfIssuer];

const ending = ({ subject, fingerprint, notAfter }: Horizon['issuers'][number]) => ({ subject, fingerprint, notAfter });

async function listOf({ revocations }: ApiService, now: Millis, issuer: string | undefined): Promise<Uint8Array> {
  const list = await revocations?.current(now, issuer);
  if (list) return list.der;
  throw failure('operator.not-found', { issuer: issuer ?? 'present' }, 'GET /ca names the issuing authorities');
}
