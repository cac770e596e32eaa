/** Names of status flags that are set, as plgd's client documents them (core/status.ts). */
export const flagNames = (flags: number): string[] =>
  names.filter(([, bit]) => (flags & bit) !== 0).map(([name]) => name);

const names = [
  ['initialized', 1 << 0],
  ['has credentials', 1 << 1],
  ['has access list', 1 << 2],
  ['has cloud', 1 << 3],
  ['failure', 1 << 6],
] as const;
