import { milliseconds } from '../../parts/words.ts';

/** `0.31 ms`, `23 ms`, `12.5 s`. */
export const spanText = (ms: number): string => (ms < 10_000 ? milliseconds(ms) : `${(ms / 1000).toFixed(1)} s`);
