import { describe } from '../core/errors.ts';
import { statusNames } from '../core/status.ts';
import type { Report, StepReport } from '../device/report.ts';
import { bad, faint, good, type Output } from './output.ts';

const widths = { step: 14, traffic: 16, trips: 5, ms: 9 } as const;

/** The heading over step lines. */
export function stepHeading(): string {
  return faint(
    `  ${'step'.padEnd(widths.step)}${'bytes out / in'.padStart(widths.traffic)}${'trips'.padStart(widths.trips + 2)}${'ms'.padStart(widths.ms)}  status flags`,
  );
}

/** One step of a device as it ends. A round trip is a message and its answer, those of the handshake included. */
function stepLine(report: StepReport): string {
  const name = report.step.padEnd(widths.step);
  const traffic = `${report.bytesOut} / ${report.bytesIn}`.padStart(widths.traffic);
  const trips = String(report.roundTrips).padStart(widths.trips + 2);
  const ms = report.ms.toFixed(0).padStart(widths.ms);
  const flags = statusNames(report.flags).join(', ');
  const line = `  ${report.result === 'done' ? good(name) : bad(name)}${traffic}${trips}${ms}  ${flags}`;
  return report.refusal ? `${line}\n    ${bad(report.result)}: ${describe(report.refusal)}` : line;
}

export function reportLine({ bytesIn, bytesOut, roundTrips, ms }: Report): string {
  const traffic = `${bytesOut} / ${bytesIn}`.padStart(widths.traffic);
  return `  ${'sum'.padEnd(widths.step)}${traffic}${String(roundTrips).padStart(widths.trips + 2)}${ms.toFixed(0).padStart(widths.ms)}`;
}

export function writeStep(output: Output, device: string, report: StepReport): void {
  output.data({ event: 'step', device, ...report, flagNames: statusNames(report.flags) });
  output.line(stepLine(report));
}
