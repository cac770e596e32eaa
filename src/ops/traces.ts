import { ROOT_CONTEXT, type Span, SpanStatusCode, type Tracer, trace } from '@opentelemetry/api';
import type { ErrorCode } from '../core/errors.ts';
import type { Uuid } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import type { EntryListener } from '../provision/ports.ts';
import { StageTimes } from '../provision/stage-times.ts';

/**
 * A span for each attempt, and below it one for each stage with the time that the service took for it. Where they go is the
 * business of the OpenTelemetry SDK of whoever runs the service; without one they go nowhere. Attributes are bounded words;
 * ids of device keys are among them, for they are what a trace is looked for by.
 */
export function traceAttempts(tracer: Tracer): EntryListener {
  const open = new Map<Uuid, OpenTrace>();
  const times = new StageTimes();

  const begin = (attemptId: Uuid, startTime: number, attributes: Readonly<Record<string, string>>): OpenTrace => {
    const span = tracer.startSpan('attempt', {
      startTime,
      attributes: { 'firstboot.attempt': attemptId, ...attributes },
    });
    const begun = { span, refused: new Map<string, ErrorCode>() };
    open.set(attemptId, begun);
    const [[oldest, left] = []] = open;
    if (open.size > limits.operations.traces && oldest !== undefined) {
      open.delete(oldest);
      left?.span.end();
    }
    return begun;
  };

  return (attemptId, entry, device) => {
    if (entry.type === 'opened') begin(attemptId, entry.at, { 'network.transport': entry.transport });
    // A run that an earlier process has begun has no span here.
    const trace = open.get(attemptId);
    if (!trace) return;
    if (entry.type === 'stage') {
      noteRefusal(trace, entry);
      // What is decided with the handshake has no time of its own.
      if (entry.facts.step === undefined && withHandshake.has(entry.stage)) {
        stageSpan(tracer, trace, entry.stage, entry.at, entry.at);
      }
    }
    for (const { stage, ms, at } of times.feed(attemptId, entry)) stageSpan(tracer, trace, stage, at - ms, at);
    if (entry.type !== 'closed') return;
    const { verdict, refusal, bytesIn, bytesOut } = entry;
    trace.span.setAttributes({
      'firstboot.verdict': verdict,
      'firstboot.bytes.in': bytesIn,
      'firstboot.bytes.out': bytesOut,
      ...(device && { 'firstboot.key': device.keyId, 'firstboot.group': device.groupId }),
    });
    // Those of whom no answer has gone out: they were refused before they asked.
    for (const stage of trace.refused.keys()) stageSpan(tracer, trace, stage, entry.at, entry.at);
    if (refusal) fail(trace.span, refusal.code);
    trace.span.end(entry.at);
    open.delete(attemptId);
  };
}

/** The tracer that the program has set up (`--import` of an SDK); one that does nothing when it has none. */
export const programTracer = (version: string): Tracer => trace.getTracer('firstboot', version);

interface OpenTrace {
  readonly span: Span;
  /** Stages that have said no, until they have their span. */
  readonly refused: Map<string, ErrorCode>;
}

const withHandshake: ReadonlySet<string> = new Set(['attest', 'match', 'admit']);

function noteRefusal({ refused }: OpenTrace, { stage, refusal }: Extract<Entry, { type: 'stage' }>): void {
  if (refusal) refused.set(stage, refusal.code);
}

type Entry = Parameters<EntryListener>[1];

function stageSpan(
  tracer: Tracer,
  { span: parent, refused }: OpenTrace,
  stage: string,
  from: number,
  to: number,
): void {
  const span = tracer.startSpan(stage, { startTime: from, attributes: { 'firstboot.stage': stage } }, under(parent));
  const code = refused.get(stage);
  if (code !== undefined) fail(span, code);
  refused.delete(stage);
  span.end(to);
}

const under = (parent: Span) => trace.setSpan(ROOT_CONTEXT, parent);

function fail(span: Span, code: ErrorCode): void {
  span.setAttribute('error.type', code);
  span.setStatus({ code: SpanStatusCode.ERROR, message: code });
}
