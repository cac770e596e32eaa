import { readSelector } from '../operator/selectors.ts';
import type { DeviceSelector } from '../store/model.ts';
import type { Place } from './place.ts';

/** A selector as it is written: just one of the keys is there. */
export interface SelectorConfig {
  readonly key?: string;
  readonly serial?: string;
  readonly subject?: string;
}

/** A selector in the form that is compared, from what is written at a place. */
export function selectorAt(place: Place, written: SelectorConfig): DeviceSelector {
  const by = kinds.find((kind) => written[kind] !== undefined);
  if (by === undefined) {
    place.problem(`expected one of ${kinds.join(', ')}`);
    return { by: 'subject', value: '' };
  }
  const text = written[by] ?? '';
  const read = readSelector(by, text);
  if ('selector' in read) return read.selector;
  place.at(by).problem(`expected ${read.expected}`);
  return { by, value: text };
}

export const selectorConfig = ({ by, value }: DeviceSelector): SelectorConfig => ({ [by]: value });

const kinds = ['key', 'serial', 'subject'] as const;
