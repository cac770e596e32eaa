import { parseCoapUri } from '../../coap/uri.ts';
import { type CborMap, type CborValue, isCborMap } from '../../codec/cbor.ts';
import { type Decision, decided, refused } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import type { Endpoint } from '../state.ts';
import { type DeviceResource, unusable, withCommon } from './resource.ts';

/** `/plgd/dps`: how far the provisioning is, and where it is asked for (contract, plgd-device d). */
export const dpsResource: DeviceResource = {
  href: '/plgd/dps',
  types: ['x.plgd.dps.conf'],
  interfaces: ['oic.if.baseline', 'oic.if.r', 'oic.if.rw'],
  isPublic: false,
  isDiscoverable: true,
  instance: 4,
  get(view) {
    const { status, state } = view.device.host;
    const { endpoints, selected } = state;
    const { uri = '', name = '' } = endpoints[selected] ?? {};
    const progress = { lastErrorCode: status.lastError, provisionStatus: status.text };
    return withCommon(this, view, {
      ...(view.interface === 'oic.if.rw' ? {} : progress),
      endpoint: uri,
      endpointName: name,
      ...(endpoints.length > 1 && { endpoints: endpoints.map((each) => ({ uri: each.uri, name: each.name ?? '' })) }),
      forceReprovision: false,
    });
  },
  post(body, view) {
    if (view.interface === 'oic.if.r') {
      return refused('request.method', { interface: view.interface }, 'use oic.if.rw or oic.if.baseline');
    }
    const { host } = view.device;
    const endpoints = readEndpoints(body);
    if (!endpoints.ok) return endpoints;
    const { value } = endpoints;
    // New endpoints are asked for everything anyway.
    if (value) return decided(() => host.setEndpoints(value));
    if (body.forceReprovision === true) return decided(() => host.forceReprovision());
    return unusable('endpoint', 'send endpoint, or forceReprovision true');
  },
  watch: (changed, { host }) => host.onStatus(changed),
};

/** The services that an update names, the one to be asked first in front; none for endpoint ''. Undefined: no word of it. */
function readEndpoints({ endpoint, endpointName, endpoints }: CborMap): Decision<readonly Endpoint[] | undefined> {
  if (endpoint === undefined) return decided(undefined);
  if (endpoint === '') return decided([]);
  const first = readEndpoint('endpoint', endpoint, endpointName);
  if (!first.ok) return first;
  const list = [first.value];
  if (endpoints !== undefined && !Array.isArray(endpoints)) return unusable('endpoints', 'send an array of maps');
  for (const [at, item] of ((endpoints ?? []) as readonly CborValue[]).entries()) {
    const place = `endpoints[${at}]`;
    if (!isCborMap(item)) return unusable(place, 'send a map of uri and name');
    const next = readEndpoint(`${place}.uri`, item.uri, item.name);
    if (!next.ok) return next;
    const { value } = next;
    if (!list.some(({ uri }) => uri === value.uri)) list.push(value);
  }
  if (list.length > limits.device.endpoints) return unusable('endpoints', `send ${limits.device.endpoints} at most`);
  return decided(list);
}

function readEndpoint(place: string, uri: CborValue | undefined, name: CborValue | undefined): Decision<Endpoint> {
  if (typeof uri !== 'string' || uri.length > limits.device.endpointText) return unusable(place, 'send a URI as text');
  const parsed = parseCoapUri(uri);
  if (!parsed.ok) return unusable(place, parsed.refusal.fix);
  if (name === undefined || name === '') return decided({ uri });
  if (typeof name !== 'string' || name.length > limits.device.endpointText) {
    return unusable(place, 'send the name as text');
  }
  return decided({ uri, name });
}
