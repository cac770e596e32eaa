import { seconds } from '../core/clock.ts';
import { parseUuid, type Uuid } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import type { HubAllocation } from '../store/model.ts';
import type { GroupConfig } from './group-schema.ts';
import { readableAt } from './material.ts';
import { type Place, urlAt } from './place.ts';
import { selectorAt, selectorConfig } from './selector.ts';

type AllocationConfig = NonNullable<GroupConfig['allocation']>;

/** How a group's hubs are given out, from what is written at a place. @param hubs those of the group */
export function allocationAt(place: Place, allocation: AllocationConfig, hubs: readonly Uuid[]): HubAllocation {
  if (typeof allocation === 'string') return { type: allocation };
  const known = (at: Place, text: string): Uuid => {
    const id = parseUuid(text);
    if (id === undefined || !hubs.includes(id)) at.problem(`expected one of the group's hubs: ${hubs.join(', ')}`);
    return id ?? text;
  };
  const { weights, webhook } = allocation;
  if (weights) {
    const read = Object.entries(weights).map(([id, weight]) => [known(place.at('weights', id), id), weight] as const);
    if (read.every(([, weight]) => weight === 0)) place.at('weights').problem('expected a weight above 0 for one hub');
    return { type: 'weighted', weights: Object.fromEntries(read) };
  }
  if (webhook) {
    return {
      type: 'webhook',
      url: urlAt(place.at('webhook', 'url'), webhook.url),
      timeout:
        webhook.timeoutSeconds === undefined ? limits.cloud.allocation : Math.round(seconds(webhook.timeoutSeconds)),
      secretFile:
        webhook.secretFile === undefined
          ? undefined
          : readableAt(place.at('webhook', 'secretFile'), webhook.secretFile),
    };
  }
  const devices = (allocation.static ?? []).map(({ hub, ...selector }, at) => {
    const here = place.at('static', at);
    return { device: selectorAt(here, selector), hub: known(here.at('hub'), hub) };
  });
  return { type: 'static', devices };
}

/** The same as it is written. */
export function allocationConfig(allocation: HubAllocation): AllocationConfig {
  switch (allocation.type) {
    case 'weighted':
      return { weights: { ...allocation.weights } };
    case 'static':
      return { static: allocation.devices.map(({ device, hub }) => ({ ...selectorConfig(device), hub })) };
    case 'webhook': {
      const { url, timeout, secretFile } = allocation;
      return {
        webhook: { url, timeoutSeconds: timeout / seconds(1), ...(secretFile !== undefined && { secretFile }) },
      };
    }
    default:
      return allocation.type;
  }
}
