import { useMemo } from 'preact/hooks';

const spans: Readonly<Record<string, number>> = {
  '1h': 3_600_000,
  '24h': 86_400_000,
  '7d': 7 * 86_400_000,
  '30d': 30 * 86_400_000,
};

export const sinceChoices = [
  { value: '1h', label: 'The last hour' },
  { value: '24h', label: 'The last 24 hours' },
  { value: '7d', label: 'The last 7 days' },
  { value: '30d', label: 'The last 30 days' },
] as const;

/** `24h`, or a time in ms as a link of a chart has it, as a time; it stays the same as long as the text does. */
export const useSince = (text: string | undefined): number | undefined =>
  useMemo(() => {
    if (text === undefined) return undefined;
    const span = spans[text];
    if (span !== undefined) return Date.now() - span;
    const at = Number(text);
    return Number.isSafeInteger(at) && at >= 0 ? at : undefined;
  }, [text]);
