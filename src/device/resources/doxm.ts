import { nilUuid } from '../../core/ids.ts';
import { type DeviceResource, withCommon } from './resource.ts';

/** Ownership by a provisioning service, in the vendor's range of methods (contract, plgd-device b2). */
const ownedByService = 0xff01;
/** Credential types that the device can use: pair-wise key 1, certificate 8 (OCF Security §13.2.2). */
const credentialTypes = 1 | 8;

/** `/oic/sec/doxm`: whose the device is (OCF Security §13.1). */
export const doxmResource: DeviceResource = {
  href: '/oic/sec/doxm',
  types: ['oic.r.doxm'],
  interfaces: ['oic.if.rw', 'oic.if.baseline'],
  isPublic: true,
  isDiscoverable: true,
  get(view) {
    const { deviceId, owner } = view.device.host.state;
    return withCommon(this, view, {
      deviceuuid: deviceId,
      devowneruuid: owner ?? nilUuid,
      rowneruuid: owner ?? nilUuid,
      owned: owner !== undefined,
      oxms: [ownedByService],
      oxmsel: ownedByService,
      sct: credentialTypes,
    });
  },
};
