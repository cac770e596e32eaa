import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { endpointsOf } from '../support/cloud-of-processes.ts';
import { build, type Finished, firstboot, type Line, Running } from '../support/command.ts';
import { runInProcess } from '../support/run-in-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

/**
 * What an operator does over the data folder of a service: real processes, one folder, in the order of a working day. The
 * groups are in a file (manual admission) and, for what only an operator may change, in the store.
 */

const hub = 'd03a1bb4-0a77-428c-b78c-1c46efe6a38e';

// Every step is a process or two.

let cwd: string;
let remove: () => Promise<void>;

beforeAll(async () => {
  build();
  ({ path: cwd, remove } = await temporaryFolder());
  await run('pki', 'dev', '--out', 'factory', '--devices', '3');
  await writeFile(join(cwd, 'owner.key'), '77'.repeat(16));
  await writeFile(join(cwd, 'firstboot.yaml'), configuration);
  const service = await serve();
  const line = await service.line({ event: 'listening' });
  for (const n of [1, 2, 3]) {
    await cp(String(line.serviceCa), join(cwd, `factory/devices/device-000${n}/dpsca.pem`));
  }
  await service.stop();
});

afterAll(() => remove());

describe('a device that waits for approval', () => {
  test('is listed, approved, and comes in at its next try', async () => {
    const service = await serve();
    const refused = boot(1, endpointsOf(await service.line({ event: 'listening' })).udp);
    const { attempt } = await service.line({ event: 'attempt', verdict: 'refused' });
    await refused.stop();

    // The store is the service's as long as it runs.
    const early = await run('device', 'list');
    expect(early).toMatchObject({ code: 1, stdout: '' });
    expect(early.stderr).toMatch(/folder firstboot-data, code in use\).*--server/);
    await service.stop();

    const [waiting, ...others] = await lines('device', 'list', '--state', 'pending');
    expect(others).toEqual([]);
    const keyId = String(waiting?.keyId);
    expect((await run('device', 'list')).stdout).toMatch(
      new RegExp(`^${keyId.slice(0, 8)} .*pending .*washing machines`, 'm'),
    );
    const shown = await run('attempt', 'show', String(attempt));
    expect(shown.stdout).toContain('admit.pending');
    const why = await run('attempt', 'list', '--device', keyId, '--code', 'admit', '--since', '1h');
    expect(why.stdout).toMatch(new RegExp(`${String(attempt).slice(0, 13)} .*refused .*admit\\.pending `));

    const rehearsal = await run('device', 'approve', keyId.slice(0, 8), '--dry-run');
    expect(rehearsal.stdout).toMatch(/pending -> active\na dry run: nothing was changed\n$/);
    expect(await lines('device', 'list', '--state', 'active')).toEqual([]);
    expect(await lines('audit', 'list', '--action', 'device')).toEqual([]);

    const approved = await run('device', 'approve', keyId.slice(0, 8), '--reason', 'unpacked today');
    expect(approved).toMatchObject({ code: 0, stderr: '', stdout: expect.stringMatching(/pending -> active\n$/) });
    await provisions(1);
    expect((await run('device', 'show', keyId)).stdout).toMatch(/^ {2}state +active since .*: unpacked today$/m);
  });

  test('is let in with all that wait in its group', async () => {
    await refuses(2);
    const before = await lines('device', 'list', '--state', 'pending');
    expect(before).toHaveLength(1);
    const { stdout } = await run('device', 'approve', '--all-pending', '--group', 'washing machines');
    expect(stdout).toMatch(/pending -> active/);
    expect(await lines('device', 'list', '--state', 'pending')).toEqual([]);
    expect((await run('device', 'approve', '--all-pending')).stdout).toBe('there is nothing to do\n');
    await provisions(2);
  });
});

describe('a device that is known', () => {
  test('has a certificate that is listed, shown, held with the device and revoked with it', async () => {
    const device = await deviceOf(1);
    const [credential] = await lines('credential', 'list', '--device', device);
    const serial = String(credential?.serial);
    expect((await run('credential', 'show', serial.toUpperCase())).stdout).toContain('BEGIN CERTIFICATE');

    await run('device', 'quarantine', device, '--reason', 'looks odd');
    expect((await run('credential', 'list')).stdout).toMatch(new RegExp(`${serial} .*on hold`));
    await run('device', 'release', device);
    expect((await run('credential', 'list')).stdout).toMatch(new RegExp(`${serial} .*valid`));
    await run('device', 'disable', device);
    await refuses(1, 'admit.disabled');
    await run('device', 'enable', device);

    const dry = await run('credential', 'revoke', '--device', device, '--dry-run');
    expect(dry.stdout).toMatch(/a dry run: nothing was changed/);
    expect(await lines('credential', 'list', '--revoked')).toEqual([]);
    await run('credential', 'revoke', '--serial', serial, '--reason', 'keyCompromise');
    expect(await lines('credential', 'list', '--revoked')).toMatchObject([
      { serial, revoked: { reason: 'keyCompromise' } },
    ]);
  });

  test('goes to another owner, and comes back for it', async () => {
    const device = await deviceOf(2);
    const before = await lines('device', 'show', device);
    expect((await run('device', 'transfer', device, '--owner', 'second hand ltd')).code).toBe(0);
    await provisions(2);
    const [after] = await lines('device', 'show', device);
    expect(after?.ownerId).not.toBe(before[0]?.ownerId);
    expect((await run('device', 'show', device)).stdout).toMatch(/^ {2}owner +second hand ltd \(by transfer\)$/m);
    expect(await lines('device', 'list', '--owner', 'second hand ltd')).toHaveLength(1);
  });

  test('has a key for its owner, and the audit log says who read it', async () => {
    const device = await deviceOf(2);
    const { stdout } = await run('credential', 'owner-psk', device);
    expect(stdout).toMatch(/^[0-9a-f]{32}\n$/);
    expect(await lines('audit', 'list', '--action', 'credential.owner-psk')).toHaveLength(1);
    expect(JSON.stringify(await lines('audit', 'list'))).not.toContain(stdout.trim());
    expect(JSON.stringify(await lines('group', 'list'))).not.toContain('77'.repeat(16));
  });

  test('is decommissioned, and is refused for good', async () => {
    const device = await deviceOf(1);
    await run('device', 'decommission', device, '--reason', 'scrapped');
    await refuses(1, 'admit.decommissioned');
    expect((await run('device', 'reject', device)).stderr).toMatch(/does not fit.*state decommissioned/);
  });
});

describe('a group', () => {
  test('of a file is not changed here; one of an operator is made, changed, switched off and deleted', async () => {
    const ours = await run('group', 'disable', 'washing machines');
    expect(ours).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/configuration file.*change the group in its file/),
    });

    await writeFile(join(cwd, 'samples.yaml'), samples('auto'));
    const dry = await run('group', 'create', '-f', 'samples.yaml', '--dry-run');
    expect(dry.stdout).toMatch(/group samples is added .*\na dry run/);
    expect(await lines('group', 'list')).toHaveLength(1);
    expect((await run('group', 'create', '-f', 'samples.yaml')).code).toBe(0);
    expect(await run('group', 'create', '-f', 'samples.yaml')).toMatchObject({ code: 1 });
    await writeFile(join(cwd, 'samples.yaml'), samples('preauthorized'));
    const changed = await run('group', 'update', '-f', 'samples.yaml');
    expect(changed.stdout).toMatch(/group samples: admission auto -> preauthorized/);
    expect((await run('group', 'show', 'samples')).stdout).toMatch(/admission +preauthorized.*/);
    await run('group', 'disable', 'samples');
    expect((await run('group', 'list')).stdout).toMatch(/^samples +disabled /m);
    await run('group', 'enable', 'samples');

    // It is still there after the service has run.
    const service = await serve();
    await service.stop();
    expect(await lines('group', 'list')).toHaveLength(2);
    await run('group', 'delete', 'samples');
    expect(await lines('group', 'list')).toHaveLength(1);
  });

  test('whose file is wrong is refused with file, line and key, and nothing is changed', async () => {
    await writeFile(
      join(cwd, 'wrong.yaml'),
      `${samples('auto')}  - name: more\n    owner: acme\n    anchors: [nowhere.pem]\n    hubs: [${hub}]\n`,
    );
    const { code, stderr } = await run('group', 'create', '-f', 'wrong.yaml');
    expect(code).toBe(1);
    expect(stderr).toMatch(/file wrong\.yaml, line \d+, key groups\[1\]\.anchors/);
    expect(await lines('group', 'list')).toHaveLength(1);
  });

  test('has lists: who is on the deny list does not come in', async () => {
    const certificate = await readFile(join(cwd, 'factory/devices/device-0003/mfgcrt.pem'), 'utf8');
    expect(certificate).toContain('BEGIN');
    const entry = ['group', 'access', 'add', 'washing machines', '--list', 'deny', '--subject', '*device-0003*'];
    expect((await run(...entry, '--dry-run')).stdout).toMatch(/a dry run/);
    expect(await lines('group', 'access', 'list', 'washing machines')).toEqual([]);
    await run(...entry, '--note', 'stolen');
    expect(await lines('group', 'access', 'list', 'washing machines')).toMatchObject([
      { list: 'deny', device: { by: 'subject', value: '*device-0003*' }, note: 'stolen' },
    ]);
    await refuses(3, 'admit.denied');
    await run('group', 'access', 'remove', 'washing machines', '--list', 'deny', '--subject', '*device-0003*');
    await refuses(3, 'admit.pending');
  });
});

describe('a hub', () => {
  test('is made, changed and deleted, unless it is in use', async () => {
    const file = (gateway: string): string =>
      `hubs:\n  - id: 5f1de5a5-8b0e-4a3c-8a4e-2f6f4b7e9a01\n    name: spare\n    gateways: ['${gateway}']\n`;
    await writeFile(join(cwd, 'hub.yaml'), file('coaps+tcp://spare.example.com:5684'));
    expect((await run('hub', 'create', '-f', 'hub.yaml')).stdout).toMatch(/hub spare is added/);
    await writeFile(join(cwd, 'hub.yaml'), file('coaps+tcp://other.example.com:5684'));
    expect((await run('hub', 'update', '-f', 'hub.yaml')).code).toBe(0);
    expect((await run('hub', 'show', 'spare')).stdout).toContain('other.example.com');
    expect((await run('hub', 'list')).stdout).toMatch(/^production .* file$/m);
    expect(await run('hub', 'delete', 'production')).toMatchObject({ code: 1 });
    expect((await run('hub', 'delete', 'spare')).stdout).toMatch(/is deleted/);
  });
});

test('the audit log tells all of it, and is whole', async () => {
  const entries = await lines('audit', 'list');
  const actions = new Set(entries.map(({ action }) => action));
  for (const action of [
    'device.approve',
    'device.decommission',
    'credential.revoke',
    'group.create',
    'access.add',
    'hub.delete',
  ]) {
    expect(actions).toContain(action);
  }
  const { stdout } = await run('audit', 'verify');
  const head = /^[0-9a-f]{64}$/m.exec(stdout)?.[0] ?? '';
  expect((await run('audit', 'verify', '--head', head)).code).toBe(0);
  const other = await run('audit', 'verify', '--head', '0'.repeat(63).concat('1'));
  expect(other).toMatchObject({ code: 1, stderr: expect.stringMatching(/damaged.*fault head/) });
});

function run(...args: readonly string[]): Promise<Finished> {
  return firstboot(args, { cwd });
}

/** What a command prints with --json, when it ends well. In this process: only to look at what the others have done. */
async function lines(...args: readonly string[]): Promise<Line[]> {
  const { stdout, stderr } = await runInProcess([...args, '--data', join(cwd, 'firstboot-data'), '--json']);
  expect({ args, stderr }).toEqual({ args, stderr: '' });
  return stdout
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Line);
}

async function serve(): Promise<Running> {
  const service = new Running(['serve', '-c', 'firstboot.yaml', '--json'], { cwd });
  await service.line({ event: 'listening' });
  return service;
}

const boot = (n: number, endpoint: string): Running =>
  new Running(['device', 'dps', endpoint, '--certs', `factory/devices/device-000${n}`, '--listen', 'off', '--json'], {
    cwd,
  });

/** Starts the service, lets a device have its first try, and stops both. */
async function oneTry(n: number, verdict: string): Promise<Line> {
  const service = await serve();
  const device = boot(n, endpointsOf(await service.line({ event: 'listening' })).tcp);
  if (verdict === 'provisioned') await device.line({ event: 'step', step: 'acls', result: 'done' });
  const attempt = verdict === 'provisioned' ? undefined : await service.line({ event: 'attempt', verdict });
  await device.stop();
  await service.stop();
  return attempt ?? { event: 'attempt' };
}

const provisions = (n: number): Promise<Line> => oneTry(n, 'provisioned');

async function refuses(n: number, code = 'admit.pending'): Promise<void> {
  expect(await oneTry(n, 'refused')).toMatchObject({ refusal: { code } });
}

/** Key id of a device of the development PKI. */
async function deviceOf(n: number): Promise<string> {
  const [device] = await lines('device', 'list', '--text', `device-000${n}`);
  return String(device?.keyId);
}

const configuration = `port: 0
issuer: { port: 0 }
groups:
  - name: washing machines
    owner: acme
    admission: manual
    anchors: [factory/manufacturer/root.pem]
    intermediates: [factory/manufacturer/intermediate.pem]
    ownerPskFile: owner.key
    hubs: [${hub}]
hubs:
  - id: ${hub}
    name: production
    gateways: ['coaps+tcp://127.0.0.1:5']
`;

const samples = (admission: string): string => `groups:
  - name: samples
    owner: acme
    admission: ${admission}
    pins: ['${'ab'.repeat(32)}']
    hubs: [${hub}]
`;
