import Type from 'typebox';
import { decodeCertificates } from '../../codec/pem.ts';
import { failure } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { route } from '../route.ts';
import { whichAttempt } from '../schemas/attempt.ts';
import { attemptExplanation, chainExplanation } from '../schemas/explanation.ts';
import { closed, maybe, shortText, time } from '../schemas/parts.ts';

const tag = 'explain';
const question = {
  at: maybe(time('judge for this time; default: now, or for an attempt when it began')),
  group: maybe(shortText('judge as if there were this group only; id or name')),
};

const attempt = route({
  id: 'explainAttempt',
  method: 'GET',
  path: '/attempts/{attempt}/explanation',
  tag,
  summary: 'Say why an attempt went as it did, and what the present policy says of it',
  role: 'viewer',
  params: whichAttempt,
  query: Type.Object(question, closed),
  answer: attemptExplanation,
  errors: ['operator.not-found', 'operator.ambiguous', 'operator.input'],
  handle: async ({ params, query, operations }) => ({ body: await operations.explainAttempt(params.attempt, query) }),
});

const chain = route({
  id: 'explainChain',
  method: 'POST',
  path: '/explain',
  tag,
  summary: 'Say what the service would make of a certificate chain',
  role: 'viewer',
  body: Type.Object(
    {
      chain: Type.String({
        minLength: 1,
        maxLength: limits.pem.bytes,
        description: 'PEM, the device’s certificate first',
      }),
      ...question,
    },
    closed,
  ),
  answer: chainExplanation,
  errors: ['operator.not-found', 'operator.ambiguous', 'operator.input', 'pem.malformed', 'der.malformed'],
  handle: async ({ body: { chain: text, ...asked }, operations }) => {
    const presented = decodeCertificates(text);
    if (presented.length === 0)
      throw failure('operator.input', { key: 'chain' }, 'send at least one certificate in PEM');
    return { body: await operations.explainChain(presented, asked) };
  },
});

export const explainRoutes = [attempt, chain];
