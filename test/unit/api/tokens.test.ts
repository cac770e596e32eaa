import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { firstToken, tokenPrincipal } from '../../../src/api/local-tokens.ts';
import { days } from '../../../src/core/clock.ts';
import { limits } from '../../../src/core/limits.ts';
import { seededRandom, systemRandom } from '../../../src/core/random.ts';
import { tokenIdOf } from '../../../src/operator/token-text.ts';
import { createToken, listTokens, revokeToken } from '../../../src/operator/tokens.ts';
import { ownerNamed } from '../../../src/provision/owner.ts';
import type { Actor } from '../../../src/store/model.ts';
import { type OperatorBench, openOperatorBench } from '../../support/operator-bench.ts';

const itself: Actor = { kind: 'service', name: 'firstboot', from: 'first start' };
let bench: OperatorBench;

beforeEach(async () => {
  bench = await openOperatorBench();
});

afterEach(() => bench.close());

const deps = () => ({ ...bench, random: systemRandom });

describe('the token of the first start', () => {
  it('is an admin, made once, kept as a hash', async () => {
    const first = { now: bench.now(), random: systemRandom, actor: itself };
    const token = (await firstToken(bench.store, first)) ?? '';
    expect(token).toMatch(/^fb_[0-9a-f]{32}_[A-Za-z0-9_-]{43}$/);
    expect(await firstToken(bench.store, first)).toBeUndefined();
    const principal = await tokenPrincipal(bench.store, token, { from: 'here', now: bench.now() });
    expect(principal).toMatchObject({ name: 'admin', role: 'admin', ownerId: undefined, by: 'token' });
    expect(JSON.stringify(await bench.store.tokens.list())).not.toContain(token.slice(-43));
    expect((await bench.auditLines()).map(({ action, actor }) => [action, actor.kind])).toEqual([
      ['token.create', 'service'],
    ]);
  });

  it('is not made when there is another', async () => {
    await createToken(deps(), { name: 'mine', role: 'viewer' });
    expect(await firstToken(bench.store, { now: 0, random: systemRandom, actor: itself })).toBeUndefined();
  });
});

describe('tokens', () => {
  it('are bound to an owner by name or id', async () => {
    const named = await createToken(deps(), { name: 'a', role: 'viewer', owner: 'Acme' });
    const byId = await createToken(deps(), { name: 'b', role: 'viewer', owner: ownerNamed('Acme').id });
    expect([named.result.ownerId, byId.result.ownerId]).toEqual([ownerNamed('Acme').id, ownerNamed('Acme').id]);
  });

  it('are listed without what they are recognized by, oldest first', async () => {
    for (const [at, name] of ['c', 'a', 'b'].entries()) {
      bench.setTime(1000 + at);
      await createToken(deps(), { name, role: 'viewer' });
    }
    const rows = await listTokens(bench.store);
    expect(rows.map(({ name }) => name)).toEqual(['c', 'a', 'b']);
    expect(rows.some((row) => 'hash' in row)).toBe(false);
  });

  it.each([
    ['no name', { name: '', role: 'viewer' }, 'operator.input'],
    ['a name of two lines', { name: 'a\nb', role: 'viewer' }, 'operator.input'],
    ['a name that is too long', { name: 'a'.repeat(limits.api.name + 1), role: 'viewer' }, 'operator.input'],
    ['an end that is past', { name: 'a', role: 'viewer', expiresAt: 1 }, 'operator.input'],
    ['an empty owner', { name: 'a', role: 'viewer', owner: ' ' }, 'operator.input'],
    ['a name that is taken', { name: 'taken', role: 'viewer' }, 'operator.conflict'],
  ] as const)('are refused with %s', async (_what, request, code) => {
    await createToken(deps(), { name: 'taken', role: 'viewer' });
    await expect(createToken(deps(), request)).rejects.toMatchObject({ code });
    expect(await listTokens(bench.store)).toHaveLength(1);
  });

  it('are of no use once they are revoked or over', async () => {
    const { result } = await createToken(deps(), { name: 'a', role: 'viewer', expiresAt: bench.now() + days(1) });
    const ask = () => tokenPrincipal(bench.store, result.token, { from: '', now: bench.now() });
    await expect(ask()).resolves.toMatchObject({ name: 'a' });
    bench.setTime(bench.now() + days(1));
    await expect(ask()).rejects.toMatchObject({ code: 'api.unauthenticated', evidence: { token: 'expired' } });
    await revokeToken(bench, result.id);
    await expect(ask()).rejects.toMatchObject({ evidence: { token: 'not known' } });
  });

  it('do nothing in a dry run', async () => {
    const dry = await createToken(deps(), { name: 'a', role: 'viewer' }, { dryRun: true });
    expect([dry.applied, dry.result.token, await listTokens(bench.store)]).toEqual([false, '', []]);
    await createToken(deps(), { name: 'a', role: 'viewer' });
    expect((await revokeToken(bench, 'a', { dryRun: true })).applied).toBe(false);
    expect(await listTokens(bench.store)).toHaveLength(1);
    expect(await bench.auditLines()).toHaveLength(1);
  });

  it('carry their id, and nothing else is taken for one', async () => {
    const { result } = await createToken({ ...deps(), random: seededRandom(7) }, { name: 'a', role: 'viewer' });
    expect(tokenIdOf(result.token)).toBe(result.id);
    for (const text of ['', 'fb_', result.token.slice(1), `${result.token}A`, result.token.toUpperCase()]) {
      expect(tokenIdOf(text)).toBeUndefined();
    }
  });
});
