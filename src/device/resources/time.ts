import { type DeviceResource, withCommon } from './resource.ts';

/** `/x.plgd.dev/time`: the time that the device has been told, kept going by its own clock. */
export const timeResource: DeviceResource = {
  href: '/x.plgd.dev/time',
  types: ['x.plgd.dev.time'],
  interfaces: ['oic.if.r', 'oic.if.baseline'],
  isPublic: false,
  isDiscoverable: true,
  get(view) {
    const { host } = view.device;
    const time = host.now() + (host.state.clockOffset ?? 0);
    return withCommon(this, view, { time: new Date(time).toISOString() });
  },
};
