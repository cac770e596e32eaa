import { type Principal, type Route, route } from '../route.ts';
import { type Session, session, signIn } from '../schemas/session.ts';

/** Who calls; and the dashboard's cookie. */
export const sessionRoutes: readonly Route[] = [
  route({
    id: 'getSession',
    method: 'GET',
    path: '/session',
    tag: 'session',
    summary: 'Say who you are',
    role: 'viewer',
    answer: session,
    errors: [],
    handle: async ({ principal }) => ({ body: sessionOf(principal) }),
  }),
  route({
    id: 'signIn',
    method: 'POST',
    path: '/session',
    tag: 'session',
    summary: 'Sign a browser in',
    description:
      'Gives the cookie `firstboot-session` for a token. It lasts as long as the token, 12 hours at most. With it, changes are ' +
      'taken from pages of this origin only.',
    role: undefined,
    body: signIn,
    answer: session,
    errors: ['api.unauthenticated', 'api.forbidden'],
    handle: async ({ body, signIn: door }) => {
      const { principal, cookie } = await door.open(body.token);
      return { body: sessionOf(principal), headers: { 'set-cookie': cookie } };
    },
  }),
  route({
    id: 'signOut',
    method: 'DELETE',
    path: '/session',
    tag: 'session',
    summary: 'Sign a browser out',
    role: undefined,
    status: 204,
    errors: ['api.forbidden'],
    handle: async ({ signIn: door }) => ({ body: undefined, headers: { 'set-cookie': door.close() } }),
  }),
];

const sessionOf = ({ name, role, ownerId, by, expiresAt }: Principal): Session => ({
  name,
  role,
  ownerId,
  by,
  expiresAt,
});
