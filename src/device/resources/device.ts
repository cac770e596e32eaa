import { type DeviceResource, withCommon } from './resource.ts';

/** `/oic/d`: what the device is (OCF Core §11.3). */
export const deviceResource: DeviceResource = {
  href: '/oic/d',
  types: ['oic.d.cloudDevice', 'oic.wk.d'],
  interfaces: ['oic.if.r', 'oic.if.baseline'],
  isPublic: true,
  isDiscoverable: true,
  instance: 1,
  get(view) {
    const { name, state, platformId } = view.device.host;
    const properties = {
      n: name,
      di: state.deviceId,
      piid: platformId,
      icv: 'ocf.2.2.5',
      dmv: 'ocf.res.1.3.0,ocf.sh.1.3.0',
    };
    return withCommon(this, view, properties);
  },
};
