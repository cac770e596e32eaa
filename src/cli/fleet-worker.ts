import type { Scenario } from '../fleet/scenario.ts';
import { type FromWorker, runHere, type ToWorker } from './fleet-run.ts';

/** A process of `firstboot fleet --workers`: is sent a scenario, runs it, sends what came of it, and ends. */

const stop = new AbortController();

// A signal of the terminal reaches every process of the group; the first process says when to stop.
process.on('SIGINT', () => undefined).on('SIGTERM', () => undefined);
process.on('disconnect', () => process.exit());
process.on('message', (message: ToWorker) => {
  if (message.type === 'stop') stop.abort();
  else void run(message.scenario);
});

async function run(scenario: Scenario): Promise<void> {
  try {
    const onProgress = (progress: Extract<FromWorker, { type: 'progress' }>['progress']): void => {
      void send({ type: 'progress', progress });
    };
    await send({ type: 'outcome', outcome: await runHere(scenario, { onProgress, stop: stop.signal }) });
  } catch (error) {
    await send({ type: 'failed', reason: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
  process.disconnect();
}

/** Until it is written: an outcome is large. */
const send = (message: FromWorker): Promise<void> =>
  new Promise((resolve) => {
    process.send?.(message, () => resolve());
  });
