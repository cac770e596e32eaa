import type { Millis } from '../core/clock.ts';
import { describe } from '../core/errors.ts';
import type { Uuid } from '../core/ids.ts';
import type { EntryListener } from '../provision/ports.ts';
import type { Output } from './output.ts';
import { plain } from './plain.ts';

/** The service's side of the demo: which stages have run, and which devices have been confirmed. */
export class ServiceWatch {
  private readonly output: Output;
  private stages: string[] = [];
  private readonly confirmed = new Set<string>();
  private wake: () => void = () => undefined;

  constructor(output: Output) {
    this.output = output;
  }

  readonly onEntry: EntryListener = (attempt, entry, device) => {
    if (entry.type === 'closed') this.output.data({ event: 'attempt', attempt, verdict: entry.verdict });
    if (entry.type !== 'stage') return;
    const { stage, result, facts, refusal } = entry;
    this.output.data({ event: 'stage', attempt, device: device?.deviceId, stage, result, facts, refusal });
    if (refusal) this.output.line(`    refused by the service: ${plain(describe(refusal))}`);
    if (stage === 'confirm') {
      this.confirmed.add(String(facts.deviceId));
      this.wake();
    }
    if (this.stages.at(-1) !== stage) this.stages.push(stage);
  };

  /** The stages since this was asked last. */
  takeStages(): string {
    const stages = this.stages.join(' ');
    this.stages = [];
    return stages;
  }

  /** Whether the cloud has said within `patience` that the device has arrived. */
  confirmation(deviceId: Uuid, patience: Millis): Promise<boolean> {
    return new Promise((resolve) => {
      const late = setTimeout(() => resolve(false), patience);
      this.wake = () => {
        if (!this.confirmed.has(deviceId)) return;
        clearTimeout(late);
        resolve(true);
      };
      this.wake();
    });
  }
}
