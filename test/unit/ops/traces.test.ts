import { SpanStatusCode } from '@opentelemetry/api';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { limits } from '../../../src/core/limits.ts';
import { traceAttempts } from '../../../src/ops/traces.ts';
import { type ConfiguredService, startConfiguredService } from '../../support/configured-service.ts';

const exporter = new InMemorySpanExporter();
const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
const tracer = provider.getTracer('test');
beforeEach(() => exporter.reset());

describe('traces of a service', () => {
  let running: ConfiguredService;
  beforeAll(async () => {
    running = await startConfiguredService({ service: { tracer } });
  });
  afterAll(() => running.close());

  it('have a span for the attempt of a device, and one below it for each stage with its time', async () => {
    const device = await running.device(0);
    await device.provision();
    await device.close();
    await expect.poll(() => exporter.getFinishedSpans().map(({ name }) => name)).toContain('attempt');
    const spans = exporter.getFinishedSpans();
    const attempt = spans.find(({ name }) => name === 'attempt');
    const [recorded] = await running.service.store.attempts({ limit: 1 });
    expect(attempt?.attributes).toMatchObject({
      'firstboot.attempt': recorded?.id,
      'firstboot.verdict': 'provisioned',
      'network.transport': 'udp',
      'firstboot.key': recorded?.keyId,
    });
    const stages = spans.filter(({ name }) => name !== 'attempt');
    expect(new Set(stages.map(({ name }) => name))).toEqual(
      new Set(['handshake', 'attest', 'match', 'admit', 'authorize', 'bind', 'configure', 'issue']),
    );
    const whole = attempt && placeOf(attempt);
    for (const span of stages) {
      expect(span.parentSpanContext?.spanId).toBe(attempt?.spanContext().spanId);
      expect(span.status.code).toBe(SpanStatusCode.UNSET);
      const { from, to } = placeOf(span);
      expect(from).toBeGreaterThanOrEqual(whole?.from ?? Number.POSITIVE_INFINITY);
      expect(to).toBeGreaterThanOrEqual(from);
      expect(to).toBeLessThanOrEqual(whole?.to ?? 0);
    }
  });
});

/** When a span began and ended, microseconds. */
const placeOf = ({ startTime, endTime }: ReadableSpan) => ({
  from: microseconds(startTime),
  to: microseconds(endTime),
});
const microseconds = ([s, ns]: readonly [number, number]): number => s * 1_000_000 + ns / 1000;

describe('traces', () => {
  const id = '01890000-0000-7000-8000-000000000001';
  const start = Date.UTC(2026, 5, 1);
  const opened = { at: start, type: 'opened', transport: 'coaps', peer: '192.0.2.1:5684' } as const;
  const refusal = { code: 'match.no-group', evidence: { subject: 'CN=secret' }, fix: 'register it' } as const;
  const closed = { at: start + 100, type: 'closed', verdict: 'refused', refusal, bytesIn: 10, bytesOut: 20 } as const;
  const stage = { at: start + 50, type: 'stage', result: 'ok', facts: {} } as const;

  it('put stages where they were, one after the other, to the microsecond, below the attempt', () => {
    const listener = traceAttempts(tracer);
    listener(id, opened, undefined);
    listener(id, { at: start + 50, type: 'handshake', version: '', cipherSuite: '', ms: 50 }, undefined);
    listener(id, { ...stage, stage: 'attest', took: { after: 0.05, ms: 0.31 } }, undefined);
    listener(id, { ...stage, stage: 'match', took: { after: 0.36, ms: 0.002 } }, undefined);
    listener(id, { ...stage, stage: 'admit', took: { after: 0.362, ms: 1.5 } }, undefined);
    const cloud = { ...stage, at: start + 60, facts: { step: 'cloud', hub: 'x' } } as const;
    listener(id, { ...cloud, stage: 'configure', took: { after: 0.125, ms: 30 } }, undefined);
    listener(id, { ...closed, verdict: 'provisioned' }, undefined);
    const spans = exporter.getFinishedSpans();
    const begin = start * 1000;
    expect(spans.map((span) => [span.name, placeOf(span).from - begin, placeOf(span).to - begin])).toEqual([
      ['handshake', 0, 50_000],
      ['attest', 50_050, 50_360],
      ['match', 50_360, 50_362],
      ['admit', 50_362, 51_862],
      ['configure', 60_125, 90_125],
      ['attempt', 0, 100_000],
    ]);
    expect(spans[4]?.attributes).toEqual({ 'firstboot.stage': 'configure', 'firstboot.step': 'cloud' });
  });

  it('end an attempt no sooner than its stages, also within the millisecond in which it ends', () => {
    const listener = traceAttempts(tracer);
    listener(id, opened, undefined);
    listener(id, { ...stage, at: start + 100, stage: 'attest', took: { after: 0.2, ms: 0.5 } }, undefined);
    listener(id, closed, undefined);
    const [attest, attempt] = exporter.getFinishedSpans();
    expect(attempt && placeOf(attempt).to).toBe(start * 1000 + 100_700);
    expect(attempt && placeOf(attempt).to).toBe(attest && placeOf(attest).to);
  });

  it('of a refused attempt are errors with the code, and say nothing else of the peer', () => {
    const listener = traceAttempts(tracer);
    listener(id, opened, undefined);
    const no = { ...stage, stage: 'match', result: 'refused', refusal, took: { after: 0, ms: 1 } } as const;
    listener(id, { ...stage, stage: 'attest', took: { after: 0, ms: 1 } }, undefined);
    listener(id, no, undefined);
    listener(id, closed, undefined);
    const spans = exporter.getFinishedSpans();
    expect(spans.map(({ name, status, attributes }) => [name, status.message, attributes['error.type']])).toEqual([
      ['attest', undefined, undefined],
      ['match', 'match.no-group', 'match.no-group'],
      ['attempt', 'match.no-group', 'match.no-group'],
    ]);
    expect(spans.map(({ status }) => status.code)).toEqual([
      SpanStatusCode.UNSET,
      SpanStatusCode.ERROR,
      SpanStatusCode.ERROR,
    ]);
    expect(JSON.stringify(spans.map(({ attributes }) => attributes))).not.toMatch(/secret|192\.0\.2/);
  });

  it('of attempts that an earlier process has begun are none', () => {
    traceAttempts(tracer)(id, closed, undefined);
    expect(exporter.getFinishedSpans()).toEqual([]);
  });

  it('are bounded: the oldest ends when too many are open', () => {
    const listener = traceAttempts(tracer);
    for (let k = 0; k <= limits.operations.traces; k++) listener(`${id}-${k}`, opened, undefined);
    expect(exporter.getFinishedSpans()).toHaveLength(1);
  });
});
