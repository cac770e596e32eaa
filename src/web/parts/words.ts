/** How numbers, times and ids are written: short, in UTC where it matters, the same everywhere. */

const units = [
  // From two on: a certificate of 398 days has some days to go.
  { name: 'y', ms: 31_557_600_000, from: 2 },
  { name: 'd', ms: 86_400_000 },
  { name: 'h', ms: 3_600_000 },
  { name: 'min', ms: 60_000 },
  { name: 's', ms: 1000 },
] as const;

/** `3 d`, `12 min`, `840 ms`. */
export function duration(ms: number): string {
  const length = Math.abs(ms);
  const unit = units.find((it) => length >= it.ms * ('from' in it ? it.from : 1));
  if (!unit) return milliseconds(length);
  const count = length / unit.ms;
  return `${count < 10 && unit.name === 's' ? count.toFixed(1).replace('.0', '') : Math.floor(count)} ${unit.name}`;
}

/** `0.31 ms`, `4.2 ms`, `23 ms`: what has no unit above. */
export const milliseconds = (ms: number): string => `${ms < 10 ? Number(ms.toPrecision(2)) : Math.round(ms)} ms`;

/** `3 min ago`, `in 5 d`, `now`. */
export function relative(at: number, now: number): string {
  const distance = at - now;
  if (Math.abs(distance) < 5000) return 'now';
  return distance < 0 ? `${duration(distance)} ago` : `in ${duration(distance)}`;
}

/** `2026-11-21 22:24:25 UTC` */
export const utc = (at: number): string => `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')} UTC`;

const counting = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });

/** `12,345` */
export const count = (value: number): string => counting.format(value);

/** `1.2 MB`, in powers of 1000. */
export function bytes(value: number): string {
  const steps = ['B', 'kB', 'MB', 'GB', 'TB'];
  let rest = value;
  let step = 0;
  while (rest >= 1000 && step < steps.length - 1) {
    rest /= 1000;
    step += 1;
  }
  return `${step === 0 ? rest : rest.toFixed(rest < 10 ? 1 : 0)} ${steps[step]}`;
}

/** The beginning of an id: enough to find it by. UUIDv7 of one second begin alike, so it is more of these. */
export const short = (id: string): string => (id[14] === '7' ? id.slice(0, 18) : id.slice(0, 8));

/** `1 device`, `2 devices` */
export const plural = (value: number, one: string, many = `${one}s`): string =>
  `${count(value)} ${value === 1 ? one : many}`;
