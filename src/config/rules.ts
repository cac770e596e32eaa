import { parseCoapUri } from '../coap/uri.ts';
import { parseUuid } from '../core/ids.ts';
import type { ConfigFile } from './schema.ts';

/** Something in a configuration that no shape forbids and that still cannot work. */
export interface Conflict {
  /** Where: keys and indices from the top. */
  readonly keys: readonly (string | number)[];
  readonly expected: string;
}

/** The first thing in a well-shaped configuration that does not fit with the rest of it. */
export function conflictIn({ groups, hubs, certificate, authority, gateway }: ConfigFile): Conflict | undefined {
  if (gateway !== undefined) {
    if (!parseCoapUri(gateway).ok) return { keys: ['gateway'], expected: expectedUri };
    const expected = 'this is for a service without groups: write the gateway under hubs, at its hub';
    if (groups) return { keys: ['gateway'], expected };
  }
  if (!groups) {
    // Without groups the service runs on its development PKI, which has all of these: what is written here would be ignored.
    const [idle] = Object.entries({ hubs, certificate, authority }).filter(([, value]) => value !== undefined);
    return idle && { keys: [idle[0]], expected: 'there are no groups that use it: add groups, or take it out' };
  }
  const known = new Set<string>();
  for (const [at, { id, gateways }] of (hubs ?? []).entries()) {
    const hubId = parseUuid(id) ?? id;
    if (known.has(hubId)) return { keys: ['hubs', at, 'id'], expected: 'another hub has this id: give each its own' };
    known.add(hubId);
    const wrong = gateways.findIndex((uri) => !parseCoapUri(uri).ok);
    if (wrong >= 0) return { keys: ['hubs', at, 'gateways', wrong], expected: expectedUri };
  }
  const names = new Set<string>();
  for (const [at, group] of groups.entries()) {
    if (names.has(group.name))
      return { keys: ['groups', at, 'name'], expected: 'another group has this name: give each its own' };
    names.add(group.name);
    const stranger = group.hubs.findIndex((id) => !known.has(parseUuid(id) ?? id));
    if (stranger >= 0)
      return { keys: ['groups', at, 'hubs', stranger], expected: `add hub ${group.hubs[stranger]} under hubs` };
    if (!group.anchors?.length && !group.psk?.length) {
      const expected = 'give the group manufacturer roots (anchors) or pre-shared keys (psk)';
      return { keys: ['groups', at], expected };
    }
  }
  return undefined;
}

const expectedUri = 'expected coaps+tcp://host:port or coaps://host:port';
