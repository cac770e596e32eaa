import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { failure } from '../core/errors.ts';
import { mergeOutcomes } from '../fleet/merge.ts';
import type { FleetOutcome, FleetProgress } from '../fleet/outcome.ts';
import { mergeProgress } from '../fleet/progress.ts';
import { runFleet } from '../fleet/run.ts';
import type { Scenario } from '../fleet/scenario.ts';
import type { Site } from '../fleet/site.ts';
import { splitScenario } from '../fleet/split.ts';

export interface FleetWatch {
  readonly onProgress: (progress: FleetProgress) => void;
  /** When it is aborted the run ends as soon as it can, and tells what there is. */
  readonly stop: AbortSignal;
}

/** How often a run tells how far it is, ms. */
const progressEvery = 200;

/** Runs a fleet in this process. */
export async function runHere(scenario: Scenario, { onProgress, stop }: FleetWatch): Promise<FleetOutcome> {
  const site = await openSite(scenario);
  try {
    return await runFleet(scenario, site, { onProgress, progressEvery, stop });
  } finally {
    await site.close();
  }
}

/** What a worker is told, and what it tells. */
export type ToWorker = { readonly type: 'run'; readonly scenario: Scenario } | { readonly type: 'stop' };
export type FromWorker =
  | { readonly type: 'progress'; readonly progress: FleetProgress }
  | { readonly type: 'outcome'; readonly outcome: FleetOutcome }
  | { readonly type: 'failed'; readonly reason: string };

/** Runs a fleet in several processes, each with its share of the devices and a service of its own. Virtual time only. */
export async function runInWorkers(scenario: Scenario, count: number, watch: FleetWatch): Promise<FleetOutcome> {
  const parts = splitScenario(scenario, count);
  const latest = parts.map(
    ({ devices }): FleetProgress => ({ at: 0, devices, booted: 0, arrived: 0, failures: 0, steps: {}, reasons: {} }),
  );
  // One that fails takes the others with it: what they would find is not asked for any more.
  const failed = new AbortController();
  const outcomes = await Promise.all(
    parts.map(async (part, at) => {
      const told = (progress: FleetProgress): void => {
        latest[at] = progress;
        watch.onProgress(mergeProgress(latest));
      };
      try {
        return named(await runWorker(part, told, watch.stop, failed.signal), at);
      } catch (error) {
        failed.abort();
        throw error;
      }
    }),
  );
  return mergeOutcomes(outcomes);
}

function runWorker(
  scenario: Scenario,
  onProgress: (progress: FleetProgress) => void,
  stop: AbortSignal,
  kill: AbortSignal,
): Promise<FleetOutcome> {
  return new Promise((resolve, reject) => {
    // Beside this file: its source when this is source, else what was compiled.
    const entry = fileURLToPath(import.meta.url).replace(/fleet-run\.([jt]s)$/, 'fleet-worker.$1');
    // A signal of the terminal reaches the whole group: workers leave it to this process.
    const worker = fork(entry, { serialization: 'advanced', stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    const say = (message: ToWorker): void => {
      if (worker.connected) worker.send(message);
    };
    kill.addEventListener('abort', () => worker.kill('SIGKILL'), { once: true });
    stop.addEventListener('abort', () => say({ type: 'stop' }), { once: true });
    worker.on('message', (message: FromWorker) => {
      if (message.type === 'progress') onProgress(message.progress);
      else if (message.type === 'outcome') resolve(message.outcome);
      else reject(new Error(message.reason));
    });
    worker.once('error', reject);
    worker.once('exit', (code, signal) => {
      reject(
        failure(
          'service.internal',
          { worker: worker.pid ?? 0, ended: signal ?? code ?? '' },
          'report it, and try --workers 1',
        ),
      );
    });
    say({ type: 'run', scenario });
    if (stop.aborted) say({ type: 'stop' });
  });
}

/** Devices of several processes need names of their own: the second process's first is device-00001.2. */
function named(outcome: FleetOutcome, worker: number): FleetOutcome {
  if (worker === 0) return outcome;
  const name = (device: string): string => `${device}.${worker + 1}`;
  return {
    ...outcome,
    devices: outcome.devices.map((device) => ({ ...device, name: name(device.name) })),
    violations: outcome.violations.map((violation) => ({ ...violation, device: name(violation.device) })),
  };
}

/** Loads only what the kind of site needs: a simulation is the whole service. */
async function openSite({ target, clock, seed, identityLife, devices }: Scenario): Promise<Site> {
  if (target.kind === 'endpoint') {
    const { openEndpointSite } = await import('../fleet/endpoint-site.ts');
    return openEndpointSite(target, { devices });
  }
  const life = identityLife === undefined ? {} : { identityLife };
  if (clock === 'virtual') {
    const { startSimulatedSite } = await import('../simulation.ts');
    return startSimulatedSite({ seed, gateways: [2], ...life });
  }
  const { startLocalSite } = await import('../local-site.ts');
  return startLocalSite(life);
}
