import { dirname, join } from 'node:path';
import { systemTimers } from '../core/clock.ts';
import { failure } from '../core/errors.ts';
import { type RandomSource, systemRandom } from '../core/random.ts';
import { type FactoryIdentity, factoryFiles, readFactoryIdentity } from '../device/identity.ts';
import { listFolder, pathExists, readCertificates, readIssuer } from '../pki/files.ts';
import { DeviceFactory } from './factory.ts';
import { realTime } from './real-site.ts';
import type { IdentityKind, Target } from './scenario.ts';
import type { Site } from './site.ts';

export interface EndpointSiteOptions {
  /** How many devices will come: so many are read from a folder of finished ones. */
  readonly devices: number;
  /** For serial numbers of what is made on the fly, and for what the devices draw. */
  readonly random?: RandomSource;
}

/**
 * Somebody's endpoints, ours or another maker's, over real sockets. What its service has on record stays unknown, and
 * nothing can be done to it.
 * @throws FirstbootError service.config naming the folder or file, or how many devices are missing.
 */
export async function openEndpointSite(
  target: Extract<Target, { kind: 'endpoint' }>,
  options: EndpointSiteOptions,
): Promise<Site> {
  const { udp, tcp, factory, skipVerification } = target;
  const identity = await openFactory(factory, options);
  return {
    ...realTime(),
    random: options.random ?? systemRandom,
    endpoints: { udp, tcp },
    skipVerification,
    identity,
    faults: undefined,
    records: async () => undefined,
    close: async () => undefined,
  };
}

type IdentitySource = (device: number, kind: IdentityKind) => FactoryIdentity;

/**
 * A folder of device folders (itself, or `devices` in it), or a manufacturer's (itself, or `manufacturer` in it) as
 * `firstboot pki dev` writes them. The manufacturer's comes first: it has as many devices as are wanted.
 */
async function openFactory(
  folder: string,
  { devices, random = systemRandom }: EndpointSiteOptions,
): Promise<IdentitySource> {
  for (const manufacturer of [join(folder, 'manufacturer'), folder]) {
    if (!(await pathExists(join(manufacturer, 'intermediate-key.pem')))) continue;
    const issuer = (name: string) =>
      readIssuer(join(manufacturer, `${name}.pem`), join(manufacturer, `${name}-key.pem`));
    const made = new DeviceFactory({
      manufacturer: { root: await issuer('root'), intermediate: await issuer('intermediate') },
      serviceCa: await serviceCaBeside(manufacturer),
      now: systemTimers.now(),
      random,
    });
    return (device, kind) => made.make(device, kind);
  }
  const finished = await readDevices(folder, devices);
  return (device, kind) => {
    const found = finished[device];
    if (found) return spoiled(found, kind);
    const evidence = { folder, devices: finished.length, wanted: device + 1 };
    throw failure(
      'service.config',
      evidence,
      'run fewer devices, or name the folder of a manufacturer that makes them',
    );
  };
}

/** What `dpsca.pem` would hold: beside the manufacturer's files, or where `firstboot pki dev` puts it. */
async function serviceCaBeside(manufacturer: string): Promise<readonly Uint8Array[] | undefined> {
  for (const file of [join(manufacturer, factoryFiles.serviceCa), join(dirname(manufacturer), 'service', 'ca.pem')]) {
    if (await pathExists(file)) return readCertificates(file);
  }
  return undefined;
}

async function readDevices(folder: string, most: number): Promise<FactoryIdentity[]> {
  for (const parent of [join(folder, 'devices'), folder]) {
    if (!(await pathExists(parent))) continue;
    const identities: FactoryIdentity[] = [];
    for (const name of await listFolder(parent)) {
      if (identities.length === most) break;
      const device = join(parent, name);
      if (await pathExists(join(device, factoryFiles.chain))) identities.push(await readFactoryIdentity(device));
    }
    if (identities.length > 0) return identities;
  }
  const fix = `name a folder of device folders, each with ${factoryFiles.chain} and ${factoryFiles.key}, or of a manufacturer (firstboot pki dev makes both)`;
  throw failure('service.config', { folder, found: 'no devices' }, fix);
}

/** What can be made of a finished device without its maker's key. */
function spoiled(identity: FactoryIdentity, kind: IdentityKind): FactoryIdentity {
  const [leaf, ...behind] = identity.chain;
  switch (kind) {
    case 'good':
    case 'cloned':
      return identity;
    case 'wrong-order':
      return leaf ? { ...identity, chain: [leaf, ...behind.toReversed()] } : identity;
    case 'missing-intermediate':
      return leaf ? { ...identity, chain: [leaf] } : identity;
    default: {
      const fix = 'name the folder of a manufacturer: a finished device cannot be made into such a one';
      throw failure('service.config', { identity: kind }, fix);
    }
  }
}
