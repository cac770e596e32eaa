import { execFile } from 'node:child_process';
import { KeyObject } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { encodeCertificates } from '../../src/codec/pem.ts';
import { seconds } from '../../src/core/clock.ts';
import { createDevelopmentPki } from '../../src/development.ts';
import { type FactoryIdentity, factoryFiles } from '../../src/device/identity.ts';
import { openEndpointSite } from '../../src/fleet/endpoint-site.ts';
import { perfectLink } from '../../src/fleet/link.ts';
import { runFleet } from '../../src/fleet/run.ts';
import type { Scenario, Target } from '../../src/fleet/scenario.ts';
import { startLocalSite } from '../../src/local-site.ts';
import { parseCertificate } from '../../src/pki/certificate.ts';
import { writeDevelopmentPki } from '../../src/pki/development.ts';
import { privateKeyFile } from '../../src/pki/files.ts';
import { build } from '../support/command.ts';
import { partOf, scenarioOf } from '../support/fleet.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

beforeAll(() => build());

const undo: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

const impatient = { table: [seconds(1), seconds(2)], variant: 'documented' } as const;

const realScenario = (changes: Partial<Scenario>): Scenario =>
  scenarioOf({ clock: 'real', retry: impatient, limit: seconds(50), ...changes });

describe('a fleet over real sockets', () => {
  it('is there at the end although the service and a gateway are killed in the middle', async () => {
    const site = await startLocalSite();
    undo.push(() => site.close());
    const outcome = await runFleet(
      realScenario({
        devices: 20,
        arrival: { kind: 'ramp', over: seconds(3) },
        population: [
          partOf({ share: 8, link: { ...perfectLink, loss: 0.05, duplicate: 0.01, delay: 2 } }),
          partOf({ name: 'expired', identity: 'expired', expect: 'refused' }),
          partOf({ name: 'leaf alone', identity: 'missing-intermediate', expect: 'refused' }),
        ],
        events: [
          { at: seconds(1), what: 'service-kill', lasts: seconds(0.5) },
          { at: seconds(2), what: 'hub-outage', lasts: seconds(1) },
        ],
      }),
      site,
    );
    expect(outcome.violations).toEqual([]);
    expect(outcome.unchecked).toEqual([]);
    const online = outcome.devices.filter(({ arrivedAfter }) => arrivedAfter !== undefined);
    expect(online).toHaveLength(16);
    expect(new Set(online.map(({ transport }) => transport))).toEqual(new Set(['udp', 'tcp']));
    for (const { cost } of online) expect(cost.bytesIn).toBeGreaterThan(3000);
  });

  it('against somebody’s endpoints takes finished devices from a folder, or makes them with their maker’s key', async () => {
    const { path, remove } = await temporaryFolder();
    undo.push(remove);
    const local = await startLocalSite({ gateways: 1 });
    undo.push(() => local.close());
    // The local site's devices, as a factory would hand them over.
    const folder = join(path, 'factory');
    await exportDevices(folder, [local.identity(0, 'good'), local.identity(1, 'good')]);
    const target: Extract<Target, { kind: 'endpoint' }> = {
      kind: 'endpoint',
      udp: undefined,
      tcp: local.endpoints.tcp,
      factory: folder,
      skipVerification: false,
    };
    const site = await openEndpointSite(target, { devices: 2 });
    const outcome = await runFleet(realScenario({ devices: 2, target, udp: 1 }), site);
    expect(outcome.violations).toEqual([]);
    expect(outcome.unchecked).toContain('acknowledged-lost');
    expect(outcome.devices.map(({ transport }) => transport)).toEqual(['tcp', 'tcp']);
    // The same seed again at a service that has seen it: other devices, with ids of their own.
    await exportDevices(join(path, 'next'), [local.identity(2, 'good'), local.identity(3, 'good')]);
    const next = { ...target, factory: join(path, 'next') };
    const again = await runFleet(
      realScenario({ devices: 2, target: next, udp: 1, limit: seconds(20) }),
      await openEndpointSite(next, { devices: 2 }),
    );
    expect(again).toMatchObject({ violations: [], failures: {} });

    expect(() => site.identity(2, 'good')).toThrow(/devices 2, wanted 3/);
    expect(() => site.identity(0, 'expired')).toThrow(/manufacturer/);

    const event = { at: 0, what: 'service-kill', lasts: 1 } as const;
    await expect(runFleet(realScenario({ devices: 2, target, events: [event] }), site)).rejects.toMatchObject({
      code: 'service.config',
    });
  });
});

/** What a user of the package writes, run against what is built. */
const ofAUser = `
import { openEndpointSite, readScenario, reportOn, runFleet, startLocalSite, summaryText } from 'firstboot';
const scenario = readScenario('{ clock: real, devices: 4, limit: 20s, retry: 1 }', 'inline');
const site = await startLocalSite({ gateways: 1 });
try {
  const report = reportOn(await runFleet(scenario, site), scenario);
  console.log(typeof openEndpointSite, summaryText(report));
} finally {
  await site.close();
}`;

describe('a user of the package', () => {
  it('runs a fleet over sockets against processes of the package’s own', async () => {
    const run = promisify(execFile);
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', ofAUser], { timeout: 100_000 });
    expect(stdout).toMatch(/^function /);
    expect(stdout).toMatch(/Passed: no violation\.\s*$/);
  });
});

describe('a factory', () => {
  const targetWith = (factory: string) =>
    ({ kind: 'endpoint', udp: 'coaps://127.0.0.1:1', tcp: undefined, factory, skipVerification: true }) as const;

  it('that is the folder of a development PKI makes as many devices as are asked for, good and bad', async () => {
    const { path, remove } = await temporaryFolder();
    undo.push(remove);
    const pki = createDevelopmentPki();
    await writeDevelopmentPki(pki, join(path, 'pki'));
    for (const factory of [join(path, 'pki'), join(path, 'pki', 'manufacturer')]) {
      const site = await openEndpointSite(targetWith(factory), { devices: 1 });
      const { chain, serviceCa } = site.identity(41, 'expired');
      const [leaf = new Uint8Array(), issuer] = chain;
      expect(parseCertificate(leaf)).toMatchObject({ subject: { commonName: 'device-00042' } });
      expect(issuer).toEqual(pki.manufacturer.intermediate.certificate.der);
      expect(serviceCa).toEqual([pki.serviceCa.certificate.der]);
    }
  });

  it('with nothing in it is refused by name', async () => {
    const { path: factory, remove } = await temporaryFolder();
    undo.push(remove);
    await expect(openEndpointSite(targetWith(factory), { devices: 1 })).rejects.toMatchObject({
      code: 'service.config',
      evidence: { folder: factory },
    });
  });
});

/** One folder a device, as they leave the factory. */
async function exportDevices(folder: string, identities: readonly FactoryIdentity[]): Promise<void> {
  for (const [at, { chain, privateKey, serviceCa = [] }] of identities.entries()) {
    const device = join(folder, `device-${at}`);
    await mkdir(device, { recursive: true });
    await writeFile(join(device, factoryFiles.chain), encodeCertificates(chain));
    await writeFile(join(device, factoryFiles.serviceCa), encodeCertificates(serviceCa));
    if (!(privateKey instanceof KeyObject)) throw new Error('the key is not at hand');
    const { text, mode } = privateKeyFile(privateKey);
    await writeFile(join(device, factoryFiles.key), text, { mode });
  }
}
