import { type Route, route } from '../route.ts';
import { plainChange, which } from '../schemas/parts.ts';
import { newToken, newTokenOutcome, tokenList, tokenOutcome } from '../schemas/token.ts';
import { listTold } from '../told.ts';

/** The service's own tokens: for programs and for people without an OIDC issuer. */
export const tokenRoutes: readonly Route[] = [
  route({
    id: 'listTokens',
    method: 'GET',
    path: '/tokens',
    tag: 'tokens',
    summary: 'List tokens',
    role: 'admin',
    unbound: true,
    answer: tokenList,
    errors: [],
    handle: async ({ operations }) => listTold(await operations.tokens()),
  }),
  route({
    id: 'createToken',
    method: 'POST',
    path: '/tokens',
    tag: 'tokens',
    summary: 'Make a token',
    description: 'The token is in this answer and nowhere else: only its hash is kept.',
    role: 'admin',
    unbound: true,
    query: plainChange,
    body: newToken,
    answer: newTokenOutcome,
    status: 201,
    secret: true,
    errors: ['operator.input', 'operator.conflict'],
    handle: async ({ operations, body, query }) => ({ body: await operations.createToken(body, query) }),
  }),
  route({
    id: 'revokeToken',
    method: 'DELETE',
    path: '/tokens/{token}',
    tag: 'tokens',
    summary: 'Revoke a token',
    description: 'Nobody gets in with it from now on; dashboards that were signed in with it are signed out.',
    role: 'admin',
    unbound: true,
    params: which('token', 'id or name'),
    query: plainChange,
    answer: tokenOutcome,
    errors: ['operator.not-found'],
    handle: async ({ operations, params, query }) => ({ body: await operations.revokeToken(params.token, query) }),
  }),
];
