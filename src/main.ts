import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startIssuer } from './cloud/issuer-server.ts';
import { formatCoapUri } from './coap/uri.ts';
import { type Millis, systemTimers, type Timers } from './core/clock.ts';
import { failure } from './core/errors.ts';
import type { Uuid } from './core/ids.ts';
import { limits } from './core/limits.ts';
import { type Log, silentLog } from './core/log.ts';
import { type RandomSource, systemRandom } from './core/random.ts';
import { createOcfDialect } from './dialects/ocf/dialect.ts';
import type { Authority } from './pki/issuer.ts';
import { PolicySource } from './provision/policy.ts';
import type { EntryListener } from './provision/ports.ts';
import { createProvisioner, type Provisioner } from './provision/session.ts';
import type { Identity, SecureContext } from './secure/association.ts';
import { createSecureContext } from './secure/engine.ts';
import { serveDevices } from './serving.ts';
import { openLevelStore } from './store/level.ts';
import type { EnrollmentGroup, Hub } from './store/model.ts';
import type { Store, Table } from './store/store.ts';
import { Alarm } from './transport/alarm.ts';
import type { CoapServer, CoapServerOptions } from './transport/session.ts';
import { listenTcp } from './transport/tcp.ts';
import { listenUdp } from './transport/udp.ts';

export interface ServiceOptions {
  /** Folder of the store and the token issuer's key, made when missing. Default: a temporary one, gone after `close`. */
  readonly data?: string;
  /** Default: 127.0.0.1. */
  readonly host?: string;
  /** Default: both. */
  readonly transports?: readonly ('udp' | 'tcp')[];
  /** UDP and TCP port; 0, the default: any free one each. */
  readonly port?: number;
  /** What the service shows to devices. */
  readonly identity: Identity;
  /** Signs what devices get. */
  readonly authority: Authority;
  /** The policy: written into the store at start, in place of whatever groups and hubs are there from an earlier one. */
  readonly groups: readonly EnrollmentGroup[];
  readonly hubs: readonly Hub[];
  /** The built-in token issuer's HTTP address, by default on any free port of loopback; `url` as others see it. */
  readonly issuer?: { readonly host: string; readonly port: number; readonly url?: string };
  /** Largest UDP payload that is sent, bytes. Default: limits.secure.mtu. */
  readonly mtu?: number;
  /** Sessions without traffic are closed after this, ms. */
  readonly idle?: Millis;
  readonly timers?: Timers;
  readonly random?: RandomSource;
  readonly log?: Log;
  /** Told of everything that is recorded, as it happens. */
  readonly onEntry?: EntryListener;
}

export interface Service {
  /** Where devices find it: the UDP endpoint, or the TCP one when there is no other. */
  readonly endpoint: string;
  readonly endpoints: { readonly udp: string | undefined; readonly tcp: string | undefined };
  /** Base URL of the built-in token issuer. */
  readonly issuerUrl: string;
  readonly store: Store;
  readonly provisioner: Provisioner;
  /** Says goodbye to every device, finishes what is being written, frees ports and files. */
  close(): Promise<void>;
}

/**
 * Starts the provisioning service.
 * @throws FirstbootError service.address-in-use, service.config, service.store, service.engine; nothing is left open then.
 */
export async function startService(options: ServiceOptions): Promise<Service> {
  const { timers = systemTimers, random = systemRandom, log = silentLog } = options;
  const { host = '127.0.0.1', port = 0, transports = ['udp', 'tcp'], mtu = limits.secure.mtu } = options;
  const started: (() => Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    for (const close of started.splice(0).reverse()) await close();
  };
  try {
    const data = options.data ?? (await mkdtemp(join(tmpdir(), 'firstboot-')));
    if (options.data === undefined) started.push(() => rm(data, { recursive: true, force: true }));
    await mkdir(data, { recursive: true, mode: 0o700 });
    const store = await openLevelStore(join(data, 'store'), { timers });
    started.push(() => store.close());
    await replaceAll(store.hubs, options.hubs);
    await replaceAll(store.groups, options.groups);
    const policy = await PolicySource.load(store, log);

    const issuer = await startIssuer({
      ...(options.issuer ?? { host: '127.0.0.1', port: 0 }),
      keyFile: join(data, 'token-key.pem'),
      timers,
      random,
      log,
      confirm: (deviceId) => provisioner.confirm(deviceId, timers.now()),
      holds: (deviceId) => provisioner.holds(deviceId),
    });
    started.push(() => issuer.close());

    const provisioner = createProvisioner({
      store,
      policy,
      authority: options.authority,
      tokens: issuer.tokens,
      random,
      log,
      ...(options.onEntry && { onEntry: options.onEntry }),
    });
    await provisioner.restore(timers.now());
    const sweep = new Alarm(timers, (now) => {
      provisioner.handleTimeout(now);
      return provisioner.nextTimeout();
    });
    started.push(async () => {
      sweep.stop();
      await provisioner.sweep(timers.now());
    });

    const serving = serveDevices({
      provisioner,
      dialect: createOcfDialect({ log }),
      timers,
      log,
      settled: () => sweep.set(provisioner.nextTimeout()),
    });
    started.push(() => serving.idle());
    const contexts = deviceContexts({ identity: options.identity, mtu, policy });
    const { idle = limits.session.idle } = options;
    const common = { host, port, owner: serving.owner, timers, random, idle, mtu };
    const listen = async (
      transport: 'udp' | 'tcp',
      start: (server: CoapServerOptions) => Promise<CoapServer>,
      context: () => SecureContext,
    ): Promise<string | undefined> => {
      if (!transports.includes(transport)) return undefined;
      const server = await start({ ...common, context });
      started.push(() => server.close());
      return formatCoapUri({ scheme: transport === 'udp' ? 'coaps' : 'coaps+tcp', host, port: server.port });
    };
    const udp = await listen('udp', listenUdp, contexts.datagram);
    const tcp = await listen('tcp', listenTcp, contexts.stream);
    const endpoint = udp ?? tcp;
    if (endpoint === undefined) throw failure('service.config', { key: 'transports' }, 'name udp, tcp or both');
    return {
      endpoint,
      endpoints: { udp, tcp },
      issuerUrl: issuer.url,
      store,
      provisioner,
      close: stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function replaceAll<T extends { readonly id: Uuid }>(table: Table<T>, rows: readonly T[]): Promise<void> {
  for (const row of rows) await table.put(row);
  for (const { id } of await table.list()) if (!rows.some((row) => row.id === id)) await table.delete(id);
}

/** One context a transport, made again when the policy's trust has changed: contexts themselves never change. */
function deviceContexts({
  identity,
  mtu,
  policy,
}: {
  readonly identity: Identity;
  readonly mtu: number;
  readonly policy: PolicySource;
}): Record<'datagram' | 'stream', () => SecureContext> {
  const keep = (transport: 'datagram' | 'stream'): (() => SecureContext) => {
    let madeFrom = policy.current;
    let context = make(transport);
    return () => {
      if (madeFrom !== policy.current) {
        madeFrom = policy.current;
        context = make(transport);
      }
      return context;
    };
  };
  const make = (transport: 'datagram' | 'stream'): SecureContext => {
    const { trust, psk } = policy.current;
    return createSecureContext({
      transport,
      role: 'server',
      identity,
      trust: { ...trust, purpose: 'client' },
      peerCertificate: 'require',
      ...(psk.size > 0 && { psk: 'lookup' }),
      alpn: 'coap',
      mtu,
      threads: 'when-busy',
    });
  };
  return { datagram: keep('datagram'), stream: keep('stream') };
}
