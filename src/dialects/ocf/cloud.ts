import type { CborMap } from '../../codec/cbor.ts';
import { type Decision, decided } from '../../core/errors.ts';
import type { SelectedGateway } from '../../provision/contract.ts';
import { type OcfResource, readInnerMap, readMap, readText, unread } from './resource.ts';

/**
 * `POST .../cloud-configuration`: `{"di", "selectedGateway"?: {"uri", "id"}}` in; `apn`, `cis`, `at`, `sid` and every
 * gateway out. A device that misses one of the first four stops for ever (plgd-device b3).
 */
export const cloud: OcfResource = {
  path: '/api/v1/provisioning/cloud-configuration',
  method: 'POST',
  step: 'cloud',
  async answer(session, request, now) {
    // The reference service decodes CBOR here without looking at the option (plgd-service 1.3).
    const body = readMap(request, 'optional');
    if (!body.ok) return unread(body);
    const deviceId = readText(body.value, 'di');
    if (!deviceId.ok) return unread(deviceId);
    const selected = readSelected(body.value);
    if (!selected.ok) return unread(selected);
    const answer = await session.cloud(
      { deviceId: deviceId.value, ...(selected.value ? { selected: selected.value } : {}) },
      now,
    );
    if (!answer.ok) return answer;
    const { provider, gateway, gateways, accessToken, payload } = answer.value;
    return decided(() => ({
      apn: provider,
      cis: gateway.uri,
      at: accessToken.reveal(),
      sid: gateway.hubId,
      'x.org.iotivity.servers': gateways.map(({ uri, hubId }) => ({ id: hubId, uri })),
      // The group's own; the reference device passes over keys that it does not know.
      ...(payload && { 'x.firstboot.payload': payload }),
    }));
  },
};

function readSelected(body: CborMap): Decision<SelectedGateway | undefined> {
  const selected = readInnerMap(body, 'selectedGateway');
  if (!selected.ok) return selected;
  if (selected.value === undefined) return decided(undefined);
  const uri = readText(selected.value, 'uri');
  if (!uri.ok) return uri;
  const id = readText(selected.value, 'id');
  return id.ok ? decided({ uri: uri.value, id: id.value }) : id;
}
