import type { Millis } from '../core/clock.ts';
import { isoTime } from '../core/clock.ts';
import { failure } from '../core/errors.ts';
import { parseUuid, type Uuid, uuidV4 } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import type { RandomSource } from '../core/random.ts';
import { ownerNamed } from '../provision/owner.ts';
import type { ApiToken } from '../store/model.ts';
import type { Store } from '../store/store.ts';
import type { OperatorDeps, Outcome } from './change.ts';
import type { ListedToken, TokenRequest } from './operations.ts';
import { isPlainText } from './selectors.ts';
import { newTokenText, tokenHash } from './token-text.ts';

/** Every token, oldest first, without what they are recognized by. */
export async function listTokens(store: Pick<Store, 'tokens'>): Promise<readonly ListedToken[]> {
  const rows = await store.tokens.list();
  return rows.map(listed).toSorted((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1));
}

/**
 * Makes a token for the API. It is told this once: what is kept is its hash. After a dry run it is empty.
 * @throws FirstbootError operator.input, operator.conflict (the name is taken, there are too many)
 */
export async function createToken(
  deps: OperatorDeps & { readonly random: RandomSource },
  request: TokenRequest,
  { dryRun = false }: { readonly dryRun?: boolean | undefined } = {},
): Promise<Outcome<ListedToken & { readonly token: string }>> {
  const { store, now, actor, random } = deps;
  const row = await newRow(store, request, { now: now(), random });
  const effects = [effectOf(row)];
  if (dryRun) return { applied: false, effects, result: { ...listed(row), token: '' } };
  const token = newTokenText(row.id, random);
  // The line first: a token without one would be worse than a line about a token that nobody was told.
  const detail = { name: row.name, role: row.role, ownerId: row.ownerId ?? null, expiresAt: row.expiresAt ?? null };
  await store.commit({ audit: { at: now(), actor, action: 'token.create', target: `token ${row.id}`, detail } });
  await store.tokens.put({ ...row, hash: tokenHash(token) });
  return { applied: true, effects, result: { ...listed(row), token } };
}

/**
 * Takes a token back: nobody gets in with it from now on, dashboards that were signed in with it included.
 * @param which id or name
 * @throws FirstbootError operator.not-found
 */
export async function revokeToken(
  { store, now, actor }: OperatorDeps,
  which: string,
  { dryRun = false }: { readonly dryRun?: boolean | undefined } = {},
): Promise<Outcome<ListedToken>> {
  const row = await findToken(store, which);
  const effects = [`token ${row.name} (${row.role}) is of no use any more`];
  if (dryRun) return { applied: false, effects, result: listed(row) };
  const removed = await store.tokens.delete(row.id);
  const detail = { name: row.name, role: row.role };
  if (removed)
    await store.commit({ audit: { at: now(), actor, action: 'token.revoke', target: `token ${row.id}`, detail } });
  return { applied: removed, effects, result: listed(row) };
}

async function findToken(store: Pick<Store, 'tokens'>, which: string): Promise<ApiToken> {
  const id = parseUuid(which.trim());
  const byId = id === undefined ? undefined : await store.tokens.get(id);
  const row = byId ?? (await store.tokens.list()).find(({ name }) => name === which);
  if (row) return row;
  throw failure('operator.not-found', { token: which.slice(0, limits.api.name) }, '`firstboot token list` shows them');
}

async function newRow(
  store: Pick<Store, 'tokens'>,
  { name, role, owner, expiresAt }: TokenRequest,
  { now, random }: { readonly now: Millis; readonly random: RandomSource },
): Promise<ApiToken> {
  if (name === '' || name.length > limits.api.name || !isPlainText(name)) {
    throw failure('operator.input', { field: 'name' }, `write one line of 1 to ${limits.api.name} characters`);
  }
  if (owner !== undefined && (owner.trim() === '' || !isPlainText(owner))) {
    throw failure('operator.input', { field: 'owner' }, 'write the name or the UUID of an owner');
  }
  if (expiresAt !== undefined && expiresAt <= now) {
    throw failure('operator.input', { field: 'expiresAt' }, 'write a time to come, ms since 1970');
  }
  const rows = await store.tokens.list();
  const namesake = rows.find((row) => row.name === name);
  if (namesake) {
    throw failure('operator.conflict', { token: name, id: namesake.id }, 'another token has this name: choose one');
  }
  if (rows.length >= limits.api.tokens) {
    throw failure('operator.conflict', { tokens: rows.length }, 'revoke tokens that nobody uses any more');
  }
  const ownerId: Uuid | undefined = owner === undefined ? undefined : ownerNamed(owner.trim()).id;
  return { id: uuidV4(random), name, role, ownerId, hash: '', createdAt: now, expiresAt };
}

const listed = ({ id, name, role, ownerId, createdAt, expiresAt }: ApiToken): ListedToken => ({
  id,
  name,
  role,
  ownerId,
  createdAt,
  expiresAt,
});

const effectOf = ({ name, role, ownerId, expiresAt }: ApiToken): string =>
  `token ${name} is made: ${role}${ownerId === undefined ? '' : ` of owner ${ownerId}`}` +
  `${expiresAt === undefined ? '' : `, until ${isoTime(expiresAt)}`}`;
