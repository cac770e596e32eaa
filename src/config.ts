import { dirname, resolve } from 'node:path';
import { parseCoapUri } from './coap/uri.ts';
import { readConfigFile } from './config/file.ts';
import type { ConfigFile, GroupConfig, HubConfig } from './config/schema.ts';
import { mtuRange, type Overrides, settings } from './config/settings.ts';
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
  /** Bytes of a UDP payload. */
  readonly mtu: number;
  /** The development hub's gateway. */
  readonly gateway: string;
  readonly logLevel: LogLevel;
  readonly idle: Millis;
  readonly issuer: { readonly host: string; readonly port: number; readonly url: string | undefined };
  readonly certificate: { readonly chain: string; readonly key: string } | undefined;
  readonly authority: string | undefined;
  readonly groups: readonly GroupConfig[];
  readonly hubs: readonly HubConfig[];
}

/** Puts the three sources together: a flag beats the environment, the environment beats the file. */
export function loadConfig(
  flags: Overrides,
  environment: Readonly<Record<string, string | undefined>>,
  file: string | undefined,
): Config {
  const written: ConfigFile = file === undefined ? {} : readConfigFile(file);
  const base = file === undefined ? process.cwd() : dirname(resolve(file));
  const given = (name: keyof Overrides): Given | undefined => {
    const { flag, variable } = settings[name];
    const typed = flags[name];
    if (typed !== undefined) return { source: flag.split(' ')[0] ?? flag, text: typed };
    const text = environment[variable];
    return text === undefined || text === '' ? undefined : { source: variable, text };
  };
  const fallback = (name: keyof Overrides): Given => ({ source: name, text: settings[name].fallback });
  const path = (text: string): string => resolve(base, text);

  const setting = <T>(name: keyof Overrides, inFile: T | undefined, read: (given: Given) => T): T => {
    const text = given(name);
    if (text) return read(text);
    return inFile ?? read(fallback(name));
  };
  const asText = ({ source, text }: Given): string => {
    if (text.trim() !== '') return text;
    throw bad({ source, text }, 'some text');
  };
  return {
    // A folder in the file is beside the file, one given otherwise is where the command runs.
    data: setting('data', written.data === undefined ? undefined : path(written.data), (data) => resolve(asText(data))),
    host: setting('host', written.host, asText),
    port: setting('port', written.port, portOf),
    transports: setting('transports', written.transports, transportsOf),
    mtu: setting('mtu', written.mtu, mtuOf),
    gateway: setting('gateway', written.gateway, gatewayOf),
    logLevel: setting('logLevel', written.logLevel, levelOf),
    idle: written.idleSeconds === undefined ? limits.session.idle : seconds(written.idleSeconds),
    issuer: {
      host: written.issuer?.host ?? '127.0.0.1',
      port: setting('issuerPort', written.issuer?.port, portOf),
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

function portOf(given: Given): number {
  const port = Number(given.text);
  if (/^\d+$/.test(given.text) && port <= 65_535) return port;
  throw bad(given, 'a port number from 0 to 65535 (0: any free one)');
}

function gatewayOf(given: Given): string {
  if (parseCoapUri(given.text).ok) return given.text;
  throw bad(given, 'coaps+tcp://host:port');
}

function mtuOf(given: Given): number {
  const { smallest, largest } = mtuRange;
  const bytes = Number(given.text);
  if (/^\d+$/.test(given.text) && bytes >= smallest && bytes <= largest) return bytes;
  throw bad(given, `a whole number from ${smallest} to ${largest} (bytes)`);
}

function transportsOf(given: Given): ('udp' | 'tcp')[] {
  const names = given.text.split(',').map((name) => name.trim());
  const known = names.filter((name) => name === 'udp' || name === 'tcp');
  if (names.length > 0 && known.length === names.length) return known;
  throw bad(given, 'udp, tcp or udp,tcp');
}

function levelOf(given: Given): LogLevel {
  const level = logLevels.find((name) => name === given.text);
  if (level) return level;
  throw bad(given, `one of ${logLevels.join(', ')}`);
}

const bad = ({ source, text }: Given, expected: string) =>
  failure('service.config', { setting: source, value: text }, `expected ${expected}`);

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
