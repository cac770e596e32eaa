import { accessSync, constants, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { Command } from 'commander';
import { systemTimers } from '../core/clock.ts';
import { FirstbootError, failure } from '../core/errors.ts';
import { terminalJson } from '../core/json.ts';
import type { FleetOutcome } from '../fleet/outcome.ts';
import { htmlPage } from '../fleet/report/html.ts';
import { jsonReport } from '../fleet/report/json.ts';
import { junitXml } from '../fleet/report/junit.ts';
import { passed, type Report, reportOn } from '../fleet/report/report.ts';
import { summaryText } from '../fleet/report/text.ts';
import type { Scenario } from '../fleet/scenario.ts';
import { readScenario } from '../fleet/scenario-file.ts';
import { simulationStart } from '../simulation.ts';
import { addFleetOptions, type FleetOptions, overridesOf, requireWholeTarget, workersFor } from './fleet-options.ts';
import { type FleetWatch, runHere, runInWorkers } from './fleet-run.ts';
import { FleetView } from './fleet-view.ts';
import { createLive } from './live.ts';
import {
  bad,
  createOutput,
  exitCodes,
  faint,
  good,
  isUsage,
  reportFailure,
  strong,
  untilInterrupted,
} from './output.ts';

export function fleetCommand(): Command {
  const command = new Command('fleet')
    .description(
      'Run many simulated devices behind bad networks, wrong clocks and power cuts, and judge what came of it: in virtual ' +
        "time against a service of its own, over sockets, or against anybody's service. What a scenario file may say is " +
        'in docs/testing-devices.md; flags stand above it.',
    )
    .summary('run many simulated devices in bad conditions and judge the outcome')
    .argument('[scenario]', 'scenario file (YAML); without it 100 devices on a good network');
  return addFleetOptions(command)
    .addHelpText(
      'after',
      `
Exit codes: 0 all is well; 1 a device did not arrive, a promise was broken, a
budget exceeded or the run over too early; 2 the command line or the scenario
file is wrong, or what they name cannot be used. SIGINT ends the run and reports
what there is.

Examples:
  $ firstboot fleet --devices 1000 --loss 10%
  $ firstboot fleet examples/scenarios/first-day.yaml --short
  $ firstboot fleet --endpoint coaps://dps.example.com:20030 \\
      --factory devices --budget p99<=10s --junit report.xml`,
    )
    .action((file: string | undefined, options: FleetOptions) => fleet(file, options));
}

async function fleet(file: string | undefined, options: FleetOptions): Promise<void> {
  const output = createOutput(false);
  const interrupted = untilInterrupted();
  const scenario = unwritable(options) ?? scenarioFor(file, options);
  if (scenario instanceof FirstbootError) {
    reportFailure(scenario, output);
    process.exitCode = exitCodes.usage;
    return;
  }
  try {
    const outcome = await watched(scenario, options, interrupted);
    const report = reportOn(outcome, scenario);
    const summary = summaryText(report, { strong, faint, good, bad });
    // With --json - standard output is for the JSON alone.
    (options.json === '-' ? process.stderr : process.stdout).write(`${summary}\n`);
    writeReports(report, options);
    process.exitCode = passed(report) ? exitCodes.ok : exitCodes.failed;
  } catch (error) {
    reportFailure(error, output);
    // A folder without devices, for instance: nothing has been run.
    if (isUsage(error)) process.exitCode = exitCodes.usage;
  }
}

/** What is to be run, or what is wrong with it. */
function scenarioFor(file: string | undefined, options: FleetOptions): Scenario | FirstbootError {
  try {
    const text = file === undefined ? '' : readText(file);
    if (file === undefined) requireWholeTarget(options);
    const name = file ?? 'command line';
    const words = { short: options.short === true, overrides: overridesOf(options) };
    const scenario = readScenario(text, name, { ...words, start: simulationStart });
    if (scenario.clock === 'virtual') return scenario;
    if (options.workers !== undefined) {
      throw failure(
        'command.usage',
        { option: '--workers' },
        'processes share a fleet in virtual time only: leave it out',
      );
    }
    return readScenario(text, name, { ...words, start: systemTimers.now() });
  } catch (error) {
    if (error instanceof FirstbootError) return error;
    throw error;
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw failure('command.file', { file }, 'the scenario cannot be read: name a file', error);
  }
}

/** Runs it with a live view on standard error, to its end or until somebody interrupts it. */
async function watched(
  scenario: Scenario,
  options: FleetOptions,
  interrupted: Promise<NodeJS.Signals>,
): Promise<FleetOutcome> {
  const live = createLive(process.stderr);
  const view = new FleetView(scenario, systemTimers.now());
  const stop = new AbortController();
  void interrupted.then(() => {
    live.print('interrupted: the run ends here');
    stop.abort();
  });
  const watch: FleetWatch = {
    onProgress: (progress) =>
      live.update(view.lines(progress, systemTimers.now(), process.stderr.columns), view.line(progress)),
    stop: stop.signal,
  };
  const workers = scenario.clock === 'virtual' ? workersFor(scenario.devices, options.workers) : 1;
  try {
    return await (workers > 1 ? runInWorkers(scenario, workers, watch) : runHere(scenario, watch));
  } finally {
    live.end('clear');
  }
}

function writeReports(report: Report, { junit, json, html }: FleetOptions): void {
  if (junit !== undefined) write(junit, junitXml(report));
  if (html !== undefined) write(html, htmlPage(report));
  if (json === '-') process.stdout.write(jsonText(report));
  else if (json !== undefined) write(json, jsonText(report));
}

/** What would be found out when the run is over: a report that there is no place for. */
function unwritable({ junit, json, html }: FleetOptions): FirstbootError | undefined {
  for (const file of [junit, html, json === '-' ? undefined : json]) {
    if (file === undefined) continue;
    try {
      accessSync(dirname(file), constants.W_OK);
      const there = file === '' ? undefined : statSync(file, { throwIfNoEntry: false });
      if (file === '' || there?.isDirectory()) return unwritten(file, undefined);
      if (there) accessSync(file, constants.W_OK);
    } catch (error) {
      return unwritten(file, error);
    }
  }
  return undefined;
}

const unwritten = (file: string, error: unknown): FirstbootError =>
  failure('command.file', { file }, 'the report cannot be written there: name a file in a folder that is there', error);

const jsonText = (report: Report): string => `${terminalJson(JSON.stringify(jsonReport(report), undefined, 2))}\n`;

function write(file: string, text: string): void {
  try {
    writeFileSync(file, text);
  } catch (error) {
    throw unwritten(file, error);
  }
}
