import { execFile } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { serviceSettings } from '../../src/cli/service-settings.ts';
import { encodePem } from '../../src/codec/pem.ts';
import { loadConfig } from '../../src/config.ts';
import { systemTimers } from '../../src/core/clock.ts';
import { systemRandom } from '../../src/core/random.ts';
import { createDevelopmentPki, developmentSettings } from '../../src/development.ts';
import { SimulatedDevice } from '../../src/device/simulator.ts';
import { type Service, startService } from '../../src/main.ts';
import { putGroup } from '../../src/operator/groups.ts';
import { putHub } from '../../src/operator/hubs.ts';
import { enrollmentGroup } from '../../src/provision/group.ts';
import { ownerNamed } from '../../src/provision/owner.ts';
import type { Actor, EnrollmentGroup } from '../../src/store/model.ts';
import { makeCertificate } from '../support/chains.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const hub = 'd03a1bb4-0a77-428c-b78c-1c46efe6a38e';
const operatorHub = '0b8a5d39-3c39-4a3b-9b0f-1f6a3c2d4e5f';
const maria: Actor = { kind: 'operator', name: 'maria', from: 'desk' };
const run = promisify(execFile);

let folder: string;
let remove: () => Promise<void>;
let root: string;

beforeAll(async () => {
  root = encodePem('CERTIFICATE', (await makeCertificate({ subject: 'CN=Root', ca: true })).der);
});
beforeEach(async () => {
  ({ path: folder, remove } = await temporaryFolder());
  mkdirSync(join(folder, 'policy'));
  writeFileSync(join(folder, 'root.pem'), root);
  writeFileSync(
    join(folder, 'firstboot.yaml'),
    'policy: policy\nport: 0\nissuer: {port: 0}\napi: {port: off}\nretention: {days: 10}\n',
  );
  write('hubs', `hubs: [{id: ${hub}, name: production, gateways: ['coaps://a:1']}]\n`);
});
afterEach(() => remove());

const write = (name: string, text: string): void => writeFileSync(join(folder, 'policy', `${name}.yaml`), text);
const groupText = (name: string, more = ''): string =>
  `groups:\n  - {name: ${name}, owner: acme, anchors: [../root.pem], hubs: [${hub}]${more}}\n`;

/** Starts the service from the files, looks, and stops it. */
async function withService<T>(look: (service: Service) => Promise<T>): Promise<T> {
  const deps = { now: systemTimers.now(), random: systemRandom };
  const config = loadConfig({ data: join(folder, 'data') }, {}, join(folder, 'firstboot.yaml'));
  const service = await startService((await serviceSettings(config, deps)).service);
  try {
    return await look(service);
  } finally {
    await service.close();
  }
}

const names = (): Promise<readonly string[]> =>
  withService(async ({ store }) =>
    (await store.groups.list()).map(({ name, source }) => `${name} (${source})`).toSorted(),
  );

const audit = () =>
  withService(async ({ store }) =>
    (await store.audit({ limit: 100 })).map(({ action, actor, target, detail }) => ({ action, actor, target, detail })),
  );

const operators = (given: Partial<EnrollmentGroup> = {}): Promise<unknown> =>
  withService(async ({ store }) => {
    const deps = { store, now: () => systemTimers.now(), actor: maria };
    const row = { id: operatorHub, name: 'lab', gateways: ['coaps://b:1'], provider: 'x', source: 'operator' } as const;
    const own = { authorization: { type: 'built-in' }, ownerId: undefined, revision: 0 } as const;
    await putHub(deps, { ...row, ...own }, { create: true });
    const group = enrollmentGroup({
      id: '11111111-2222-4333-8444-555555555555',
      name: 'bench',
      owner: ownerNamed('lab'),
      hubs: [operatorHub],
      attestation: { pins: ['ab'.repeat(32)] },
      ...given,
    });
    return putGroup(deps, group, { create: true });
  });

describe('at the start of the service', () => {
  test('a policy folder without groups is no development service: it waits for what operators make', async () => {
    expect(await names()).toEqual([]);
    await operators();
    expect(await names()).toEqual(['bench (operator)']);
  });

  test('what the files say replaces what they said before, and what operators made stays', async () => {
    write('a', groupText('washers'));
    write('b', groupText('dryers'));
    await operators();
    expect(await names()).toEqual(['bench (operator)', 'dryers (file)', 'washers (file)']);
    rmSync(join(folder, 'policy', 'b.yaml'));
    write('a', groupText('washers', ', admission: manual'));
    write('c', groupText('irons'));
    expect(await names()).toEqual(['bench (operator)', 'irons (file)', 'washers (file)']);
    const hubs = await withService(({ store }) => store.hubs.list());
    expect(hubs.map(({ name }) => name).toSorted()).toEqual(['lab', 'production']);
  });

  test('each change is one line of the audit log with the folder as its actor, and no change is none', async () => {
    write('a', groupText('washers'));
    await withService(async () => undefined);
    await withService(async () => undefined);
    write('a', groupText('washers', ', admission: manual, clones: quarantine'));
    write('b', groupText('irons'));
    await withService(async () => undefined);
    const actor = { kind: 'file', name: join(folder, 'policy'), from: hostname() };
    const unchanged = { added: [], changed: [], removed: [] };
    const common = { action: 'policy.load', actor, target: `policy ${join(folder, 'policy')}` };
    expect(await audit()).toEqual([
      {
        ...common,
        detail: { groups: { ...unchanged, added: ['washers'] }, hubs: { ...unchanged, added: ['production'] } },
      },
      {
        ...common,
        detail: {
          groups: { ...unchanged, added: ['irons'], changed: ['washers: admission, clones'] },
          hubs: unchanged,
        },
      },
    ]);
  });

  test('an id that an operator uses already is refused, or a name of the same owner, and nothing is written', async () => {
    write('a', groupText('washers'));
    await operators({ owner: ownerNamed('acme') });
    const before = await names();
    write('b', groupText('bench'));
    write('a', groupText('washers', ', admission: manual'));
    await expect(names()).rejects.toThrow(
      /group bench.*operator made a group of this name.*firstboot group delete 1111/,
    );
    write('b', `${groupText('other').replace('name:', `id: 11111111-2222-4333-8444-555555555555, name:`)}`);
    await expect(names()).rejects.toThrow(/group other.*of this id/);
    rmSync(join(folder, 'policy', 'b.yaml'));
    write('a', groupText('washers'));
    expect(await names()).toEqual(before);
  });

  test('a file with anything wrong in it is refused before the first row is written', async () => {
    write('a', groupText('washers'));
    const before = await names();
    write('a', groupText('renamed'));
    write('b', groupText('irons').replace('../root.pem', 'nothing.pem'));
    await expect(names()).rejects.toThrow(/b\.yaml, line 2, key groups\[0\]\.anchors\[0\].*nothing\.pem/);
    rmSync(join(folder, 'policy', 'b.yaml'));
    write('a', groupText('washers'));
    expect(await names()).toEqual(before);
    expect(await audit()).toHaveLength(1);
  });
});

describe('firstboot policy', () => {
  const firstboot = async (...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> => {
    const main = new URL('../../src/cli/main.ts', import.meta.url).pathname;
    try {
      return { code: 0, ...(await run(process.execPath, [main, 'policy', ...args], { timeout: 100_000 })) };
    } catch (error) {
      return error as { code: number; stdout: string; stderr: string };
    }
  };

  test('check says what files hold, and every problem of every file', async () => {
    write('a', groupText('washers'));
    const nowhere = join(folder, 'empty');
    mkdirSync(nowhere);
    expect(await firstboot('check', nowhere)).toMatchObject({ code: 1, stderr: expect.stringContaining('no *.yaml') });
    const fine = await firstboot('check', join(folder, 'policy'));
    expect(fine).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/washers +auto +acme +production[\s\S]*CN=Root +anchor/),
    });
    write('b', groupText('irons').replace('../root.pem', 'nothing.pem'));
    write('c', groupText('fans').replace('anchors', 'anchers'));
    const wrong = await firstboot('check', '-c', join(folder, 'firstboot.yaml'), '--json');
    expect(wrong.code).toBe(1);
    const all = await firstboot('check', join(folder, 'policy'), '--json');
    const keys = all.stdout
      .trim()
      .split('\n')
      .map((row) => JSON.parse(row))
      .map(({ event, evidence }) => [event, evidence.key]);
    expect(keys).toEqual([
      ['error', 'groups[0].anchers'],
      ['error', 'groups[0].anchors[0]'],
    ]);
    expect(all.code).toBe(1);
  });

  test('show writes what can be a policy file again', async () => {
    write('a', groupText('washers', ', allocation: hashed'));
    await withService(async () => undefined);
    const { stdout } = await firstboot('show', '--data', join(folder, 'data'));
    const shown = join(folder, 'shown.yaml');
    writeFileSync(shown, stdout);
    expect(await firstboot('check', shown)).toMatchObject({ code: 0 });
    const tried = await firstboot('dry-run', shown, '--since', '30d', '--data', join(folder, 'data'));
    expect(tried).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/what would change in the policy\n +nothing[\s\S]*nobody would fare otherwise/),
    });
  });

  test('dry-run names the device that a new policy would refuse, and changes nothing', async () => {
    const data = join(folder, 'lab');
    const pki = createDevelopmentPki({ devices: 1 });
    const service = await startService({ ...developmentSettings(pki), data });
    const device = await SimulatedDevice.create({ endpoint: service.endpoint, identity: pki.devices[0] });
    await device.provision();
    await device.close();
    await service.close();
    const { stdout: present } = await firstboot('show', '--data', data);
    writeFileSync(join(folder, 'same.yaml'), present);
    writeFileSync(
      join(folder, 'none.yaml'),
      present.replace('admission: auto', "admission: auto\n    deny: [{subject: '*'}]"),
    );
    const same = await firstboot('dry-run', join(folder, 'same.yaml'), '--since', '1h', '--data', data);
    expect(same.stdout).toMatch(/nobody would fare otherwise: 1 device and 0 strangers/);
    const none = await firstboot('dry-run', join(folder, 'none.yaml'), '--since', '1h', '--data', data, '--json');
    const lines = none.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines).toMatchObject([
      {
        event: 'change',
        who: 'device',
        changed: expect.arrayContaining(['verdict']),
        from: { verdict: 'accepted' },
        to: { verdict: 'admit.denied' },
      },
      { event: 'dry-run', effects: ['group development devices changes: deny'], devices: 1, unchanged: 0 },
    ]);
    expect((await firstboot('show', '--data', data)).stdout).toBe(present);
  });
});
