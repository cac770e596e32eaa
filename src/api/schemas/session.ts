import Type, { type Static } from 'typebox';
import { limits } from '../../core/limits.ts';
import { closed, maybe, resource, text, time, uuid, words } from './parts.ts';
import { role } from './token.ts';

export const session = resource<Session>('Session', 'Who you are here.', {
  name: text('as the audit log has it'),
  role,
  ownerId: maybe(uuid('the owner that you are bound to; missing: you see everything')),
  by: words(['token', 'jwt', 'certificate'], 'what you signed in with'),
  expiresAt: maybe(time('when that ends')),
});

export interface Session {
  readonly name: string;
  readonly role: Static<typeof role>;
  readonly ownerId?: string | undefined;
  readonly by: 'token' | 'jwt' | 'certificate';
  readonly expiresAt?: number | undefined;
}

export const signIn = Type.Object(
  { token: Type.String({ minLength: 1, maxLength: limits.api.bearer, description: 'a token, or a JWT of an issuer' }) },
  { ...closed, $id: 'SignIn' },
);
