import { Facts } from '../../parts/facts.tsx';

/** Facts of a record, by name. They stay text: peers write some of them. */
export function Evidence({ facts }: { readonly facts: Readonly<Record<string, unknown>> }) {
  const entries = Object.entries(facts).map(([name, value]) => [factName(name), factText(value)] as const);
  return entries.length === 0 ? null : <Facts facts={entries} />;
}

/** `nearestGroup` -> `nearest group`. */
const factName = (name: string): string =>
  name.replace(/([a-z])([A-Z])/g, (_, a: string, b: string) => `${a} ${b.toLowerCase()}`);

const factText = (value: unknown): string =>
  typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value ?? '');
