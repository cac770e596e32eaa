import { type DeviceResource, withCommon } from './resource.ts';

/** `/oic/p`: what the device runs on (OCF Core §11.3). */
export const platformResource: DeviceResource = {
  href: '/oic/p',
  types: ['oic.wk.p'],
  interfaces: ['oic.if.r', 'oic.if.baseline'],
  isPublic: true,
  isDiscoverable: true,
  instance: 2,
  get(view) {
    return withCommon(this, view, { pi: view.device.host.platformId, mnmn: 'firstboot' });
  },
};
