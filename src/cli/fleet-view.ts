import type { Millis } from '../core/clock.ts';
import { quantile } from '../fleet/histogram.ts';
import type { FleetProgress } from '../fleet/outcome.ts';
import { countText, shareText, timeText } from '../fleet/report/quantities.ts';
import type { Scenario } from '../fleet/scenario.ts';
import { bad, faint, good, strong } from './output.ts';
import { plain } from './plain.ts';

/** Over this much of the run's time the rate is measured. */
const window: Millis = 10_000;
const barWidth = 32;
/** Columns beside the bar, for the numbers. */
const besideBar = 46;
const shownReasons = 5;

/** A run as a block of lines that changes, and in one line. */
export class FleetView {
  private readonly scenario: Scenario;
  private readonly started: Millis;
  /** Arrivals at times of the run, the oldest no older than the window. */
  private readonly recent: { readonly at: Millis; readonly provisioned: number }[] = [];

  /** @param started by the clock on the wall */
  constructor(scenario: Scenario, started: Millis) {
    this.scenario = scenario;
    this.started = started;
  }

  /** @param now by the clock on the wall @param columns of the terminal: a narrow one gets a shorter bar */
  lines(progress: FleetProgress, now: Millis, columns = 80): string[] {
    const { scenario } = this;
    const { devices, arrived, booted, failures, at } = progress;
    const share = devices === 0 ? 0 : arrived / devices;
    const virtual = scenario.clock === 'virtual' ? `, ${timeText(at)} in the run` : '';
    return [
      `${strong(plain(scenario.name))}${faint(`  ${timeText(now - this.started)}${virtual}`)}`,
      `${bar(share, Math.min(barWidth, Math.max(4, columns - besideBar)))} ${good(countText(arrived))} of ${countText(devices)} arrived (${shareText(arrived, devices)}), ` +
        `${countText(booted)} switched on`,
      `${this.rate(progress).toFixed(1)} provisioned a second, ${failures === 0 ? 'no failed step' : bad(`${countText(failures)} failed steps`)}`,
      ...stepLines(progress),
      ...reasonLines(progress),
    ];
  }

  line(progress: FleetProgress): string {
    const { devices, arrived, failures, at } = progress;
    return (
      `${timeText(at)}: ${countText(arrived)} of ${countText(devices)} arrived, ` +
      `${this.rate(progress).toFixed(1)} provisioned a second, ${countText(failures)} failed steps`
    );
  }

  /** Provisioned a second of the run's time. */
  private rate({ at, arrived, provisioned = arrived }: FleetProgress): number {
    if (this.recent.at(-1)?.at !== at) this.recent.push({ at, provisioned });
    while ((this.recent[1]?.at ?? at) < at - window) this.recent.shift();
    const oldest = this.recent[0]?.at === at ? { at: 0, provisioned: 0 } : this.recent[0];
    const took = at - (oldest?.at ?? 0);
    return took <= 0 ? 0 : ((provisioned - (oldest?.provisioned ?? 0)) * 1000) / took;
  }
}

function bar(share: number, width: number): string {
  const full = Math.floor(share * width);
  return `${good('█'.repeat(full))}${faint('░'.repeat(width - full))}`;
}

function stepLines({ steps = {} }: FleetProgress): string[] {
  const rows = Object.entries(steps).map(([step, histogram]) => {
    const count = histogram.reduce((all, counted) => all + counted, 0);
    const times = [0.5, 0.95, 0.99].map((share) => timeText(quantile(histogram, share) ?? 0).padStart(10));
    return `${step.padEnd(16)}${countText(count).padStart(9)}${times.join('')}`;
  });
  if (rows.length === 0) return [];
  const heading = `${'step'.padEnd(16)}${'done'.padStart(9)}${['p50', 'p95', 'p99'].map((name) => name.padStart(10)).join('')}`;
  return ['', faint(heading), ...rows];
}

function reasonLines({ reasons = {} }: FleetProgress): string[] {
  const sorted = Object.entries(reasons).toSorted(([, a], [, b]) => b - a);
  if (sorted.length === 0) return [];
  const rows = sorted
    .slice(0, shownReasons)
    .map(([reason, count]) => `${countText(count).padStart(9)}  ${plain(reason)}`);
  const more = sorted.length - rows.length;
  return [
    '',
    faint('failures by reason'),
    ...rows,
    ...(more > 0 ? [faint(`${String(more).padStart(9)}  other reasons`)] : []),
  ];
}
