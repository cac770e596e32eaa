import { resolve } from 'node:path';
import { parseCoapUri } from './coap/uri.ts';
import type { JudgedYaml } from './codec/yaml.ts';
import { type ConfiguredApi, configuredApi } from './config/api.ts';
import { judgeConfigFile, type ReadConfig, readConfigFile } from './config/file.ts';
import { baseOf, type PolicyPart } from './config/place.ts';
import { policyPart, policyParts } from './config/policy.ts';
import type { ConfigFile } from './config/schema.ts';
import { mtuRange, type Overrides, settings } from './config/settings.ts';
import { days, type Millis, seconds } from './core/clock.ts';
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
  /** Undefined: it is off. */
  readonly api: ConfiguredApi | undefined;
  readonly certificate: { readonly chain: string; readonly key: string } | undefined;
  readonly authority: string | undefined;
  /** How much of the attempts is kept: by age and by number; undefined: as limits.ts says. */
  readonly retention: { readonly age?: Millis; readonly perDevice?: number };
  /** Whether files that have changed are taken up while the service runs. */
  readonly watch: boolean;
  /** How long open attempts have to end after SIGTERM. */
  readonly drain: Millis;
  /** Whether attempts are traced. */
  readonly tracing: boolean;
  /** The policy folder that the configuration names: what is new in it counts, too. */
  readonly policyFolder: string | undefined;
  /** Undefined: nobody wrote a policy, so this is a development service. */
  readonly policy: ConfiguredPolicy | undefined;
}

export interface ConfiguredPolicy {
  /** What it is called in the audit log: the configuration file, or the folder that it names. */
  readonly name: string;
  /** The configuration file itself and the files of the policy folder; what is wrong with these is said when they are judged. */
  readonly parts: readonly PolicyPart[];
}

/** Puts the three sources together: a flag beats the environment, the environment beats the file. */
export function loadConfig(
  flags: Overrides,
  environment: Readonly<Record<string, string | undefined>>,
  file: string | undefined,
): Config {
  const read = file === undefined ? undefined : readConfigFile(file);
  const written: ConfigFile = read?.value ?? {};
  const base = file === undefined ? process.cwd() : baseOf(file);
  const given = (name: keyof Overrides): Given | undefined => {
    const { flag, variable } = settings[name];
    const typed = flags[name];
    if (typed !== undefined) return { source: flag.split(' ')[0] ?? flag, text: typed };
    const text = environment[variable];
    return text === undefined || text === '' ? undefined : { source: variable, text };
  };
  const fallback = (name: keyof Overrides): Given => ({ source: name, text: settings[name].fallback });
  const path = (text: string): string => resolve(base, text);

  const setting = <T>(name: keyof Overrides, inFile: T | undefined, parse: (given: Given) => T): T => {
    const text = given(name);
    if (text) return parse(text);
    return inFile ?? parse(fallback(name));
  };
  const asText = ({ source, text }: Given): string => {
    if (text.trim() !== '') return text;
    throw bad({ source, text }, 'some text');
  };
  const apiPort = setting('apiPort', written.api?.port, portOrOff);
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
    api: apiPort === 'off' ? undefined : configuredApi(written.api ?? {}, apiPort, path),
    certificate: written.certificate && { chain: path(written.certificate.chain), key: path(written.certificate.key) },
    authority: written.authority === undefined ? undefined : path(written.authority),
    retention: {
      ...(written.retention?.days !== undefined && { age: days(written.retention.days) }),
      ...(written.retention?.attemptsPerDevice !== undefined && { perDevice: written.retention.attemptsPerDevice }),
    },
    watch: written.watch ?? true,
    drain: written.drainSeconds === undefined ? limits.operations.drain : seconds(written.drainSeconds),
    tracing: written.tracing ?? false,
    policyFolder: written.policy === undefined ? undefined : path(written.policy),
    policy: file === undefined || read === undefined ? undefined : policyOf(read, file),
  };
}

/** The policy of a configuration, with all that is wrong in the files of both. @throws FirstbootError service.config when the configuration cannot be read */
export function configuredParts(file: string): readonly PolicyPart[] {
  const judged = judgeConfigFile(file);
  const { value } = judged;
  const policy = typeof value === 'object' && value !== null && 'policy' in value ? value.policy : undefined;
  return partsOf(judged, file, typeof policy === 'string' ? policy : undefined);
}

function policyOf(read: ReadConfig, file: string): ConfiguredPolicy | undefined {
  const { groups, policy } = read.value;
  if (groups === undefined && policy === undefined) return undefined;
  const name = groups === undefined && policy !== undefined ? resolve(baseOf(file), policy) : file;
  return { name, parts: partsOf(read, file, policy) };
}

function partsOf(judged: JudgedYaml, file: string, policy: string | undefined): readonly PolicyPart[] {
  const base = baseOf(file);
  return [policyPart(judged, file, base), ...(policy === undefined ? [] : policyParts(resolve(base, policy)))];
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

const portOrOff = (given: Given): number | 'off' => {
  if (given.text === 'off') return 'off';
  const port = Number(given.text);
  if (/^\d+$/.test(given.text) && port <= 65_535) return port;
  throw bad(given, 'a port number from 0 to 65535 (0: any free one), or off');
};

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
