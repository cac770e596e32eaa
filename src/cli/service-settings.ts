import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { Config } from '../config.ts';
import { configuredPolicy } from '../config-policy.ts';
import type { Millis } from '../core/clock.ts';
import { failure } from '../core/errors.ts';
import type { RandomSource } from '../core/random.ts';
import { developmentHub, developmentSettings } from '../development.ts';
import type { ServiceOptions } from '../main.ts';
import { loadOrCreateAuthority } from '../pki/authority.ts';
import {
  createDevelopmentPki,
  type DevelopmentPki,
  loadDevelopmentPki,
  writeDevelopmentPki,
} from '../pki/development.ts';
import { readKeyedChain } from '../pki/files.ts';

/** How many devices the development PKI gets that `serve` makes by itself: enough to try this and that. */
const developmentDevices = 3;

interface Settings {
  readonly service: ServiceOptions;
  /** What to try next, for people. */
  readonly hints: readonly string[];
}

/** From a configuration to what the service is started with: files are read, what may be missing is made. */
export async function serviceSettings(
  config: Config,
  deps: { readonly now: Millis; readonly random: RandomSource },
): Promise<Settings> {
  const { host, port, url } = config.issuer;
  const listening = {
    data: config.data,
    host: config.host,
    port: config.port,
    transports: config.transports,
    idle: config.idle,
    issuer: { host, port, ...(url !== undefined && { url }) },
  };
  if (config.groups.length === 0) {
    const folder = join(config.data, 'pki');
    const pki = await developmentPki(folder, deps);
    const device = relative(process.cwd(), join(folder, 'devices', pki.devices[0]?.name ?? ''));
    return {
      service: { ...listening, ...developmentSettings(pki) },
      hints: [
        '',
        'This is a development PKI: its keys lie in the data folder. Boot a device of it with',
        `  firstboot gateway --data ${relative(process.cwd(), config.data) || '.'}`,
        `  firstboot device dps ${config.transports.includes('udp') ? 'coaps' : 'coaps+tcp'}://${config.host}:${config.port} --certs ${device}`,
      ],
    };
  }
  if (!config.certificate) {
    throw failure(
      'service.config',
      { key: 'certificate' },
      'name the service certificate: certificate: { chain: FILE, key: FILE }',
    );
  }
  const authority = await loadOrCreateAuthority(config.authority ?? join(config.data, 'authority'), {
    ...deps,
    name: 'firstboot',
  });
  const identity = await readKeyedChain(config.certificate.chain, config.certificate.key);
  return { service: { ...listening, identity, authority, ...configuredPolicy(config) }, hints: [] };
}

/** The PKI of a folder, made on first use. */
export async function developmentPki(
  folder: string,
  { now, random }: { readonly now: Millis; readonly random: RandomSource },
): Promise<DevelopmentPki> {
  if (existsSync(folder)) return loadDevelopmentPki(folder, now);
  const pki = createDevelopmentPki({ devices: developmentDevices, hubId: developmentHub.id, now, random });
  await writeDevelopmentPki(pki, folder);
  return pki;
}
