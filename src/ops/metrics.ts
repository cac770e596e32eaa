import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Millis } from '../core/clock.ts';
import { errorTable } from '../core/errors.ts';
import type { Uuid } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import type { EntryListener } from '../provision/ports.ts';
import { stageTime } from '../provision/stage-times.ts';
import type { StoreWrite } from '../store/level.ts';
import { deviceStates, type RefusalCount } from '../store/model.ts';
import type { DeviceCount } from '../store/store.ts';
import { BoundedNames } from './bounded-names.ts';
import type { CertificateKind } from './health.ts';

/** What gauges look at when somebody asks for the metrics. */
export interface MetricsSources {
  readonly version: string;
  readonly now: () => Millis;
  readonly sessions: () => readonly {
    readonly transport: Transport;
    readonly open: number;
    readonly halfOpen: number;
  }[];
  readonly openAttempts: () => number;
  /** Undefined: there is no such group any more. */
  readonly groupName: (groupId: Uuid) => string | undefined;
  readonly deviceCounts: () => Promise<readonly DeviceCount[]>;
  /** Of strangers, in this hour. */
  readonly refusalCounts: () => Promise<readonly RefusalCount[]>;
  /** When certificates end, by what they are. */
  readonly ends: () => readonly (readonly [certificate: CertificateKind, notAfter: Millis])[];
  /** When our own revocation lists were signed. */
  readonly listsSigned: () => Promise<readonly Millis[]>;
  readonly deliveries: () => Promise<{ readonly waiting: number; readonly dead: number }>;
  /** Live event streams, and webhooks. */
  readonly eventReaders: () => number;
  readonly ready: () => boolean;
}

export interface Metrics {
  readonly entryListener: EntryListener;
  wrote(write: StoreWrite): void;
  /** @param route as it is documented: `/devices/{device}` */
  answered(request: { readonly route: string; readonly status: number; readonly ms: Millis }): void;
  reloaded(result: 'done' | 'refused'): void;
  /** Everything in Prometheus' text format, and its media type. */
  text(): Promise<{ readonly contentType: string; readonly text: string }>;
}

/** Metrics of a registry of their own. Names and labels are bounded: no device, owner or key is ever one. */
export function createMetrics(sources: MetricsSources): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  addGauges(registry, sources);

  const attempts = new Counter({
    name: 'firstboot_attempts_total',
    help: 'Attempts that have ended.',
    labelNames: ['verdict', 'transport', 'group'],
    registers,
  });
  const refusals = new Counter({
    name: 'firstboot_refusals_total',
    help: 'Attempts that have ended with a refusal or a failure, by code.',
    labelNames: ['code'],
    registers,
  });
  const bytes = new Counter({
    name: 'firstboot_device_bytes_total',
    help: 'Bytes of the sessions of attempts that have ended.',
    labelNames: ['direction'],
    registers,
  });
  const stages = new Histogram({
    name: 'firstboot_stage_duration_seconds',
    help: "A stage's own time; step: what the device was given with it, or none.",
    labelNames: ['stage', 'step'],
    buckets: limits.store.stageBounds.map(inSeconds),
    registers,
  });
  const handshakes = new Histogram({
    name: 'firstboot_handshake_duration_seconds',
    help: 'From the first byte of a session to its finished handshake.',
    labelNames: ['transport'],
    buckets: limits.store.stageBounds.map(inSeconds),
    registers,
  });
  const writes = new Histogram({
    name: 'firstboot_store_write_duration_seconds',
    help: 'Lots of writes on their way to the disk.',
    labelNames: ['durable'],
    buckets: limits.store.stageBounds.map(inSeconds),
    registers,
  });
  const failedWrites = new Counter({
    name: 'firstboot_store_write_failures_total',
    help: 'Lots of writes that did not reach the disk.',
    registers,
  });
  const queue = new Gauge({
    name: 'firstboot_store_queue_rows',
    help: 'Rows that waited for the next lot when the last one was written.',
    registers,
  });
  const requests = new Histogram({
    name: 'firstboot_api_request_duration_seconds',
    help: 'Requests to the API, by route and status.',
    labelNames: ['route', 'status'],
    buckets: [0.005, 0.02, 0.1, 0.5, 2, 10],
    registers,
  });
  const reloads = new Counter({
    name: 'firstboot_reloads_total',
    help: 'How often the configuration was read again, by what came of it.',
    labelNames: ['result'],
    registers,
  });

  // What has not been told before has not grown: the first refusal after a start, and the first reload, would go unseen.
  for (const code of Object.keys(errorTable).filter((name) => !ofNoAttempt.test(name))) refusals.inc({ code }, 0);
  for (const result of ['done', 'refused']) reloads.inc({ result }, 0);

  const transports = new OpenTransports();
  const groups = new BoundedNames(limits.operations.metricGroups);
  const routes = new BoundedNames(limits.operations.metricRoutes);
  return {
    entryListener: (attemptId, entry) => {
      const transport = transports.feed(attemptId, entry);
      const time = stageTime(entry);
      if (time?.stage === 'handshake') handshakes.observe({ transport }, inSeconds(time.ms));
      else if (time) stages.observe({ stage: time.stage, step: time.step ?? 'none' }, inSeconds(time.ms));
      if (entry.type !== 'closed') return;
      const { verdict, refusal, groupId, bytesIn, bytesOut } = entry;
      const name = groupId === undefined ? undefined : sources.groupName(groupId);
      attempts.inc({ verdict, transport, group: name === undefined ? 'none' : groups.name(name) });
      if (refusal) refusals.inc({ code: refusal.code });
      bytes.inc({ direction: 'in' }, bytesIn);
      bytes.inc({ direction: 'out' }, bytesOut);
    },
    wrote: ({ durable, ms, waiting, error }) => {
      writes.observe({ durable: String(durable) }, inSeconds(ms));
      queue.set(waiting);
      if (error !== undefined) failedWrites.inc();
    },
    answered: ({ route, status, ms }) => {
      requests.observe({ route: routes.name(route), status: String(status) }, inSeconds(ms));
    },
    reloaded: (result) => reloads.inc({ result }),
    text: async () => ({ contentType: registry.contentType, text: await registry.metrics() }),
  };
}

type Transport = 'coaps' | 'coaps+tcp';

/** Codes that no attempt ends with. */
const ofNoAttempt = /^(operator|api|command|device|cloud|confirm|pem)\./;

function addGauges(registry: Registry, sources: MetricsSources): void {
  const gauge = <const L extends string>(
    name: string,
    help: string,
    labelNames: readonly L[],
    read: () => Promise<readonly Sample<L>[]> | readonly Sample<L>[],
  ): void => {
    new Gauge({
      name,
      help,
      labelNames,
      registers: [registry],
      async collect() {
        // What cannot be had now is missing; the rest is told all the same.
        const samples = await Promise.resolve()
          .then(read)
          .catch(() => []);
        this.reset();
        if (samples.length === 0) this.remove({});
        for (const [labels, value] of samples) this.set(labels, value);
      },
    });
  };
  gauge('firstboot_build_info', 'Always 1.', ['version', 'node'], () => [
    [{ version: sources.version, node: process.versions.node }, 1],
  ]);
  gauge('firstboot_ready', '1 while the service takes devices.', [], () => [[{}, sources.ready() ? 1 : 0]]);
  gauge('firstboot_sessions', 'Sessions that are open.', ['transport'], () =>
    sources.sessions().map(({ transport, open }) => [{ transport }, open]),
  );
  gauge('firstboot_sessions_half_open', 'Sessions whose handshake is not finished.', ['transport'], () =>
    sources.sessions().map(({ transport, halfOpen }) => [{ transport }, halfOpen]),
  );
  gauge('firstboot_attempts_open', 'Attempts that have not ended.', [], () => [[{}, sources.openAttempts()]]);
  gauge('firstboot_devices', 'Devices by state.', ['state'], async () => {
    const counts = await sources.deviceCounts();
    return deviceStates.map((state) => [{ state }, sum(counts.filter((count) => count.state === state))]);
  });
  gauge('firstboot_devices_alarmed', 'Devices with an open alarm.', [], async () => [
    [{}, sum((await sources.deviceCounts()).filter(({ alarms }) => alarms))],
  ]);
  gauge(
    'firstboot_strangers',
    'Strangers that were refused in this hour, most of them only counted.',
    ['code'],
    async () => (await sources.refusalCounts()).map(({ code, count }) => [{ code }, count]),
  );
  gauge('firstboot_certificate_expiry_timestamp_seconds', 'When a certificate ends, since 1970.', ['certificate'], () =>
    sources.ends().map(([certificate, notAfter]) => [{ certificate }, inSeconds(notAfter)]),
  );
  gauge('firstboot_crl_age_seconds', 'Age of the oldest of our revocation lists in force.', [], async () => {
    const signed = await sources.listsSigned();
    return signed.length > 0 ? [[{}, inSeconds(sources.now() - Math.min(...signed))]] : [];
  });
  gauge('firstboot_webhook_deliveries', 'Events that webhooks have not taken yet.', ['state'], async () => {
    const { waiting, dead } = await sources.deliveries();
    return [
      [{ state: 'waiting' }, waiting],
      [{ state: 'dead' }, dead],
    ];
  });
  gauge('firstboot_event_readers', 'Live event streams and webhooks that follow the events.', [], () => [
    [{}, sources.eventReaders()],
  ]);
}

type Sample<L extends string> = readonly [labels: { readonly [K in L]: string }, value: number];

const sum = (counts: readonly DeviceCount[]): number => counts.reduce((total, { count }) => total + count, 0);

const inSeconds = (ms: Millis): number => ms / 1000;

/** The transport of each attempt that is open; of limits.provision.openAttempts. */
class OpenTransports {
  private readonly open = new Map<Uuid, Transport>();

  /** @returns that of the attempt, the last one it came by */
  feed(attemptId: Uuid, entry: Parameters<EntryListener>[1]): Transport | 'unknown' {
    if (entry.type === 'opened' || entry.type === 'session') this.open.set(attemptId, entry.transport);
    const transport = this.open.get(attemptId) ?? 'unknown';
    if (entry.type === 'closed') this.open.delete(attemptId);
    const [oldest] = this.open.keys();
    if (this.open.size > limits.provision.openAttempts && oldest !== undefined) this.open.delete(oldest);
    return transport;
  }
}
