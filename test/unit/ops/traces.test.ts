import { SpanStatusCode } from '@opentelemetry/api';
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
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
      'network.transport': 'coaps',
      'firstboot.key': recorded?.keyId,
    });
    const stages = spans.filter(({ name }) => name !== 'attempt');
    expect(new Set(stages.map(({ name }) => name))).toEqual(
      new Set(['handshake', 'attest', 'match', 'admit', 'authorize', 'bind', 'configure', 'issue']),
    );
    for (const { parentSpanContext, startTime, endTime, status } of stages) {
      expect(parentSpanContext?.spanId).toBe(attempt?.spanContext().spanId);
      expect(endTime[0] * 1e9 + endTime[1]).toBeGreaterThanOrEqual(startTime[0] * 1e9 + startTime[1]);
      expect(status.code).toBe(SpanStatusCode.UNSET);
    }
  });
});

describe('traces', () => {
  const id = '01890000-0000-7000-8000-000000000001';
  const opened = { at: 1000, type: 'opened', transport: 'coaps', peer: '192.0.2.1:5684' } as const;
  const refusal = { code: 'match.no-group', evidence: { subject: 'CN=secret' }, fix: 'register it' } as const;
  const closed = { at: 1100, type: 'closed', verdict: 'refused', refusal, bytesIn: 10, bytesOut: 20 } as const;

  it('of a refused attempt are errors with the code, and say nothing else of the peer', () => {
    const listener = traceAttempts(tracer);
    listener(id, opened, undefined);
    listener(id, { at: 1050, type: 'stage', stage: 'match', result: 'refused', facts: {}, refusal }, undefined);
    listener(id, closed, undefined);
    const spans = exporter.getFinishedSpans();
    expect(spans.map(({ name, status }) => [name, status.code, status.message])).toEqual([
      ['match', SpanStatusCode.ERROR, 'match.no-group'],
      ['attempt', SpanStatusCode.ERROR, 'match.no-group'],
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
