import { type Decision, decided, refused } from '../core/errors.ts';
import { parseUuid, type Uuid } from '../core/ids.ts';
import type { Device, EnrollmentGroup, Hub } from '../store/model.ts';
import { accessSubject } from './access.ts';
import { type HubOrder, inFront, orderHubs, staticHub } from './allocation.ts';
import type { SelectedGateway } from './contract.ts';

interface Gateway {
  readonly uri: string;
  readonly hubId: Uuid;
}

/** Where the device shall go; the token that goes with it is an effect (TokenSource). */
export interface Destination {
  readonly hub: Hub;
  /** The other hubs of the list, in order of preference. */
  readonly others: readonly Hub[];
  readonly gateway: Gateway;
  /** Why this gateway: the device has selected it, its hub was the device's before, or the group's allocation says so. */
  readonly chosen: 'selected' | 'hub of the selected' | 'kept' | HubOrder['by'];
  readonly gateways: readonly Gateway[];
}

/**
 * Stage configure: the gateway the device has selected if it is one of ours, else the first one of the hub it names, else
 * the first one of the hub that the group keeps for it or allocates to it. A static allocation goes before what the device
 * has selected. A factory-new device names a default of its own, so an unknown gateway is no error (contract, plgd-device b3).
 * @param hubs the hubs that exist; the group names them in order of preference.
 * @param answer the hub that the webhook of the group has named, if it was asked.
 */
export function configure(
  group: EnrollmentGroup,
  hubs: ReadonlyMap<Uuid, Hub>,
  device: Device,
  selected: SelectedGateway | undefined,
  answer?: Uuid,
): Decision<Destination> {
  const known = knownHubs(group, hubs);
  const usable = known.filter(hasGateway);
  const place = placeOf(group, usable, device, selected);
  if (answer !== undefined && !usable.some(({ id }) => id === answer)) {
    return refused(
      'configure.allocation',
      { group: group.name, answer, hubs: usable.map(({ id }) => id).join(', ') },
      'let the webhook name a hub of the enrollment group that exists and has a gateway',
    );
  }
  const allocated = orderHubs(group.allocation, usable, accessSubject(device), answer);
  const order = place.hub === undefined ? allocated.hubs : inFront(allocated.hubs, place.hub);
  const [hub, ...others] = order;
  const gateways = order.flatMap(({ id, gateways: uris }) => [...new Set(uris)].map((uri) => ({ uri, hubId: id })));
  const [first] = gateways;
  if (hub === undefined || first === undefined) {
    return refused(
      'configure.no-hub',
      { group: group.name, hubsNamed: group.hubs.length, hubsFound: known.length },
      'give the enrollment group a hub that exists and has a gateway',
    );
  }
  const exact = gateways.find(({ uri, hubId }) => uri === selected?.uri && hubId === hub.id && place.bySelection);
  const chosen = exact ? 'selected' : place.bySelection ? 'hub of the selected' : place.kept ? 'kept' : allocated.by;
  return decided({ hub, others, gateway: exact ?? first, chosen, gateways });
}

/** Whether the hub of a device is for the group's webhook to say: it has none yet that counts. */
export function asksWebhook(
  group: EnrollmentGroup,
  hubs: ReadonlyMap<Uuid, Hub>,
  device: Device,
  selected: SelectedGateway | undefined,
): boolean {
  if (group.allocation.type !== 'webhook') return false;
  const usable = knownHubs(group, hubs).filter(hasGateway);
  return usable.length > 0 && placeOf(group, usable, device, selected).hub === undefined;
}

/** The hub that a device has already; undefined: that is for the allocation to say. */
interface Place {
  readonly hub: Uuid | undefined;
  readonly bySelection: boolean;
  readonly kept: boolean;
}

function placeOf(
  { allocation, reprovisioning }: EnrollmentGroup,
  hubs: readonly Hub[],
  device: Device,
  selected: SelectedGateway | undefined,
): Place {
  const ours = (id: Uuid | undefined): Uuid | undefined => hubs.find((hub) => hub.id === id)?.id;
  const named = ours(selected && parseUuid(selected.id));
  const kept = reprovisioning === 'migrate' ? undefined : ours(device.hubId);
  const written = allocation.type === 'static' ? ours(staticHub(allocation, accessSubject(device))) : undefined;
  const selectable = kept !== undefined || written === undefined || written === named;
  // The gateway that it selected may have moved: another hub would cost the device its registration.
  if (named !== undefined && selectable) return { hub: named, bySelection: true, kept: false };
  return { hub: kept, bySelection: false, kept: kept !== undefined };
}

const knownHubs = (group: EnrollmentGroup, hubs: ReadonlyMap<Uuid, Hub>): readonly Hub[] =>
  [...new Set(group.hubs)].flatMap((id) => hubs.get(id) ?? []);

const hasGateway = ({ gateways }: Hub): boolean => gateways.length > 0;
