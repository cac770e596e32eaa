import { type HrTime, ROOT_CONTEXT, type Span, SpanStatusCode, type Tracer, trace } from '@opentelemetry/api';
import type { Millis } from '../core/clock.ts';
import type { ErrorCode } from '../core/errors.ts';
import type { Uuid } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import type { EntryListener } from '../provision/ports.ts';
import { type StageTime, stageTime } from '../provision/stage-times.ts';

/**
 * A span for each attempt, and below it one for each stage with the time that the service took for it. Where they go is the
 * business of the OpenTelemetry SDK of whoever runs the service; without one they go nowhere. Attributes are bounded words;
 * ids of device keys are among them, for they are what a trace is looked for by.
 */
export function traceAttempts(tracer: Tracer): EntryListener {
  const open = new Map<Uuid, OpenTrace>();

  const begin = (attemptId: Uuid, at: Millis, attributes: Readonly<Record<string, string>>): void => {
    const span = tracer.startSpan('attempt', {
      startTime: hrTime(at),
      attributes: { 'firstboot.attempt': attemptId, ...attributes },
    });
    open.set(attemptId, { span, end: at });
    const [[oldest, left] = []] = open;
    if (open.size > limits.operations.traces && oldest !== undefined) {
      open.delete(oldest);
      left?.span.end(hrTime(left.end));
    }
  };

  return (attemptId, entry, device) => {
    if (entry.type === 'opened') begin(attemptId, entry.at, { 'network.transport': transports[entry.transport] });
    // A run that an earlier process has begun has no span here.
    const trace = open.get(attemptId);
    if (!trace) return;
    const time = stageTime(entry);
    if (time) stageSpan(tracer, trace.span, time, entry.type === 'stage' ? entry.refusal?.code : undefined);
    // `at` has no fractions: what was done in the same millisecond ends after it.
    trace.end = Math.max(trace.end, entry.at, time ? time.from + time.ms : 0);
    if (entry.type !== 'closed') return;
    const { verdict, refusal, bytesIn, bytesOut } = entry;
    trace.span.setAttributes({
      'firstboot.verdict': verdict,
      'firstboot.bytes.in': bytesIn,
      'firstboot.bytes.out': bytesOut,
      ...(device && { 'firstboot.key': device.keyId, 'firstboot.group': device.groupId }),
    });
    if (refusal) fail(trace.span, refusal.code);
    trace.span.end(hrTime(trace.end));
    open.delete(attemptId);
  };
}

/** The tracer that the program has set up (`--import` of an SDK); one that does nothing when it has none. */
export const programTracer = (version: string): Tracer => trace.getTracer('firstboot', version);

interface OpenTrace {
  readonly span: Span;
  /** Of what has happened in it so far. */
  end: Millis;
}

/** As OpenTelemetry's conventions call them. */
const transports = { coaps: 'udp', 'coaps+tcp': 'tcp' } as const;

function stageSpan(
  tracer: Tracer,
  parent: Span,
  { stage, step, from, ms }: StageTime,
  code: ErrorCode | undefined,
): void {
  const attributes = { 'firstboot.stage': stage, ...(step && { 'firstboot.step': step }) };
  const span = tracer.startSpan(stage, { startTime: hrTime(from), attributes }, trace.setSpan(ROOT_CONTEXT, parent));
  if (code !== undefined) fail(span, code);
  span.end(hrTime(from + ms));
}

function fail(span: Span, code: ErrorCode): void {
  span.setAttribute('error.type', code);
  span.setStatus({ code: SpanStatusCode.ERROR, message: code });
}

/** Seconds and nanoseconds, to the microsecond: of a bare number an SDK guesses whose clock it is of. */
function hrTime(at: Millis): HrTime {
  const microseconds = Math.round(at * 1000);
  return [Math.floor(microseconds / 1_000_000), (microseconds % 1_000_000) * 1000];
}
