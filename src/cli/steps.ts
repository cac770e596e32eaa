import { describe } from '../core/errors.ts';
import { statusFlags, statusNames } from '../core/status.ts';
import type { Report, StepReport } from '../device/report.ts';
import type { Verdict } from '../store/model.ts';
import { bad, faint, good, type Output } from './output.ts';
import { plain } from './plain.ts';

const widths = { step: 13, stages: 28, traffic: 13, trips: 6, ms: 7 } as const;

/** What the service did for the step: its stages. Undefined where the service is not watched. */
export type Stages = string | undefined;

/** The heading over step lines. @param stages whether there is a column for the service's stages */
export function stepHeading(stages = false): string {
  const cells = [
    'step'.padEnd(widths.step),
    stages ? 'stages at service'.padEnd(widths.stages) : '',
    'bytes out/in'.padStart(widths.traffic),
    'trips'.padStart(widths.trips),
    'ms'.padStart(widths.ms),
  ];
  return faint(`  ${cells.join('')}  status flags`);
}

/** One step of a device as it ends. A round trip is a message and its answer, those of the handshake included. */
function stepLine(report: StepReport, stages?: Stages): string {
  const name = report.step.padEnd(widths.step);
  const shown = report.result === 'done' ? good(name) : bad(name);
  const line = `  ${shown}${costs(report, stages)}  ${flagWords(report.flags)}`;
  return report.refusal ? `${line}\n    ${bad(report.result)}: ${plain(describe(report.refusal))}` : line;
}

/** The sums under step lines. */
export const reportLine = (report: Report, stages?: Stages): string =>
  faint(`  ${'sum'.padEnd(widths.step)}${costs(report, stages)}`);

export function writeStep(output: Output, device: string, report: StepReport, stages?: Stages): void {
  const { step, result, ms, bytesOut, bytesIn, roundTrips, flags, progress, refusal } = report;
  const flagNames = statusNames(flags);
  output.data({
    event: 'step',
    device,
    step,
    result,
    flags,
    flagNames,
    progress,
    bytesOut,
    bytesIn,
    roundTrips,
    ms,
    refusal,
  });
  output.line(stepLine(report, stages));
}

export function verdictText(verdict: Verdict): string {
  const shown = verdict.padEnd(11);
  return verdict === 'provisioned' || verdict === 'renewed' ? good(shown) : bad(shown);
}

function costs(report: Pick<Report, 'bytesOut' | 'bytesIn' | 'roundTrips' | 'ms'>, stages: Stages): string {
  const { bytesOut, bytesIn, roundTrips, ms } = report;
  return [
    stages === undefined ? '' : stages.padEnd(widths.stages),
    `${bytesOut}/${bytesIn}`.padStart(widths.traffic),
    String(roundTrips).padStart(widths.trips),
    ms.toFixed(0).padStart(widths.ms),
  ].join('');
}

/** The flags in the order in which a run sets them, each in one word. */
const flagWords = (flags: number): string => {
  const { initialized, hasCloud, hasCredentials, hasAcls, failure } = statusFlags;
  const words = { initialized, cloud: hasCloud, credentials: hasCredentials, acls: hasAcls, failure };
  return Object.entries(words)
    .filter(([, bit]) => (flags & bit) !== 0)
    .map(([word]) => word)
    .join(' ');
};
