import type { Millis } from '../core/clock.ts';
import { failure } from '../core/errors.ts';
import { uuidV4 } from '../core/ids.ts';
import type { RandomSource } from '../core/random.ts';
import { fitsHash, newTokenText, tokenHash, tokenIdOf } from '../operator/token-text.ts';
import type { Actor, ApiToken } from '../store/model.ts';
import type { Store } from '../store/store.ts';
import type { Principal } from './principal.ts';

/** @throws FirstbootError api.unauthenticated */
export async function tokenPrincipal(
  store: Pick<Store, 'tokens'>,
  text: string,
  { from, now }: { readonly from: string; readonly now: Millis },
): Promise<Principal> {
  const id = tokenIdOf(text);
  const row = id === undefined ? undefined : await store.tokens.get(id);
  if (!row || !fitsHash(text, row.hash)) throw unknownToken();
  requireAlive(row, now);
  return principalOf(row, from);
}

/** Who holds a token that was right a while ago. @throws FirstbootError api.unauthenticated when it is of no use any more */
export async function presentPrincipal(
  store: Pick<Store, 'tokens'>,
  id: string,
  { from, now }: { readonly from: string; readonly now: Millis },
): Promise<Principal> {
  const row = await store.tokens.get(id);
  if (!row) throw unknownToken();
  requireAlive(row, now);
  return principalOf(row, from);
}

/**
 * The token of the first start: an admin's, made when there is none at all.
 * @returns the token, which nobody is told again; undefined: there are tokens already
 * @throws FirstbootError service.store
 */
export async function firstToken(
  store: Pick<Store, 'tokens' | 'commit'>,
  { now, random, actor }: { readonly now: Millis; readonly random: RandomSource; readonly actor: Actor },
): Promise<string | undefined> {
  if ((await store.tokens.list()).length > 0) return undefined;
  const [id, name, role] = [uuidV4(random), 'admin', 'admin'] as const;
  const text = newTokenText(id, random);
  const detail = { name, role, ownerId: null, expiresAt: null };
  const row = { id, name, role, ownerId: undefined, hash: tokenHash(text), createdAt: now, expiresAt: undefined };
  const audit = { at: now, actor, action: 'token.create', target: `token ${id}`, detail };
  await store.commit({ tokens: [row], audit });
  return text;
}

const principalOf = ({ id, name, role, ownerId, expiresAt }: ApiToken, from: string): Principal => ({
  id,
  name,
  role,
  ownerId,
  by: 'token',
  from,
  expiresAt,
});

function requireAlive({ expiresAt }: ApiToken, now: Millis): void {
  if (expiresAt === undefined || now < expiresAt) return;
  throw failure('api.unauthenticated', { token: 'expired' }, 'ask an admin for a new token');
}

const unknownToken = () =>
  failure(
    'api.unauthenticated',
    { token: 'not known' },
    'it is mistyped, or was revoked: `firstboot token create` makes another',
  );
