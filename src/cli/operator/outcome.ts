import { FirstbootError } from '../../core/errors.ts';
import type { Outcome } from '../../operator/change.ts';
import { exitCodes, faint, type Output, reportFailure } from '../output.ts';
import { plain } from '../plain.ts';

/** Says what an operation changed, or would have changed. @param result what programs get beside that */
export function tellOutcome(
  output: Output,
  { applied, effects }: Omit<Outcome<unknown>, 'result'>,
  { dryRun = false }: { readonly dryRun?: boolean },
  result: Readonly<Record<string, unknown>>,
): void {
  output.data({ event: 'change', applied, dryRun, effects, ...result });
  for (const effect of effects) output.line(plain(effect));
  if (effects.length === 0) output.line(faint('there is nothing to do'));
}

/**
 * Does something to each of several things. Each is a change of its own: one that is refused is told, with exit code 1, and
 * the others go on.
 */
export async function each<T>(things: readonly T[], output: Output, work: (thing: T) => Promise<void>): Promise<void> {
  for (const thing of things) {
    try {
      await work(thing);
    } catch (error) {
      if (!(error instanceof FirstbootError) || error.code === 'service.store') throw error;
      reportFailure(error, output);
      process.exitCode = exitCodes.failed;
    }
  }
}
