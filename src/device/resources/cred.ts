import type { CborMap } from '../../codec/cbor.ts';
import { nilUuid } from '../../core/ids.ts';
import { type DeviceState, provisioningTag } from '../state.ts';
import { type DeviceResource, withCommon } from './resource.ts';

/** `/oic/sec/cred`: the device's credentials without what is private (OCF Security §13.2). */
export const credResource: DeviceResource = {
  href: '/oic/sec/cred',
  types: ['oic.r.cred'],
  interfaces: ['oic.if.rw', 'oic.if.baseline'],
  isPublic: false,
  isDiscoverable: false,
  get(view) {
    const { state } = view.device.host;
    const creds = entriesOf(state).map((entry, at) => ({ credid: at + 1, ...entry }));
    return withCommon(this, view, { creds, rowneruuid: state.owner ?? nilUuid });
  },
};

function entriesOf({ deviceId, credentials }: DeviceState): CborMap[] {
  if (!credentials) return [];
  const { identity, trustAnchors, psks, tag = provisioningTag } = credentials;
  return [
    ...psks.map(({ subject }) => ({ credtype: 1, subjectuuid: subject, tag })),
    certificate(deviceId, 'oic.sec.cred.cert', identity, tag),
    ...trustAnchors.map((anchor) => certificate('*', 'oic.sec.cred.trustca', anchor, tag)),
  ];
}

const certificate = (subject: string, usage: string, pem: string, tag: string): CborMap => ({
  credtype: 8,
  subjectuuid: subject,
  credusage: usage,
  publicdata: { data: pem, encoding: 'oic.sec.encoding.pem' },
  tag,
});
