import type { Millis } from '../core/clock.ts';
import { isoTime } from '../core/clock.ts';
import { failure } from '../core/errors.ts';
import { parseUuid, type Uuid, uuidV4 } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import type { RandomSource } from '../core/random.ts';
import { ownerNamed } from '../provision/owner.ts';
import type { ApiToken } from '../store/model.ts';
import type { Store } from '../store/store.ts';
import { carryOut, type OperatorDeps, type Outcome } from './change.ts';
import type { DryRun, ListedToken, TokenRequest } from './operations.ts';
import { requireFreeName, takenName } from './policy-rows.ts';
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
  options: DryRun = {},
): Promise<Outcome<ListedToken & { readonly token: string }>> {
  const { store, now, random } = deps;
  const id = uuidV4(random);
  const token = newTokenText(id, random);
  const outcome = await carryOut(
    deps,
    async () => {
      const row: ApiToken = { ...(await newToken(store, id, request, now())), hash: tokenHash(token) };
      const { name, role, ownerId = null, expiresAt = null } = row;
      return {
        action: 'token.create',
        target: `token ${id}`,
        detail: { name, role, ownerId, expiresAt },
        changes: { tokens: [row], names: takenName('tokens', row, undefined) },
        effects: [effectOf(row)],
        result: listed(row),
      };
    },
    options,
  );
  return { ...outcome, result: { ...outcome.result, token: outcome.applied ? token : '' } };
}

/**
 * Takes a token back: nobody gets in with it from now on, dashboards that were signed in with it included.
 * @param which id or name
 * @throws FirstbootError operator.not-found
 */
export function revokeToken(deps: OperatorDeps, which: string, options: DryRun = {}): Promise<Outcome<ListedToken>> {
  return carryOut(
    deps,
    async () => {
      const row = await findToken(deps.store, which);
      const { id, name, role } = row;
      return {
        action: 'token.revoke',
        target: `token ${id}`,
        detail: { name, role },
        changes: { deletedTokens: [id] },
        effects: [`token ${name} (${role}) is of no use any more`],
        result: listed(row),
      };
    },
    options,
  );
}

async function findToken(store: Pick<Store, 'tokens'>, which: string): Promise<ApiToken> {
  const id = parseUuid(which.trim());
  const byId = id === undefined ? undefined : await store.tokens.get(id);
  const row = byId ?? (await store.tokens.list()).find(({ name }) => name === which);
  if (row) return row;
  throw failure('operator.not-found', { token: which.slice(0, limits.api.name) }, '`firstboot token list` shows them');
}

async function newToken(
  store: Pick<Store, 'tokens'>,
  id: Uuid,
  { name, role, owner, expiresAt }: TokenRequest,
  now: Millis,
): Promise<Omit<ApiToken, 'hash'>> {
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
  requireFreeName('token', { id, name }, rows, undefined);
  if (rows.length >= limits.api.tokens) {
    throw failure('operator.conflict', { tokens: rows.length }, 'revoke tokens that nobody uses any more');
  }
  const ownerId: Uuid | undefined = owner === undefined ? undefined : ownerNamed(owner.trim()).id;
  return { id, name, role, ownerId, createdAt: now, expiresAt };
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
