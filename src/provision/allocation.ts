import { hash } from 'node:crypto';
import type { Uuid } from '../core/ids.ts';
import type { Hub, HubAllocation } from '../store/model.ts';
import { type ListedSubject, selectorGrants } from './access.ts';

/** The hubs of a group in the order in which one device shall try them. */
export interface HubOrder {
  readonly hubs: readonly Hub[];
  readonly by: HubAllocation['type'];
}

/**
 * Orders the hubs of a group for a device. hashed and weighted: by rendezvous hashing over the manufacturer key, so that a hub
 * that is added or taken away moves only the devices that it gets or had (Thaler and Ravishankar, 1998); the other kinds keep
 * the order of the list behind the first.
 * @param hubs in the order of the group's list.
 * @param answer the hub that a webhook has named.
 */
export function orderHubs(
  allocation: HubAllocation,
  hubs: readonly Hub[],
  device: ListedSubject,
  answer: Uuid | undefined,
): HubOrder {
  switch (allocation.type) {
    case 'first':
      return { hubs, by: 'first' };
    case 'hashed':
      return { hubs: byScore(hubs, ({ id }) => rendezvousScore(device.keyId, id, 1)), by: 'hashed' };
    case 'weighted': {
      const weightOf = (hub: Hub): number => allocation.weights[hub.id] ?? 0;
      return { hubs: byScore(hubs, (hub) => rendezvousScore(device.keyId, hub.id, weightOf(hub))), by: 'weighted' };
    }
    case 'static': {
      const hub = staticHub(allocation, device);
      return hub === undefined ? { hubs, by: 'first' } : { hubs: inFront(hubs, hub), by: 'static' };
    }
    case 'webhook':
      return answer === undefined ? { hubs, by: 'first' } : { hubs: inFront(hubs, answer), by: 'webhook' };
  }
}

/** The hub that is written down for a device. */
export const staticHub = (
  allocation: Extract<HubAllocation, { readonly type: 'static' }>,
  subject: ListedSubject,
): Uuid | undefined => allocation.devices.find(({ device }) => selectorGrants(device, subject))?.hub;

/** With `first` in front; the others stay in their order. */
export const inFront = (hubs: readonly Hub[], first: Uuid): readonly Hub[] => [
  ...hubs.filter(({ id }) => id === first),
  ...hubs.filter(({ id }) => id !== first),
];

const byScore = (hubs: readonly Hub[], score: (hub: Hub) => number): readonly Hub[] =>
  hubs
    .map((hub) => ({ hub, score: score(hub) }))
    .sort((a, b) => b.score - a.score)
    .map(({ hub }) => hub);

/**
 * The highest score gets the device, in proportion to the weights: -w / ln(u) with u from the hash, in (0, 1). Weight 0 comes
 * last, in the order of the list.
 */
function rendezvousScore(keyId: Uuid, hubId: Uuid, weight: number): number {
  const drawn = hash('sha256', `${keyId}${hubId}`, 'buffer').readUIntBE(0, 6);
  return weight <= 0 ? 0 : -weight / Math.log((drawn + 0.5) / 2 ** 48);
}
