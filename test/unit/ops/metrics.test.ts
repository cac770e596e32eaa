import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { days } from '../../../src/core/clock.ts';
import { limits } from '../../../src/core/limits.ts';
import { createMetrics, type Metrics, type MetricsSources } from '../../../src/ops/metrics.ts';
import { verdicts } from '../../../src/store/model.ts';
import { type ConfiguredService, startConfiguredService } from '../../support/configured-service.ts';
import { someUuid } from '../../support/store-records.ts';

const now = Date.UTC(2026, 5, 1);
const group = '6a0b1b1c-3a5b-4b5e-9a55-0e5c0a1d2e3f';
const sources: MetricsSources = {
  version: '1.2.3',
  now: () => now,
  sessions: () => [{ transport: 'coaps', open: 7, halfOpen: 2 }],
  openAttempts: () => 3,
  groupName: (id) => (id === group ? 'washing machines' : id.startsWith('many') ? id : undefined),
  deviceCounts: async () => [
    { groupId: group, ownerId: 'o', state: 'active', hubId: undefined, alarms: true, count: 5 },
    { groupId: group, ownerId: 'p', state: 'active', hubId: undefined, alarms: false, count: 6 },
  ],
  refusalCounts: async () => [{ hour: now, code: 'attest.not-tls', count: 9, recorded: 1 }],
  ends: () => [['root', now + days(30)]],
  listsSigned: async () => [now - 60_000, now - 5_000],
  deliveries: async () => ({ waiting: 4, dead: 1 }),
  eventReaders: () => 2,
  ready: () => true,
};
const page = (path: string): string => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');
const namesIn = (text: string): readonly string[] => [...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name = '']) => name);

/** Sample -> value. */
async function samplesOf(metrics: Metrics): Promise<ReadonlyMap<string, string>> {
  const { text } = await metrics.text();
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), line.slice(line.lastIndexOf(' ') + 1)]));
}

describe('metrics', () => {
  it('count attempts, refusals, bytes and times as they are recorded', async () => {
    const metrics = createMetrics(sources);
    const id = '01890000-0000-7000-8000-000000000001';
    metrics.entryListener(id, { at: now, type: 'opened', transport: 'coaps', peer: '192.0.2.1:1' }, undefined);
    metrics.entryListener(id, { at: now, type: 'handshake', version: '', cipherSuite: '', ms: 40 }, undefined);
    const stage = { at: now, type: 'stage', result: 'ok' } as const;
    metrics.entryListener(id, { ...stage, stage: 'attest', facts: {}, took: { after: 0, ms: 0.3 } }, undefined);
    const told = { ...stage, stage: 'configure', facts: { step: 'cloud' }, took: { after: 0, ms: 3 } } as const;
    metrics.entryListener(id, told, undefined);
    const refusal = { code: 'bind.device-id-taken', evidence: {}, fix: '' } as const;
    const sums = { bytesIn: 100, bytesOut: 200, groupId: group };
    metrics.entryListener(id, { at: now, type: 'closed', verdict: 'refused', refusal, ...sums }, undefined);
    const samples = await samplesOf(metrics);
    expect(Object.fromEntries(samples)).toMatchObject({
      'firstboot_attempts_total{verdict="refused",transport="coaps",group="washing machines"}': '1',
      'firstboot_refusals_total{code="bind.device-id-taken"}': '1',
      'firstboot_device_bytes_total{direction="out"}': '200',
      'firstboot_handshake_duration_seconds_sum{transport="coaps"}': '0.04',
      'firstboot_stage_duration_seconds_bucket{le="0.0005",stage="attest",step="none"}': '1',
      'firstboot_stage_duration_seconds_bucket{le="0.0002",stage="attest",step="none"}': '0',
      'firstboot_stage_duration_seconds_bucket{le="0.005",stage="configure",step="cloud"}': '1',
      'firstboot_stage_duration_seconds_bucket{le="0.002",stage="configure",step="cloud"}': '0',
    });
  });

  it('look at the service when somebody asks', async () => {
    const samples = Object.fromEntries(await samplesOf(createMetrics(sources)));
    expect(samples).toMatchObject({
      [`firstboot_build_info{version="1.2.3",node="${process.versions.node}"}`]: '1',
      firstboot_ready: '1',
      'firstboot_sessions{transport="coaps"}': '7',
      'firstboot_sessions_half_open{transport="coaps"}': '2',
      firstboot_attempts_open: '3',
      'firstboot_devices{state="active"}': '11',
      'firstboot_devices{state="pending"}': '0',
      firstboot_devices_alarmed: '5',
      'firstboot_strangers{code="attest.not-tls"}': '9',
      'firstboot_certificate_expiry_timestamp_seconds{certificate="root"}': String((now + days(30)) / 1000),
      firstboot_crl_age_seconds: '60',
      'firstboot_webhook_deliveries{state="dead"}': '1',
      firstboot_event_readers: '2',
    });
  });

  it('begin at nothing, so that the first refusal and the first reload are seen to be one more', async () => {
    const samples = Object.fromEntries(await samplesOf(createMetrics(sources)));
    expect(samples).toMatchObject({
      'firstboot_refusals_total{code="attest.expired"}': '0',
      'firstboot_refusals_total{code="configure.token"}': '0',
      'firstboot_refusals_total{code="service.store"}': '0',
      'firstboot_reloads_total{result="refused"}': '0',
      firstboot_store_write_failures_total: '0',
    });
    expect(Object.keys(samples).filter((name) => /code="(api|operator|command|device)\./.test(name))).toEqual([]);
  });

  it('bound what they tell apart: groups and routes beyond the first are other ones', async () => {
    const metrics = createMetrics(sources);
    const closed = { at: now, type: 'closed', verdict: 'provisioned', bytesIn: 0, bytesOut: 0 } as const;
    for (let k = 0; k < limits.operations.metricGroups + 50; k++) {
      metrics.entryListener(`a-${k}`, { ...closed, groupId: `many ${k}` }, undefined);
    }
    for (let k = 0; k < limits.operations.metricRoutes + 50; k++) {
      metrics.answered({ route: `/made/up/${k}`, status: 404, ms: 1 });
    }
    const { text } = await metrics.text();
    const groups = new Set([...text.matchAll(/group="([^"]*)"/g)].map(([, name]) => name));
    const routes = new Set([...text.matchAll(/route="([^"]*)"/g)].map(([, name]) => name));
    expect([groups.size, groups.has('other')]).toEqual([limits.operations.metricGroups + 1, true]);
    expect([routes.size, routes.has('other')]).toEqual([limits.operations.metricRoutes + 1, true]);
  });

  it('leave out what cannot be had, and tell the rest', async () => {
    const away = async (): Promise<never> => Promise.reject(new Error('the store is away'));
    const samples = await samplesOf(createMetrics({ ...sources, deviceCounts: away, deliveries: away }));
    expect([...samples.keys()].filter((name) => name.startsWith('firstboot_devices'))).toEqual([]);
    expect(samples.get('firstboot_attempts_open')).toBe('3');
  });
});

describe('what is written about metrics', async () => {
  const known = namesIn((await createMetrics(sources).text()).text);
  const manual = page('docs/operating.md');
  const own = known.filter((name) => name.startsWith('firstboot_'));
  /** What a query can name of a metric. */
  const series = new Set(known.flatMap((name) => [name, `${name}_bucket`, `${name}_sum`, `${name}_count`]));
  const unknownIn = (query: string): readonly string[] =>
    [...query.matchAll(/\b(?:firstboot|nodejs|process)_[a-z0-9_]+/g)]
      .map(([name]) => name)
      .filter((name) => !series.has(name));

  it('is complete in the operator’s guide', () => {
    expect(own.length).toBeGreaterThan(18);
    for (const name of own) expect(manual, name).toContain(`\`${name}\``);
    expect(unknownIn(manual)).toEqual([]);
  });

  it('asks in the Grafana dashboard for metrics that there are, and for each of ours', () => {
    const text = page('packaging/grafana-dashboard.json');
    const { panels } = JSON.parse(text) as { panels: { targets?: { expr: string }[] }[] };
    const queries = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
    expect(queries.length).toBeGreaterThan(20);
    expect(queries.flatMap(unknownIn)).toEqual([]);
    for (const name of own)
      expect(
        queries.some((query) => query.includes(name)),
        name,
      ).toBe(true);
  });

  it('asks in the alert rules for metrics that there are, and for values that they can have', async () => {
    const { groups } = parse(page('packaging/prometheus-alerts.yaml')) as { groups: { rules: { expr: string }[] }[] };
    const queries = groups.flatMap(({ rules }) => rules.map(({ expr }) => expr));
    expect(queries.length).toBeGreaterThan(8);
    expect(queries.flatMap(unknownIn)).toEqual([]);
    const metrics = createMetrics(sources);
    const ended = { at: now, type: 'closed', bytesIn: 0, bytesOut: 0 } as const;
    for (const verdict of verdicts) metrics.entryListener(someUuid(1), { ...ended, verdict }, undefined);
    metrics.wrote({ durable: true, rows: 1, ms: 1, waiting: 0, error: undefined });
    const samples = [...(await samplesOf(metrics)).keys()];
    const selectors = queries.flatMap((query) => [...query.matchAll(/(firstboot_\w+)\{([^}]*)\}/g)]);
    expect(selectors.length).toBeGreaterThan(4);
    for (const [, name = '', matchers = ''] of selectors) {
      for (const [, label = '', how = '', value = ''] of matchers.matchAll(/(\w+)(=~|=)"([^"]*)"/g)) {
        const wanted = new RegExp(how === '=' ? `^${value}$` : `^(?:${value.replaceAll('\\\\', '\\')})$`);
        const there = samples.filter((sample) => sample.startsWith(`${name}{`));
        const told = there.map((sample) => new RegExp(`[{,]${label}="([^"]*)"`).exec(sample)?.[1] ?? '');
        expect(
          told.some((one) => wanted.test(one)),
          `${name} ${label} ${value}`,
        ).toBe(true);
      }
    }
  });
});

describe('the metrics of a running service', () => {
  let running: ConfiguredService;
  beforeAll(async () => {
    running = await startConfiguredService();
  });
  afterAll(() => running.close());

  it('tell of a device that came, of requests, writes and certificates, and name nobody', async () => {
    const device = await running.device(0);
    await device.provision();
    await device.close();
    await expect.poll(async () => (await running.get('/metrics')).text()).toContain('verdict="provisioned"');
    const text = await (await running.get('/metrics')).text();
    for (const sample of [
      'firstboot_attempts_total{verdict="provisioned",transport="coaps",group="the devices"} 1',
      'firstboot_stage_duration_seconds_count{stage="attest",step="none"}',
      'firstboot_stage_duration_seconds_count{stage="match",step="none"}',
      'firstboot_stage_duration_seconds_count{stage="admit",step="none"}',
      'firstboot_stage_duration_seconds_count{stage="issue",step="credentials"}',
      'firstboot_devices{state="active"} 1',
      'firstboot_api_request_duration_seconds_count{route="/metrics",status="200"}',
      'firstboot_store_write_duration_seconds_count{durable="true"}',
      'firstboot_certificate_expiry_timestamp_seconds{certificate="service"}',
    ]) {
      expect(text).toContain(sample);
    }
    const [known] = await running.service.store.devices({ limit: 1 });
    for (const id of [known?.keyId, known?.deviceId, known?.ownerId, known?.groupId, '127.0.0.1']) {
      expect(id).toBeDefined();
      expect(text).not.toContain(id);
    }
  });
});
