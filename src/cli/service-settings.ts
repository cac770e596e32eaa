import { join } from 'node:path';
import { parseCoapUri } from '../coap/uri.ts';
import { readPolicy } from '../config/policy.ts';
import { settings } from '../config/settings.ts';
import type { Config } from '../config.ts';
import type { Millis } from '../core/clock.ts';
import { failure } from '../core/errors.ts';
import type { RandomSource } from '../core/random.ts';
import { developmentHub, developmentSettings } from '../development.ts';
import type { Service, ServiceOptions } from '../main.ts';
import { loadOrCreateAuthority } from '../pki/authority.ts';
import {
  createDevelopmentPki,
  type DevelopmentPki,
  loadDevelopmentPki,
  writeDevelopmentPki,
} from '../pki/development.ts';
import { pathExists, readKeyedChain } from '../pki/files.ts';
import { loadOrCreateServiceCertificate } from '../pki/service-certificate.ts';
import { shownPath } from './output.ts';

/** How many devices the development PKI gets that `serve` makes by itself: enough to try this and that. */
const developmentDevices = 3;

interface Settings {
  readonly service: ServiceOptions;
  /** Files that somebody else needs, for programs. */
  readonly files: Readonly<Record<string, string>>;
  /** Name and value, for people. */
  readonly facts: readonly (readonly [string, string])[];
  /** What to try next, for people. */
  readonly hints: (service: Service) => readonly string[];
}

interface Deps {
  readonly now: Millis;
  readonly random: RandomSource;
}

/** From a configuration to what the service is started with: files are read, what may be missing is made. */
export async function serviceSettings(config: Config, deps: Deps): Promise<Settings> {
  const { host, port, url } = config.issuer;
  const listening = {
    data: config.data,
    host: config.host,
    port: config.port,
    transports: config.transports,
    mtu: config.mtu,
    idle: config.idle,
    retention: config.retention,
    issuer: { host, port, ...(url !== undefined && { url }) },
  };
  if (config.policy === undefined) return development(config, listening, deps);

  const { groups, hubs, warnings } = readPolicy(config.policy.parts, { now: deps.now });
  const authorityFolder = config.authority ?? join(config.data, 'authority');
  const authority = await loadOrCreateAuthority(authorityFolder, { ...deps, name: 'firstboot' });
  const own = config.certificate
    ? { identity: await readKeyedChain(config.certificate.chain, config.certificate.key), caFile: undefined }
    : await loadOrCreateServiceCertificate(join(config.data, 'service'), { ...deps, name: 'firstboot' });
  const identityCa = join(authorityFolder, 'anchors.pem');
  const service: ServiceOptions = {
    ...listening,
    identity: own.identity,
    authority,
    groups,
    hubs,
    policyName: config.policy.name,
  };
  return {
    service,
    files: { identityCa, ...(own.caFile !== undefined && { serviceCa: own.caFile }) },
    facts: [
      ...policyFacts(config, service),
      ...(own.caFile === undefined
        ? []
        : [['service CA', `${shownPath(own.caFile)} (dpsca.pem of the devices)`] as const]),
      ['identity CA', `${shownPath(identityCa)} (for the hub's gateways to trust)`],
      ...warnings.map(
        ({ file, line, key, text }) => ['warning', `${shownPath(file)}, line ${line}, ${key}: ${text}`] as const,
      ),
    ],
    hints: () => [],
  };
}

async function development(
  config: Config,
  listening: Omit<ServiceOptions, 'identity' | 'authority' | 'groups' | 'hubs'>,
  deps: Deps,
): Promise<Settings> {
  const folder = developmentFolder(config.data);
  const pki = await loadOrCreateDevelopmentPki(folder, deps);
  const service: ServiceOptions = { ...listening, ...developmentSettings(pki, { gateway: config.gateway }) };
  const devices = join(folder, 'devices');
  return {
    service,
    files: { pki: folder },
    facts: policyFacts(config, service),
    hints: ({ endpoint, issuerUrl }) => [
      '',
      'This is a development PKI: every key, its devices included, lies in the data folder. Next, in other terminals:',
      `  npx firstboot gateway${unlessDefault('--data', shownPath(config.data), settings.data.fallback)}` +
        unlessDefault('--port', portOf(config.gateway), portOf(settings.gateway.fallback)) +
        unlessDefault('--issuer', issuerUrl, `http://127.0.0.1:${settings.issuerPort.fallback}`),
      `  npx firstboot device dps ${reachable(endpoint)} --certs ${shownPath(join(devices, pki.devices[0]?.name ?? ''))}`,
    ],
  };
}

const portOf = (gateway: string): string => {
  const uri = parseCoapUri(gateway);
  return uri.ok ? String(uri.value.port) : '';
};

/** A service that listens everywhere is here, too. */
const reachable = (endpoint: string): string =>
  endpoint.replace('//0.0.0.0:', '//127.0.0.1:').replace('//[::]:', '//[::1]:');

const unlessDefault = (flag: string, value: string, fallback: string): string =>
  value === fallback ? '' : ` ${flag} ${value}`;

function policyFacts(config: Config, { groups, hubs }: ServiceOptions): (readonly [string, string])[] {
  return [
    ['data', shownPath(config.data)],
    ...groups.map(({ name, owner }) => ['group', `${name} (owner ${owner.name})`] as const),
    ...hubs.map(({ name, gateways }) => ['hub', `${name}, ${gateways.join(', ')}`] as const),
  ];
}

/** Where a service without a configuration has its PKI. */
export const developmentFolder = (data: string): string => join(data, 'pki');

async function loadOrCreateDevelopmentPki(folder: string, { now, random }: Deps): Promise<DevelopmentPki> {
  if (await pathExists(folder)) return loadDevelopmentPki(folder, now);
  const pki = createDevelopmentPki({ devices: developmentDevices, hubId: developmentHub.id, now, random });
  await writeDevelopmentPki(pki, folder);
  return pki;
}

/** @throws FirstbootError service.config when there is none */
export async function existingDevelopmentPki(folder: string, now: Millis): Promise<DevelopmentPki> {
  if (await pathExists(folder)) return loadDevelopmentPki(folder, now);
  const fix =
    'start firstboot serve first, which makes one in its data folder, or name the folder with --data or --pki';
  throw failure('service.config', { folder, found: 'no development PKI' }, fix);
}
