import { type Millis, seconds } from '../core/clock.ts';
import { type RandomSource, randomFraction } from '../core/random.ts';
import { defaultRetryTable } from '../core/status.ts';

/** How a device repeats a step that failed. */
export interface RetryRule {
  /** ms, 1 to 8 entries of 1 to 255 s. */
  readonly table: readonly Millis[];
  /**
   * 'documented': wait table[n] before the next try. '2025': wait table[n]/2 + random(0..table[n]/2), and not at all after
   * a timeout (contract, plgd-device d). Both allow table[n] for the answer, and loop for ever.
   */
  readonly variant: 'documented' | '2025';
}

export const documentedRetry: RetryRule = { table: defaultRetryTable, variant: 'documented' };

/** The retry rule of `10,20,40,80,120`: seconds, as the command line gives them. @throws RangeError naming the entry. */
export function parseRetryTable(text: string): Millis[] {
  const entries = text.split(',').map((entry) => entry.trim());
  if (entries.length > 8) throw new RangeError(`a retry table has 1 to 8 entries, not ${entries.length}`);
  return entries.map((entry) => {
    const value = /^\d{1,3}$/.test(entry) ? Number(entry) : 0;
    if (value < 1 || value > 255) throw new RangeError(`"${entry}" is no retry interval: write 1 to 255 (seconds)`);
    return seconds(value);
  });
}

/** Counts tries since the last step that succeeded, and says how long each may take and how long to wait after it. */
export class RetryCounter {
  private rule: RetryRule;
  private readonly random: RandomSource;
  private tries = 0;

  constructor(rule: RetryRule, random: RandomSource) {
    this.rule = rule;
    this.random = random;
  }

  /** The rule of the next try on; counting starts over. */
  use(rule: RetryRule): void {
    this.rule = rule;
    this.tries = 0;
  }

  /** How long to wait for the answer of this try. */
  get timeout(): Millis {
    return this.interval;
  }

  /** How long to wait after this try failed. */
  delay(cause: 'timeout' | 'failure'): Millis {
    if (this.rule.variant === 'documented') return this.interval;
    if (cause === 'timeout') return 0;
    return this.interval / 2 + Math.floor(randomFraction(this.random) * (this.interval / 2));
  }

  /** Goes on to the next try. True when the table was used up and starts over: time for another endpoint. */
  advance(): boolean {
    this.tries = (this.tries + 1) % this.rule.table.length;
    return this.tries === 0;
  }

  reset(): void {
    this.tries = 0;
  }

  private get interval(): Millis {
    return this.rule.table[this.tries] ?? seconds(10);
  }
}
