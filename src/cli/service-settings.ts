import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseCoapUri } from '../coap/uri.ts';
import { readPolicy } from '../config/policy.ts';
import { settings } from '../config/settings.ts';
import type { Config } from '../config.ts';
import { equalBytes, noBytes } from '../core/bytes.ts';
import type { Millis } from '../core/clock.ts';
import { failure } from '../core/errors.ts';
import type { RandomSource } from '../core/random.ts';
import { developmentHub, developmentSettings } from '../development.ts';
import type { Service, ServiceOptions } from '../main.ts';
import { programTracer } from '../ops/traces.ts';
import { loadOrCreateAuthority } from '../pki/authority.ts';
import { parseCertificate } from '../pki/certificate.ts';
import {
  createDevelopmentPki,
  type DevelopmentPki,
  loadDevelopmentPki,
  writeDevelopmentPki,
} from '../pki/development.ts';
import { pathExists, readCertificates, readKeyedChain } from '../pki/files.ts';
import { loadOrCreateServiceCertificate } from '../pki/service-certificate.ts';
import type { Identity } from '../secure/association.ts';
import type { SurfaceOptions } from '../surfaces.ts';
import { version } from '../version.ts';
import { shownPath } from './output.ts';

/** How many devices the development PKI gets that `serve` makes by itself: enough to try this and that. */
const developmentDevices = 3;

export interface ServiceSettings {
  readonly service: ServiceOptions;
  /** Files that somebody else needs, for programs. */
  readonly files: Readonly<Record<string, string>>;
  /** Name and value, for people. */
  readonly facts: readonly (readonly [string, string])[];
  /** What to try next, for people. */
  readonly hints: (service: Service) => readonly string[];
  /** Files and folders that it was read from. */
  readonly sources: readonly string[];
  /** When the certificate of the service has to be made anew; undefined: it is somebody else's. */
  readonly renewAt: Millis | undefined;
}

interface Deps {
  readonly now: Millis;
  readonly random: RandomSource;
  /** What the service shows now: it stays, when it would only be made again. */
  readonly shown?: Identity;
}

/** From a configuration to what the service is started with: files are read, what may be missing is made. */
export async function serviceSettings(config: Config, deps: Deps): Promise<ServiceSettings> {
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
    ...(config.api && { api: await apiOptions(config.api) }),
    watch: config.watch,
    drain: config.drain,
    ...(config.tracing && { tracer: programTracer(version) }),
  };
  if (config.policy === undefined) return development(config, listening, deps);

  const { groups, hubs, warnings, files } = readPolicy(config.policy.parts, { now: deps.now });
  const authorityFolder = config.authority ?? join(config.data, 'authority');
  const authority = await loadOrCreateAuthority(authorityFolder, { ...deps, name: 'firstboot' });
  const own = config.certificate
    ? { identity: await readKeyedChain(config.certificate.chain, config.certificate.key), caFile: undefined }
    : await ownCertificate(join(config.data, 'service'), deps);
  const identityCa = join(authorityFolder, 'anchors.pem');
  const service: ServiceOptions = {
    ...listening,
    identity: own.identity,
    authority,
    authorityFolder,
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
    sources: [
      ...apiFiles(config),
      authorityFolder,
      ...(config.certificate ? [config.certificate.chain, config.certificate.key] : [join(config.data, 'service')]),
      ...config.policy.parts.map(({ name }) => name),
      ...(config.policyFolder === undefined ? [] : [config.policyFolder]),
      ...files,
    ],
    renewAt: own.caFile === undefined ? undefined : halfLifeOf(own.identity),
  };
}

async function development(
  config: Config,
  listening: Omit<ServiceOptions, 'identity' | 'authority' | 'groups' | 'hubs'>,
  deps: Deps,
): Promise<ServiceSettings> {
  const folder = developmentFolder(config.data);
  const pki = await loadOrCreateDevelopmentPki(folder, deps);
  const service: ServiceOptions = {
    ...listening,
    ...developmentSettings(pki, { gateway: config.gateway }),
    authorityFolder: join(folder, 'authority'),
  };
  const devices = join(folder, 'devices');
  return {
    service,
    files: { pki: folder },
    facts: policyFacts(config, service),
    sources: [...apiFiles(config), folder],
    renewAt: undefined,
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

/** The one that is shown goes on while it is of the same authority and not old: nobody gains by another. */
async function ownCertificate(
  folder: string,
  { shown, ...deps }: Deps,
): Promise<{ readonly identity: Identity; readonly caFile: string }> {
  const made = await loadOrCreateServiceCertificate(folder, { ...deps, name: 'firstboot' });
  const [before, after] = [shown, made.identity].map(
    (identity) => identity?.chain[0] && parseCertificate(identity.chain[0]),
  );
  const same = before && after && equalBytes(before.authorityKeyId ?? noBytes, after.authorityKeyId ?? noBytes);
  return shown && same && deps.now < halfLifeOf(shown) ? { ...made, identity: shown } : made;
}

function halfLifeOf({ chain: [leaf] }: Identity): Millis {
  if (leaf === undefined) return 0;
  const { notBefore, notAfter } = parseCertificate(leaf);
  return (notBefore + notAfter) / 2;
}

async function apiOptions({ tls, ...api }: NonNullable<Config['api']>): Promise<SurfaceOptions> {
  if (!tls) return api;
  const { chain, key, clientCas } = tls;
  // Read as they are by the API, and looked at here, so that a complaint names the file.
  await readKeyedChain(chain, key);
  if (clientCas !== undefined) await readCertificates(clientCas);
  const [chainPem, keyPem, casPem] = await Promise.all(
    [chain, key, clientCas].map((file) => (file === undefined ? undefined : readFile(file, 'utf8'))),
  );
  return { ...api, tls: { chain: chainPem ?? '', key: keyPem ?? '', clientCas: casPem } };
}

const apiFiles = ({ api }: Config): readonly string[] =>
  Object.values(api?.tls ?? {}).filter((file) => file !== undefined);

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
