import { dirname, resolve } from 'node:path';
import { readConfigFile } from './config-file.ts';
import type { ConfigFile, GroupConfig, HubConfig } from './config-schema.ts';
import { type Millis, seconds } from './core/clock.ts';
import { failure } from './core/errors.ts';
import { limits } from './core/limits.ts';
import { type LogLevel, logLevels } from './ops/log.ts';

/** Everything `firstboot serve` needs to know, complete. Paths are absolute. */
export interface Config {
  readonly data: string;
  readonly host: string;
  /** UDP and TCP. */
  readonly port: number;
  readonly transports: readonly ('udp' | 'tcp')[];
  readonly logLevel: LogLevel;
  readonly idle: Millis;
  readonly issuer: { readonly host: string; readonly port: number; readonly url: string | undefined };
  readonly certificate: { readonly chain: string; readonly key: string } | undefined;
  readonly authority: string | undefined;
  readonly groups: readonly GroupConfig[];
  readonly hubs: readonly HubConfig[];
}

/** Settings that can come from a flag or from the environment, as the texts they arrive in. */
export interface Overrides {
  readonly data?: string;
  readonly host?: string;
  readonly port?: string;
  readonly transports?: string;
  readonly logLevel?: string;
  readonly issuerPort?: string;
}

export const configDefaults = { data: 'firstboot-data', host: '127.0.0.1', port: 20_030, issuerPort: 20_080 } as const;

/** The environment variable of each override. */
export const environmentNames: Readonly<Record<keyof Overrides, string>> = {
  data: 'FIRSTBOOT_DATA',
  host: 'FIRSTBOOT_HOST',
  port: 'FIRSTBOOT_PORT',
  transports: 'FIRSTBOOT_TRANSPORTS',
  logLevel: 'FIRSTBOOT_LOG_LEVEL',
  issuerPort: 'FIRSTBOOT_ISSUER_PORT',
};

/** Puts the three sources together: a flag beats the environment, the environment beats the file. */
export function loadConfig(
  flags: Overrides,
  environment: Readonly<Record<string, string | undefined>>,
  file: string | undefined,
): Config {
  const written: ConfigFile = file === undefined ? {} : readConfigFile(file);
  const base = file === undefined ? process.cwd() : dirname(resolve(file));
  const given = (name: keyof Overrides): Given | undefined => {
    const flag = flags[name];
    if (flag !== undefined) return { source: `--${dashed(name)}`, text: flag };
    const variable = environment[environmentNames[name]];
    return variable === undefined || variable === '' ? undefined : { source: environmentNames[name], text: variable };
  };
  const path = (text: string): string => resolve(base, text);

  const data = given('data')?.text;
  return {
    data: data === undefined ? path(written.data ?? configDefaults.data) : resolve(data),
    host: given('host')?.text ?? written.host ?? configDefaults.host,
    port: portOf(given('port')) ?? written.port ?? configDefaults.port,
    transports: transportsOf(given('transports')) ?? written.transports ?? ['udp', 'tcp'],
    logLevel: levelOf(given('logLevel')) ?? written.logLevel ?? 'info',
    idle: written.idleSeconds === undefined ? limits.session.idle : seconds(written.idleSeconds),
    issuer: {
      host: written.issuer?.host ?? '127.0.0.1',
      port: portOf(given('issuerPort')) ?? written.issuer?.port ?? configDefaults.issuerPort,
      url: written.issuer?.url,
    },
    certificate: written.certificate && { chain: path(written.certificate.chain), key: path(written.certificate.key) },
    authority: written.authority === undefined ? undefined : path(written.authority),
    groups: (written.groups ?? []).map((group) => absoluteGroup(group, path)),
    hubs: (written.hubs ?? []).map((hub) =>
      hub.oauth ? { ...hub, oauth: { ...hub.oauth, clientSecretFile: path(hub.oauth.clientSecretFile) } } : hub,
    ),
  };
}

interface Given {
  readonly source: string;
  readonly text: string;
}

function portOf(given: Given | undefined): number | undefined {
  if (!given) return undefined;
  const port = Number(given.text);
  if (/^\d+$/.test(given.text) && port <= 65_535) return port;
  throw bad(given, 'a port number from 0 to 65535 (0: any free one)');
}

function transportsOf(given: Given | undefined): ('udp' | 'tcp')[] | undefined {
  if (!given) return undefined;
  const names = given.text.split(',').map((name) => name.trim());
  const known = names.filter((name) => name === 'udp' || name === 'tcp');
  if (names.length > 0 && known.length === names.length) return known;
  throw bad(given, 'udp, tcp or udp,tcp');
}

function levelOf(given: Given | undefined): LogLevel | undefined {
  if (!given) return undefined;
  const level = logLevels.find((name) => name === given.text);
  if (level) return level;
  throw bad(given, `one of ${logLevels.join(', ')}`);
}

const bad = ({ source, text }: Given, expected: string) =>
  failure('service.config', { setting: source, value: text }, `expected ${expected}`);

const dashed = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

function absoluteGroup(group: GroupConfig, path: (text: string) => string): GroupConfig {
  return {
    ...group,
    ...(group.anchors && { anchors: group.anchors.map(path) }),
    ...(group.intermediates && { intermediates: group.intermediates.map(path) }),
    ...(group.crls && { crls: group.crls.map(path) }),
    ...(group.psk && { psk: group.psk.map((entry) => ({ ...entry, keyFile: path(entry.keyFile) })) }),
    ...(group.ownerPskFile !== undefined && { ownerPskFile: path(group.ownerPskFile) }),
  };
}
