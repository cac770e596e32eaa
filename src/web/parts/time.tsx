import { useEffect, useReducer } from 'preact/hooks';
import { relative, utc } from './words.ts';

/** A moment, told from now; the exact one is in the tooltip and for readers of the page. */
export function Time({ at }: { readonly at: number | null | undefined }) {
  useClock(10_000);
  if (at === undefined || at === null) return <span class="muted">never</span>;
  return (
    <time dateTime={new Date(at).toISOString()} title={utc(at)}>
      {relative(at, Date.now())}
    </time>
  );
}

/** Renders again from time to time. */
export function useClock(every: number): void {
  const [, tick] = useReducer((count: number) => count + 1, 0);
  useEffect(() => {
    const timer = setInterval(() => !document.hidden && tick(undefined), every);
    return () => clearInterval(timer);
  }, [every]);
}
