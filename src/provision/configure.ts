import { type Decision, decided, refused } from '../core/errors.ts';
import { parseUuid, type Uuid } from '../core/ids.ts';
import type { EnrollmentGroup, Hub } from '../store/model.ts';
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
  /** Why this gateway. */
  readonly chosen: 'selected' | 'hub of the selected' | 'first';
  readonly gateways: readonly Gateway[];
}

/**
 * Stage configure: the gateway the device has selected if it is one of ours, else the first one of the hub it names, else
 * the first one of the group. A factory-new device names a default of its own, so an unknown gateway is no error
 * (contract, plgd-device b3).
 * @param hubs the hubs that exist; the group names them in order of preference.
 */
export function configure(
  group: EnrollmentGroup,
  hubs: ReadonlyMap<Uuid, Hub>,
  selected: SelectedGateway | undefined,
): Decision<Destination> {
  const known = [...new Set(group.hubs)].flatMap((id) => hubs.get(id) ?? []);
  const gateways = known.flatMap((hub) => [...new Set(hub.gateways)].map((uri) => ({ uri, hubId: hub.id })));
  const first = gateways[0];
  if (first === undefined) {
    return refused(
      'configure.no-hub',
      { group: group.name, hubsNamed: group.hubs.length, hubsFound: known.length },
      'give the enrollment group a hub that exists and has a gateway',
    );
  }
  const { gateway, chosen } = choose(gateways, first, selected);
  const hub = hubs.get(gateway.hubId);
  if (hub === undefined) throw new TypeError(`no hub ${gateway.hubId}`);
  return decided({ hub, others: known.filter(({ id }) => id !== hub.id), gateway, chosen, gateways });
}

function choose(
  gateways: readonly Gateway[],
  first: Gateway,
  selected: SelectedGateway | undefined,
): Pick<Destination, 'gateway' | 'chosen'> {
  if (selected === undefined) return { gateway: first, chosen: 'first' };
  const ofHub = gateways.filter(({ hubId }) => hubId === parseUuid(selected.id));
  const exact = ofHub.find(({ uri }) => uri === selected.uri);
  if (exact) return { gateway: exact, chosen: 'selected' };
  // Its gateway has moved: another hub would cost the device its registration.
  const sibling = ofHub[0];
  return sibling ? { gateway: sibling, chosen: 'hub of the selected' } : { gateway: first, chosen: 'first' };
}
