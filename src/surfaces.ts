import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { AuthenticationSettings } from './api/authentication.ts';
import { confined } from './api/confined.ts';
import type { ListenOptions } from './api/listening.ts';
import { firstToken } from './api/local-tokens.ts';
import { routes } from './api/routes/index.ts';
import { type Api, type ApiMaterial, startApi } from './api/server.ts';
import type { BackupReport } from './backup.ts';
import { createWebhookDeliverer } from './cloud/webhooks.ts';
import type { Timers } from './core/clock.ts';
import { failure } from './core/errors.ts';
import type { Log } from './core/log.ts';
import type { RandomSource } from './core/random.ts';
import { namedBackups } from './named-backups.ts';
import type { Observers } from './observers.ts';
import type { Readiness } from './ops/health.ts';
import { createMetrics, type MetricsSources } from './ops/metrics.ts';
import type { Provisioner } from './provision/session.ts';
import type { Actor } from './store/model.ts';
import type { Store } from './store/store.ts';
import { version } from './version.ts';

/** Where the API and the dashboard are, and for whom. */
export interface SurfaceOptions extends ListenOptions {
  readonly authentication?: AuthenticationSettings;
  /** Metrics without signing in. */
  readonly openMetrics?: boolean;
  /** Whether who is bound to an owner says what its groups know devices by; default: only admins of everything do. */
  readonly ownersAttest?: boolean;
  /** Whether what owners write may lead anywhere that this machine reaches; default: to the public Internet only. */
  readonly ownersReachPrivate?: boolean;
  /** Folder of the built dashboard; default: the one of this package. */
  readonly web?: string;
}

export interface SurfaceDeps {
  readonly store: Store;
  readonly provisioner: Provisioner;
  readonly observers: Observers;
  /** The data folder. */
  readonly data: string;
  readonly authorityFolder: string | undefined;
  readonly readiness: () => Readiness;
  readonly sources: Pick<MetricsSources, 'sessions' | 'ends'>;
  readonly reload: ((actor: Actor) => Promise<{ readonly effects: readonly string[] }>) | undefined;
  /** Groups or hubs have changed in the store: from now on the pipeline goes by them. */
  readonly policyChanged: () => Promise<void>;
  readonly backUp: (folder: string) => Promise<BackupReport>;
  readonly timers: Timers;
  readonly random: RandomSource;
  readonly log: Log;
}

/** What operators and their programs have of a service. */
export interface Surfaces {
  /** Of the API, and of the dashboard. */
  readonly url: string;
  /** An admin's token, told this once; undefined: there are other ways in already. */
  readonly token: string | undefined;
  /**
   * Judges other certificates and rules of who may come in.
   * @returns puts them in force, and says what has changed, a line each
   * @throws FirstbootError service.config
   */
  prepare(next: ApiMaterial): () => readonly string[];
  /** Ends event streams, waits for requests that are under way, and frees the port. */
  close(): Promise<void>;
}

/** Starts the API with the dashboard, metrics and webhooks. @throws FirstbootError service.config, service.address-in-use */
export async function startSurfaces(options: SurfaceOptions, deps: SurfaceDeps): Promise<Surfaces> {
  const { store, provisioner, observers, timers, random, log } = deps;
  const { events } = observers;
  const metrics = createMetrics(metricsSources(deps));
  observers.metrics = metrics;
  if (events === undefined) throw failure('service.internal', { found: 'no events' }, '');
  const { ownersReachPrivate } = options;
  const webhooks = await createWebhookDeliverer({ store, hub: events, timers, random, log, ownersReachPrivate });
  try {
    const now = (): number => timers.now();
    const { authentication = {}, ownersAttest, ...listen } = options;
    const invites = (authentication.oidc ?? []).length === 0;
    const { reload } = deps;
    const backups = await namedBackups({ store, data: deps.data, backUp: deps.backUp, now, log });
    const api: Api = await startApi({
      ...listen,
      web: options.web ?? fileURLToPath(new URL('../dist/web', import.meta.url)),
      authentication,
      routes,
      store,
      ...confined({
        store,
        ownersAttest,
        now,
        random,
        policyChanged: deps.policyChanged,
        authority: deps.authorityFolder,
        authorityChanged: reload && (async () => void (await reload(rollOver))),
      }),
      secretsFolder: join(deps.data, 'secrets'),
      health: deps.readiness,
      openAttempts: () => provisioner.openAttempts,
      metrics: () => metrics.text(),
      answered: (request) => metrics.answered(request),
      reload,
      backup: backups.write,
      revocations: provisioner.revocations,
      events,
      timers,
      random,
      log,
      version,
    });
    let present: ApiMaterial = options;
    // Not before it listens: a token of a start that failed would be told to nobody.
    const token = invites ? await firstToken(store, { now: now(), random, actor: itself }) : undefined;
    return {
      url: api.url,
      token,
      prepare: (next) => {
        const renew = api.prepare(next);
        return () => {
          renew();
          const { tls = present.tls } = next;
          const after = { ...next, tls: present.tls && tls };
          const effects = changesOf(present, after);
          present = after;
          return effects;
        };
      },
      close: async () => {
        await api.close();
        await webhooks.stop();
      },
    };
  } catch (error) {
    await webhooks.stop();
    throw error;
  }
}

const itself: Actor = { kind: 'service', name: 'firstboot', from: 'first start' };
const rollOver: Actor = { kind: 'service', name: 'firstboot', from: 'roll-over of the authority' };

function changesOf(before: ApiMaterial, after: ApiMaterial): readonly string[] {
  const differ = (part: (of: ApiMaterial) => unknown): boolean =>
    JSON.stringify(part(before)) !== JSON.stringify(part(after));
  return [
    ...(differ(({ tls }) => [tls?.chain, tls?.key]) ? ['the API shows another certificate'] : []),
    ...(differ(({ tls }) => tls?.clientCas) ? ['the API takes client certificates of other authorities'] : []),
    ...(differ(({ authentication }) => authentication?.oidc ?? []) ? ['the API takes JWTs by other rules'] : []),
    ...(differ(({ authentication }) => authentication?.certificates ?? [])
      ? ['the API takes client certificates by other rules']
      : []),
  ];
}

function metricsSources({ store, provisioner, observers, readiness, timers, sources }: SurfaceDeps): MetricsSources {
  const now = (): number => timers.now();
  return {
    ...sources,
    version,
    now,
    openAttempts: () => provisioner.openAttempts,
    groupName: (groupId) => provisioner.policy.current.groups.get(groupId)?.name,
    deviceCounts: () => store.deviceCounts(),
    refusalCounts: () => store.refusalCounts(now()),
    listsSigned: async () => (await provisioner.revocations.all(now())).map(({ thisUpdate }) => thisUpdate),
    deliveries: () => deliveriesOf(store),
    eventReaders: () => observers.events?.open ?? 0,
    ready: () => readiness().ready,
  };
}

async function deliveriesOf(store: Store): Promise<{ readonly waiting: number; readonly dead: number }> {
  const sum = { waiting: 0, dead: 0 };
  for (const { id } of await store.webhooks.list()) {
    const { waiting, dead } = await store.deliveryCounts({ webhookId: id, most: countedDeliveries });
    sum.waiting += waiting;
    sum.dead += dead;
  }
  return sum;
}

/** Of each webhook and kind: beyond that it is known that something is wrong. */
const countedDeliveries = 1000;
