import type { Tracer } from '@opentelemetry/api';
import type { Timers } from './core/clock.ts';
import type { JsonObject } from './core/json.ts';
import type { Log } from './core/log.ts';
import { EventHub } from './operator/event-hub.ts';
import { tellUntold } from './operator/event-recovery.ts';
import type { Metrics } from './ops/metrics.ts';
import { traceAttempts } from './ops/traces.ts';
import type { EntryListener } from './provision/ports.ts';
import { StatisticsRecorder } from './provision/statistics.ts';
import type { ReloadOutcome } from './reload.ts';
import type { StoreWrite } from './store/level.ts';
import type { AuditNews, Store } from './store/store.ts';

export interface ObserversDeps {
  readonly timers: Timers;
  readonly log: Log;
  readonly tracer: Tracer | undefined;
}

/**
 * Everybody who is told of what happens in a service: live events, statistics, traces, metrics. They look on; what they do wrong is
 * no device's business. The store tells of its writes before it is open: `begin` makes good what those have to say.
 */
export class Observers {
  /** Undefined: there is nobody to ask for them. */
  metrics: Metrics | undefined;
  private readonly deps: ObserversDeps;
  private parts: { readonly events: EventHub; readonly statistics: StatisticsRecorder } | undefined;

  constructor(deps: ObserversDeps) {
    this.deps = deps;
  }

  /** Tells first what the last process did not get to tell. @throws FirstbootError service.store */
  async begin(store: Store): Promise<void> {
    const { timers, log } = this.deps;
    const events = new EventHub({ store, timers, log });
    this.parts = { events, statistics: new StatisticsRecorder({ store, timers, log }) };
    await tellUntold(events, store);
  }

  /** Undefined before `begin`. */
  get events(): EventHub | undefined {
    return this.parts?.events;
  }

  /** One listener for the pipeline. */
  entries(other: EntryListener | undefined): EntryListener {
    const traces = this.deps.tracer && traceAttempts(this.deps.tracer);
    return (...told) => {
      const { parts, metrics } = this;
      const listeners = [parts?.statistics, parts?.events, metrics].map((part) => part?.entryListener);
      for (const listener of [...listeners, traces, other]) this.safely(listener, told);
    };
  }

  audited(line: AuditNews): void {
    this.events?.audited(line);
  }

  wrote(write: StoreWrite): void {
    this.metrics?.wrote(write);
  }

  reloaded(outcome: ReloadOutcome): void {
    this.metrics?.reloaded(outcome.ok ? 'done' : 'refused');
    const { name, from } = outcome.actor;
    if (outcome.ok) this.tell('service.reloaded', { by: name, from, effects: outcome.effects });
    else this.tell('service.reload-failed', { by: name, from, error: outcome.error });
  }

  tell(type: 'service.reloaded' | 'service.reload-failed' | 'service.draining', data: JsonObject): void {
    this.events?.tell(type, data);
  }

  /** Writes what is left to write. */
  async close(): Promise<void> {
    await this.parts?.statistics.close();
    await this.parts?.events.close();
  }

  private safely(listener: EntryListener | undefined, told: Parameters<EntryListener>): void {
    try {
      listener?.(...told);
    } catch (error) {
      this.deps.log.error({ attemptId: told[0], error }, 'a listener of attempts failed');
    }
  }
}
