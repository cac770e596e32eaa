import { limits } from '../../core/limits.ts';
import { shown } from './quantities.ts';

/** Text that is XML or HTML already. Made by `markup` only, so nothing gets into a page unescaped. */
export class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  toString(): string {
    return this.text;
  }
}

export type MarkupValue = string | number | Markup | undefined | readonly MarkupValue[];

/**
 * A template whose values are escaped, as content and as attributes in double quotes: what is not markup stays text. Lists are
 * joined, undefined is nothing. Every text is bounded and cleaned of characters that XML cannot hold.
 */
export function markup(strings: TemplateStringsArray, ...values: readonly MarkupValue[]): Markup {
  const parts = strings.map((part, at) => part + (at < values.length ? rendered(values[at]) : ''));
  return new Markup(parts.join(''));
}

/** The way of a pen in SVG's words, in tenths of a point. */
export function pathOf(points: readonly (readonly [number, number])[]): Markup {
  const tenths = (value: number): number => Math.round(value * 10) / 10;
  return new Markup(points.map(([x, y], at) => `${at === 0 ? 'M' : 'L'}${tenths(x)} ${tenths(y)}`).join(''));
}

/** Text of several lines, each cleaned for itself. */
export const linesOf = (lines: readonly string[]): Markup =>
  new Markup(lines.map((line) => escaped(shown(line))).join('\n'));

function rendered(value: MarkupValue): string {
  if (value === undefined) return '';
  if (value instanceof Markup) return value.text;
  if (typeof value === 'number') return String(value);
  return typeof value === 'string'
    ? escaped(shown(value, limits.fleet.report.paragraph))
    : value.map(rendered).join('');
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

const escaped = (text: string): string => text.replace(/[&<>"']/g, (character) => entities[character] ?? '');
