import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Tracer } from '@opentelemetry/api';
import { type BackupReport, backUp } from './backup.ts';
import { createAllocationWebhook } from './cloud/allocation-webhook.ts';
import { startIssuer } from './cloud/issuer-server.ts';
import { createRevocationLists } from './cloud/revocation-lists.ts';
import { composeService } from './composition.ts';
import { type Millis, systemTimers, type Timers } from './core/clock.ts';
import { failure } from './core/errors.ts';
import { limits } from './core/limits.ts';
import { type Log, silentLog } from './core/log.ts';
import { type RandomSource, systemRandom } from './core/random.ts';
import { drained } from './drain.ts';
import { listenToDevices } from './listening.ts';
import { Observers } from './observers.ts';
import { endsOf, type HealthDeps, readiness, StoreHealth } from './ops/health.ts';
import { parseCertificate } from './pki/certificate.ts';
import type { Authority } from './pki/issuer.ts';
import type { EntryListener } from './provision/ports.ts';
import type { Revocations } from './provision/revocations.ts';
import type { Provisioner } from './provision/session.ts';
import { createReloader, type Reloader, type ReloadSource } from './reload.ts';
import type { Identity } from './secure/association.ts';
import { openLevelStore } from './store/level.ts';
import type { Actor, EnrollmentGroup, Hub } from './store/model.ts';
import type { Store } from './store/store.ts';
import { type SurfaceOptions, type Surfaces, startSurfaces } from './surfaces.ts';

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
  /** Folder of that authority, for roll-over and backups through the API. Default: there is none. */
  readonly authorityFolder?: string;
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
  /** Where what the service is made of is read again from, while it runs. Default: it cannot be reloaded. */
  readonly reload?: ReloadSource;
  /** Whether its files are taken up when they have changed. Default: only when somebody asks. */
  readonly watch?: boolean;
  /** How long open attempts have to end in `drain`. Default: limits.operations.drain. */
  readonly drain?: Millis;
  /** The API and the dashboard. Default: there are none. */
  readonly api?: SurfaceOptions;
  /** Gets a span for each attempt. Default: none. */
  readonly tracer?: Tracer;
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
  /** Of the API and the dashboard; undefined: there are none. */
  readonly apiUrl: string | undefined;
  /** An admin's token for them, when there was no way in yet: nobody is told it again. */
  readonly adminToken: string | undefined;
  readonly store: Store;
  readonly provisioner: Provisioner;
  /**
   * Reads certificates, authority and policy again and puts them in force; sessions go on.
   * @returns what has changed, a line each
   * @throws FirstbootError service.config and others: what is wrong; everything stays as it was
   */
  reload(actor?: Actor): Promise<{ readonly effects: readonly string[] }>;
  /** Takes nobody new and gives open attempts their time. @returns attempts that were still open then */
  drain(): Promise<number>;
  /** Writes a backup into a new folder while the service goes on. @throws FirstbootError command.file, service.store */
  backUp(folder: string): Promise<BackupReport>;
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
  const started: (() => Promise<void> | void)[] = [];
  const stop = async (): Promise<void> => {
    for (const close of started.splice(0).reverse()) await close();
  };
  try {
    const data = options.data ?? (await mkdtemp(join(tmpdir(), 'firstboot-')));
    if (options.data === undefined) started.push(() => rm(data, { recursive: true, force: true }));
    await mkdir(data, { recursive: true, mode: 0o700 });
    const { policyName = 'program', retention = {} } = options;
    const { ownersReachPrivate } = options.api ?? {};
    let surfaces: Surfaces | undefined;
    const observers = new Observers({ timers, log, tracer: options.tracer });
    const store = await openLevelStore(join(data, 'store'), {
      timers,
      retention,
      onAudit: (line) => observers.audited(line),
      onWrite: (write) => observers.wrote(write),
    });
    started.push(() => store.close());
    started.push(
      () => observers.close(),
      // They end last: who looks on sees the end of the others.
      () => surfaces?.close(),
    );
    await observers.begin(store);
    // Each look is a write: not where nobody can ask.
    const storeHealth = options.api && new StoreHealth(store, timers);
    started.push(() => storeHealth?.stop());

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
      ownersReachPrivate,
    });
    started.push(() => issuer.close());

    const service = await composeService({
      ...options,
      store,
      tokens: issuer.tokens,
      allocation: createAllocationWebhook({ timers, ownersReachPrivate }),
      timers,
      random,
      log,
      mtu,
      policyFrom: { name: policyName, host: hostname() },
      clock: 'system',
      onEntry: observers.entries(options.onEntry),
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
      ownersReachPrivate,
    });
    started.push(() => lists.stop());
    // Not waited for: a manufacturer's server may be slow, and the lists of the last time are in force.
    void lists.refresh();
    started.push(
      () => service.stop(),
      () => service.idle(),
    );
    const { idle = limits.session.idle } = options;
    const listening = await listenToDevices({ host, port, transports, owner, timers, random, idle, mtu, contexts });
    started.push(() => listening.close());

    const reloader = reloaderOf(options, {
      apply: async ({ material, api }) => {
        const replaceApi = api && surfaces?.prepare(api);
        const effects = await service.replace(material);
        void lists.refresh();
        return [...effects, ...(replaceApi?.() ?? [])];
      },
      told: (outcome) => observers.reloaded(outcome),
      timers,
      log,
    });
    started.push(() => reloader?.stop());
    const backUpTo = (folder: string): Promise<BackupReport> => {
      const { reload: { files: outside, configuration } = { files: [] }, authorityFolder: authority } = options;
      return backUp({ store, data, outside, configuration, authority, now: timers.now() }, folder);
    };
    let draining = false;
    const health: HealthDeps = {
      authority: () => service.authority.current,
      identityEnds: () => endOf(service.identity().chain[0]),
      draining: () => draining,
      reloadFailure: () => reloader?.failure,
      store: storeHealth,
      now: () => timers.now(),
    };
    surfaces =
      options.api &&
      (await startSurfaces(options.api, {
        store,
        provisioner,
        observers,
        policyChanged: async () => {
          await policy.refresh();
          // Not waited for: a group may name lists that nobody has fetched yet.
          void lists.refresh();
        },
        data,
        authorityFolder: options.authorityFolder,
        readiness: () => readiness(health),
        sources: { sessions: () => listening.byTransport, ends: () => endsOf(health) },
        reload: reloader && ((actor) => reloader.reload(actor)),
        backUp: backUpTo,
        timers,
        random,
        log,
      }));
    return {
      endpoint: listening.endpoint,
      endpoints: listening.endpoints,
      issuerUrl: issuer.url,
      apiUrl: surfaces?.url,
      adminToken: surfaces?.token,
      store,
      provisioner,
      reload: async (actor = program) => {
        if (reloader) return reloader.reload(actor);
        throw failure('service.config', { found: 'no source' }, 'start the service from a configuration to reload it');
      },
      drain: () => {
        draining = true;
        log.info({ sessions: listening.sessions, attempts: provisioner.openAttempts }, 'draining: nobody new is taken');
        listening.refuseNew();
        observers.tell('service.draining', { sessions: listening.sessions });
        return drained({
          sessions: () => listening.sessions,
          attempts: () => provisioner.openAttempts,
          timers,
          within: options.drain ?? limits.operations.drain,
        });
      },
      backUp: backUpTo,
      close: stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

const endOf = (der: Uint8Array | undefined): Millis | undefined => der && parseCertificate(der).notAfter;

const program: Actor = { kind: 'operator', name: 'program', from: hostname() };

function reloaderOf(
  { reload: source, watch = false }: ServiceOptions,
  deps: Omit<Parameters<typeof createReloader>[0], 'source' | 'watch'>,
): Reloader | undefined {
  return source && createReloader({ ...deps, source, watch });
}
