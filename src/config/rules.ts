import { parseCoapUri } from '../coap/uri.ts';
import type { KeyPath } from '../codec/yaml.ts';
import { parseUuid } from '../core/ids.ts';
import { groupIdOf } from './group.ts';
import type { Place, PolicyPart } from './place.ts';
import type { ConfigFile } from './schema.ts';

/** Something in a configuration that no shape forbids and that still cannot work. */
export interface Conflict {
  /** Where: keys and indices from the top. */
  readonly keys: KeyPath;
  readonly expected: string;
}

/** The first thing in a well-shaped configuration that does not fit with the rest of it. Its policy is judged elsewhere. */
export function conflictIn({
  groups,
  hubs,
  certificate,
  authority,
  gateway,
  policy,
  api,
}: ConfigFile): Conflict | undefined {
  const rule = api?.certificates?.findIndex(
    ({ subject, fingerprint }) => (subject === undefined) === (fingerprint === undefined),
  );
  if (rule !== undefined && rule >= 0) {
    return { keys: ['api', 'certificates', rule], expected: 'expected subject or fingerprint, one of them' };
  }
  const development = groups === undefined && policy === undefined;
  if (gateway !== undefined) {
    if (!parseCoapUri(gateway).ok) return { keys: ['gateway'], expected: expectedUri };
    const expected = 'this is for a service without groups: write the gateway under hubs, at its hub';
    if (!development) return { keys: ['gateway'], expected };
  }
  if (!development) return undefined;
  // Without groups the service runs on its development PKI, which has all of these: what is written here would be ignored.
  const [idle] = Object.entries({ hubs, certificate, authority }).filter(([, value]) => value !== undefined);
  return idle && { keys: [idle[0]], expected: 'there are no groups that use it: add groups, or take it out' };
}

/** Names, ids, PSK identities and gateways across all files of a policy: no two are the same, and all can be read. */
export function checkNames(parts: readonly { readonly place: Place; readonly part: PolicyPart }[]): void {
  const first = new Map<string, Place>();
  const taken = (kind: string, text: string, place: Place): Place | undefined => {
    const earlier = first.get(`${kind} ${text}`);
    if (!earlier) first.set(`${kind} ${text}`, place);
    return earlier;
  };
  for (const { place, part } of parts) {
    for (const [at, hub] of part.hubs.entries()) {
      if (!hub) continue;
      const { id, gateways } = hub;
      const here = place.at('hubs', at);
      const twin = taken('hub', parseUuid(id) ?? id, here.at('id'));
      if (twin) here.at('id').problem(`another hub has this id (${twin.text}): give each its own`);
      for (const [which, uri] of gateways.entries()) {
        if (!parseCoapUri(uri).ok) here.at('gateways', which).problem(expectedUri);
      }
    }
    for (const [at, group] of part.groups.entries()) {
      if (!group) continue;
      const { id, name, psk = [] } = group;
      const here = place.at('groups', at);
      const namesake = taken('name', name, here.at('name'));
      if (namesake) here.at('name').problem(`another group has this name (${namesake.text}): give each its own`);
      const twin = taken('group', id === undefined ? groupIdOf(name) : (parseUuid(id) ?? id), here.at('id'));
      if (twin && !namesake) here.at('id').problem(`another group has this id (${twin.text}): give each its own`);
      for (const identity of new Set(psk.map((entry) => entry.identity))) {
        const other = taken('psk', identity, here);
        if (other) here.at('psk').warn(`${identity} is in another group too (${other.text}): only one of them counts`);
      }
    }
  }
}

const expectedUri = 'expected coaps+tcp://host:port or coaps://host:port';
