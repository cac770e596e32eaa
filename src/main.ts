import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createAllocationWebhook } from './cloud/allocation-webhook.ts';
import { startIssuer } from './cloud/issuer-server.ts';
import { createRevocationLists } from './cloud/revocation-lists.ts';
import { formatCoapUri } from './coap/uri.ts';
import { composeService } from './composition.ts';
import { type Millis, systemTimers, type Timers } from './core/clock.ts';
import { failure } from './core/errors.ts';
import { limits } from './core/limits.ts';
import { type Log, silentLog } from './core/log.ts';
import { type RandomSource, systemRandom } from './core/random.ts';
import type { Authority } from './pki/issuer.ts';
import type { EntryListener } from './provision/ports.ts';
import type { Revocations } from './provision/revocations.ts';
import type { Provisioner } from './provision/session.ts';
import type { Identity, SecureContext } from './secure/association.ts';
import { openLevelStore } from './store/level.ts';
import type { EnrollmentGroup, Hub } from './store/model.ts';
import type { Store } from './store/store.ts';
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
  /** The policy: written into the store in place of what an earlier start wrote; groups and hubs of operators stay. */
  readonly groups: readonly EnrollmentGroup[];
  readonly hubs: readonly Hub[];
  /** The file or folder that the policy is from, for the audit log. Default: `program`. */
  readonly policyName?: string;
  /** How much of the attempts is kept. Default: limits.store. */
  readonly retention?: { readonly age?: Millis; readonly perDevice?: number };
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
    const { policyName = 'program', retention = {} } = options;
    const store = await openLevelStore(join(data, 'store'), { timers, retention });
    started.push(() => store.close());
    let revocations: Revocations | undefined;
    const issuer = await startIssuer({
      ...(options.issuer ?? { host: '127.0.0.1', port: 0 }),
      keyFile: join(data, 'token-key.pem'),
      timers,
      random,
      log,
      confirm: (deviceId) => provisioner.confirm(deviceId, timers.now()),
      holds: (deviceId, ownerId) => provisioner.holds(deviceId, ownerId),
      revocations: () => {
        if (revocations) return revocations;
        throw failure('service.busy', {}, 'the service is starting');
      },
    });
    started.push(() => issuer.close());

    const service = await composeService({
      ...options,
      store,
      tokens: issuer.tokens,
      allocation: createAllocationWebhook({ timers }),
      timers,
      random,
      log,
      mtu,
      policyFrom: { name: policyName, host: hostname() },
      clock: 'system',
    });
    const { provisioner, contexts, owner } = service;
    revocations = provisioner.revocations;
    const { policy } = provisioner;
    const lists = createRevocationLists({
      store,
      groups: () => policy.current.groups.values(),
      changed: () => policy.refresh(),
      timers,
      log,
    });
    started.push(() => lists.stop());
    // Not waited for: a manufacturer's server may be slow, and the lists of the last time are in force.
    void lists.refresh();
    started.push(
      () => service.stop(),
      () => service.idle(),
    );
    const { idle = limits.session.idle } = options;
    const common = { host, port, owner, timers, random, idle, mtu };
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
