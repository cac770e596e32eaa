import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { decodeCertificates } from '../../../src/codec/pem.ts';
import { toHex } from '../../../src/core/bytes.ts';
import { days } from '../../../src/core/clock.ts';
import { systemRandom } from '../../../src/core/random.ts';
import { createIssuing, createRoot, loadAuthority, loadOrCreateAuthority } from '../../../src/pki/authority.ts';
import { finishAuthorityChange, readAuthorityState, writeAuthorityState } from '../../../src/pki/authority-folder.ts';
import { type AuthorityState, keyIdOf, nextRootStage, rolledOver } from '../../../src/pki/roll-over.ts';

/** A disk that stops at its n-th operation, and does nothing from then on: what is on it is what a kill leaves. */
const disk = vi.hoisted(() => ({ left: Number.POSITIVE_INFINITY, used: 0 }));
vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>();
  const stops =
    <A extends unknown[], R>(work: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      disk.used++;
      if (disk.left-- <= 0) throw new Error('the power is gone');
      return work(...args);
    };
  const open: typeof real.open = async (...args) => {
    const handle = await real.open(...args);
    // What it waits for is not looked at here, only the order.
    handle.sync = () => Promise.resolve();
    return handle;
  };
  return { ...real, open: stops(open), rename: stops(real.rename), mkdir: stops(real.mkdir), rm: stops(real.rm) };
});

const now = Date.parse('2026-11-21T12:00:00Z');
const deps = { now, random: systemRandom, name: 'Test' };
const maker = {
  root: (name: { commonName: string }) => createRoot(name.commonName, deps),
  issuing: (name: { commonName: string }, root: Parameters<typeof createIssuing>[1]) =>
    createIssuing(name.commonName, root, deps),
};
let parent: string;
let folder: string;

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'firstboot-roll-over-'));
  folder = join(parent, 'authority');
  await loadOrCreateAuthority(folder, deps);
});
afterEach(async () => {
  disk.left = Number.POSITIVE_INFINITY;
  await rm(parent, { recursive: true, force: true });
});

const keys = (state: AuthorityState): string =>
  [state.root, state.issuing, state.next, state.previous, ...state.retired].map((each) => each && keyIdOf(each)).join();

describe('a roll-over', () => {
  it('of the issuing authority keeps the old one for its revocation list', async () => {
    const before = await readAuthorityState(folder, now);
    await writeAuthorityState(folder, rolledOver(before, 'issuing', maker));
    const { root, issuing, chain, issuers, trustAnchors } = await loadAuthority(folder, now);
    expect(issuing.certificate.subject.text).toBe('O=Test, CN=Test Issuing CA G2');
    expect(chain).toEqual([issuing.certificate.der]);
    expect(issuers.map(keyIdOf)).toEqual([keyIdOf(issuing), keyIdOf(before.issuing)]);
    expect(trustAnchors).toEqual([root.certificate.der]);
    expect(keyIdOf(root)).toBe(keyIdOf(before.root));
  });

  it('of the root delivers old and new together until the old one is retired', async () => {
    const old = await readAuthorityState(folder, now);
    const stages: string[] = [];
    let state = old;
    for (let turn = 0; turn < 3; turn++) {
      const stage = nextRootStage(state);
      await writeAuthorityState(folder, rolledOver(state, stage, maker));
      state = await readAuthorityState(folder, now);
      const { root, trustAnchors } = await loadAuthority(folder, now);
      const delivered = decodeCertificates(await readFile(join(folder, 'anchors.pem'), 'utf8'));
      expect(delivered.map(toHex)).toEqual(trustAnchors.map(toHex));
      expect(toHex(trustAnchors[0] ?? new Uint8Array())).toBe(toHex(root.certificate.der));
      stages.push(`${stage}: ${root.certificate.subject.commonName}, ${trustAnchors.length}`);
    }
    expect(stages).toEqual(['announce: Test Root CA, 2', 'switch: Test Root CA G2, 2', 'retire: Test Root CA G2, 1']);
    expect(state.retired.map(keyIdOf)).toEqual([keyIdOf(old.issuing)]);
    expect((await readdir(folder)).toSorted()).toEqual([
      'anchors.pem',
      'issuing-key.pem',
      'issuing.pem',
      'retired',
      'root-key.pem',
      'root.pem',
    ]);
    for (const [part, mode] of [
      ['retired', 0o700],
      ['issuing-key.pem', 0o600],
      ['anchors.pem', 0o644],
    ] as const) {
      expect((await stat(join(folder, part))).mode & 0o777).toBe(mode);
    }
  });

  it('goes stage by stage only, and says which one is next', async () => {
    const state = await readAuthorityState(folder, now);
    for (const stage of ['switch', 'retire'] as const) {
      expect(() => rolledOver(state, stage, maker)).toThrow(expect.objectContaining({ code: 'operator.conflict' }));
    }
    const announced = rolledOver(state, 'announce', maker);
    expect(() => rolledOver(announced, 'announce', maker)).toThrow(/switch to the root that is announced/);
    expect(() => rolledOver(rolledOver(announced, 'switch', maker), 'announce', maker)).toThrow(/retire/);
  });

  it('forgets issuing authorities that have expired', async () => {
    const state = rolledOver(await readAuthorityState(folder, now), 'issuing', maker);
    await writeAuthorityState(folder, state);
    const young = createIssuing('Test Issuing CA G2', state.root, { ...deps, now: now + days(365) });
    await writeAuthorityState(folder, { ...state, issuing: young });
    expect((await readAuthorityState(folder, now + days(15 * 365.25 + 1))).retired).toEqual([]);
  });

  it('does not deliver a root that has expired', async () => {
    const state = await readAuthorityState(folder, now);
    const old = createRoot('Old Root CA', { ...deps, now: now - days(20 * 365.25 - 10) });
    await writeAuthorityState(folder, { ...state, previous: old });
    expect((await loadAuthority(folder, now)).trustAnchors).toHaveLength(2);
    expect((await loadAuthority(folder, now + days(11))).trustAnchors).toHaveLength(1);
  });

  it.each(['announce', 'switch', 'retire'] as const)(
    'is whole whenever the power goes: %s is done, or it is not, and the next try does it',
    async (stage) => {
      const start = await readAuthorityState(folder, now);
      let state = start;
      for (const earlier of ['announce', 'switch', 'retire'] as const) {
        if (earlier === stage) break;
        state = rolledOver(state, earlier, maker);
        await writeAuthorityState(folder, state);
      }
      const target = rolledOver(state, stage, maker);
      const found = new Set<string>();
      let stops = 0;
      for (; ; stops += stage === 'switch' ? 1 : 4) {
        const copy = join(parent, `at-${stops}`);
        await cp(folder, copy, { recursive: true });
        disk.left = stops;
        const failed = await writeAuthorityState(copy, target).then(
          () => false,
          () => true,
        );
        disk.left = Number.POSITIVE_INFINITY;
        const now1 = keys(await readAuthorityState(copy, now));
        expect([keys(state), keys(target)]).toContain(now1);
        found.add(now1 === keys(target) ? 'new' : 'old');
        // The next start of the service carries on; what it finds does not change by that.
        await finishAuthorityChange(copy);
        expect(keys(await readAuthorityState(copy, now))).toBe(now1);
        expect((await readdir(copy)).filter((name) => name === 'change' || name.startsWith('.old'))).toEqual([]);
        await writeAuthorityState(copy, target);
        expect(keys(await readAuthorityState(copy, now))).toBe(keys(target));
        expect(await readdir(copy)).not.toContain(target.next ? 'previous' : 'next');
        if (!failed) break;
      }
      expect([...found].toSorted()).toEqual(['new', 'old']);
      expect(stops).toBeGreaterThan(30);
    },
  );

  it('leaves files alone that are not its own', async () => {
    await writeFile(join(folder, 'notes.txt'), 'hsm slot 3');
    await mkdir(join(folder, 'backup'));
    await writeAuthorityState(folder, rolledOver(await readAuthorityState(folder, now), 'announce', maker));
    expect(await readdir(folder)).toEqual(expect.arrayContaining(['notes.txt', 'backup']));
  });

  it('is refused while somebody else changes the folder', async () => {
    const state = await readAuthorityState(folder, now);
    const [first, second] = [rolledOver(state, 'announce', maker), rolledOver(state, 'issuing', maker)];
    const done = await Promise.allSettled([writeAuthorityState(folder, first), writeAuthorityState(folder, second)]);
    const kept = keys(await readAuthorityState(folder, now));
    expect([keys(first), keys(second)]).toContain(kept);
    for (const outcome of done) {
      if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'operator.conflict' });
    }
  });
});
