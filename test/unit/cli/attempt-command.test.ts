import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { encodePem } from '../../../src/codec/pem.ts';
import { uuidV7 } from '../../../src/core/ids.ts';
import { seededRandom, systemRandom } from '../../../src/core/random.ts';
import { createRoot } from '../../../src/pki/authority.ts';
import { openLevelStore } from '../../../src/store/level.ts';
import type { AttemptEntry } from '../../../src/store/model.ts';
import { type OperatorFolder, operatorFolder } from '../../support/operator-folder.ts';
import { runInProcess } from '../../support/run-in-process.ts';

/** Strangers on record: one with a certificate, one with an identity that steers terminals, one that said nothing. */
const at = Date.now() - 60_000;
const esc = '\u001b';
const root = createRoot('device-0007', { now: at, random: systemRandom, name: 'Acme Washing Machines' });
const ids = [0, 1, 2].map((step) => uuidV7(at + step, seededRandom(step + 1)));
const hello: AttemptEntry = {
  at,
  type: 'client-hello',
  version: 'DTLS 1.2',
  cipherSuites: Array.from({ length: 30 }, (_, n) => `TLS_ECDHE_ECDSA_WITH_AES_128_GCM_${n}`),
  groups: ['secp256r1'],
  signatureAlgorithms: ['ecdsa_secp256r1_sha256'],
  serverName: undefined,
};
const said: readonly (readonly AttemptEntry[])[] = [
  [hello, { at, type: 'chain', certificates: [encodePem('CERTIFICATE', root.certificate.der)] }],
  [{ at, type: 'stage', stage: 'attest', result: 'refused', facts: { identity: `batch${esc}[2J\u0007` } }],
  [],
];
const refusal = { code: 'attest.self-signed', evidence: { subject: 'CN=x' }, fix: 'y' } as const;

let folder: OperatorFolder;
beforeEach(async () => {
  folder = await operatorFolder();
  const store = await openLevelStore(join(folder.cwd, 'firstboot-data', 'store'));
  for (const [n, entries] of said.entries()) {
    await store.appendAttempt(ids[n] ?? '', [
      { at: at + n, type: 'opened', transport: 'coaps', peer: `192.0.2.${n}:4711` },
      ...entries,
      { at: at + n, type: 'closed', verdict: 'refused', refusal, bytesIn: 1, bytesOut: 2 },
    ]);
  }
  await store.close();
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await folder.remove();
});

const run = async (...args: readonly string[]) =>
  (await runInProcess([...args, '--data', join(folder.cwd, 'firstboot-data')])).stdout;

describe('strangers in the list of attempts', () => {
  test('are told by their certificate, PSK identity or address, without what a terminal would act on', async () => {
    const stdout = await run('attempt', 'list');
    expect(stdout).toMatch(/refused +attest\.self-signed +O=Acme Washing Machines, CN=device-0007$/m);
    expect(stdout).toMatch(/PSK batch\??/);
    expect(stdout).toContain('a stranger at 192.0.2.2:4711');
    expect(stdout).not.toContain('\u0007');
    expect(stdout).not.toContain(`${esc}[2J`);
  });

  test('are found by a part of it, and then shown and explained by the id of the list', async () => {
    const stdout = await run('attempt', 'list', '--text', 'DEVICE-0007');
    expect(stdout.match(/refused/g)).toHaveLength(1);
    const short = /^([0-9a-f-]{13}) /m.exec(stdout)?.[1] ?? '';
    expect(ids[0]?.startsWith(short)).toBe(true);
    expect(await run('attempt', 'show', short)).toContain(ids[0]);
    expect(await run('explain', short)).toContain('attest.self-signed');
    const line = JSON.parse(await run('attempt', 'list', '--text', '192.0.2.1:', '--json')) as unknown;
    expect(line).toMatchObject({ id: ids[1], peer: { addresses: ['192.0.2.1:4711'] } });
  });
});

test.each([60, 80, 100])(
  'at %d columns no line of words is wider, and nothing is missing of an attempt',
  async (width) => {
    const whole = await run('attempt', 'show', ids[0] ?? '');
    vi.stubEnv('COLUMNS', String(width));
    const stdout = await run('attempt', 'show', ids[0] ?? '');
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(width);
    expect(stdout.split(/\s+/)).toEqual(whole.split(/\s+/));
    for (const list of [
      ['attempt', 'list'],
      ['explain', ids[0] ?? ''],
      ['device', 'list'],
    ]) {
      for (const line of (await run(...list)).split('\n')) expect(line.length).toBeLessThanOrEqual(width);
    }
  },
);

describe('the audit log', () => {
  beforeEach(async () => {
    await run('device', 'approve', '--all-pending', '--reason', 'unpacked this morning by the second shift');
    await run('group', 'create', '-f', 'nowhere.yaml');
  });

  test.each([80, 120])('at %d columns has its details in lines that fit', async (width) => {
    vi.stubEnv('COLUMNS', String(width));
    const stdout = await run('audit', 'list');
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(width);
    expect(stdout.replace(/\s+/g, ' ')).toMatch(
      /devices [0-9a-f-]{36}, reason unpacked this morning by the second shift/,
    );
    expect(stdout).not.toMatch(/[{}[\]"]/);
  });
});

test('an explanation that the present policy shares is told once', async () => {
  const first = await run('explain', ids[0] ?? '');
  // The recorded evidence is another: both are told.
  expect(first.match(/the chain as presented/g)).toHaveLength(2);
  const events = (await run('explain', ids[0] ?? '', '--json')).trimEnd().split('\n');
  const now = JSON.parse(events[1] ?? '') as { refusal: typeof refusal };
  const store = await openLevelStore(join(folder.cwd, 'firstboot-data', 'store'));
  const id = uuidV7(at + 10, seededRandom(99));
  await store.appendAttempt(id, [
    { at, type: 'opened', transport: 'coaps', peer: '192.0.2.9:1' },
    ...(said[0] ?? []),
    { at, type: 'closed', verdict: 'refused', refusal: now.refusal, bytesIn: 1, bytesOut: 2 },
  ]);
  await store.close();
  const same = await run('explain', id);
  expect(same.match(/the chain as presented/g)).toHaveLength(1);
  expect(same).toContain('judged by the present policy: the same');
});
