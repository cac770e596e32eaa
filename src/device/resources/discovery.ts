import type { CborMap } from '../../codec/cbor.ts';
import { isAllowed } from '../access.ts';
import { type DeviceResource, type View, withCommon } from './resource.ts';

/** `/oic/res`: the device's resources as links, `?rt=` and `?if=` as OCF Core §11.2 has them. */
export const discoveryResource = (resources: () => readonly DeviceResource[]): DeviceResource => ({
  href: '/oic/res',
  types: ['oic.wk.res'],
  interfaces: ['oic.if.ll', 'oic.if.b', 'oic.if.baseline'],
  isPublic: true,
  isDiscoverable: true,
  get(view) {
    const wanted = view.query.flatMap((item) => (item.startsWith('rt=') ? [item.slice('rt='.length)] : []));
    const found = resources().filter(
      ({ isDiscoverable, types }) => isDiscoverable && (wanted.length === 0 || types.some((rt) => wanted.includes(rt))),
    );
    const { host, endpoints } = view.device;
    const { deviceId } = host.state;
    if (view.interface === 'oic.if.b') {
      const others = found.filter((resource) => resource.href !== this.href && mayRead(resource, view));
      return others.map((resource) => ({
        href: `ocf://${deviceId}${resource.href}`,
        rep: resource.get({ ...view, interface: 'oic.if.baseline', query: [] }),
      }));
    }
    const links = found.map((resource) => linkOf(resource, deviceId, endpoints));
    return view.interface === 'oic.if.baseline' ? [withCommon(this, view, { links })] : links;
  },
});

function linkOf(resource: DeviceResource, deviceId: string, endpoints: readonly string[]): CborMap {
  const { href, types, interfaces, isPublic, watch } = resource;
  const reachable = endpoints.filter((ep) => isPublic || ep.startsWith('coaps:'));
  return {
    anchor: `ocf://${deviceId}`,
    href,
    ...(href === '/oic/res' && { rel: 'self' }),
    rt: types,
    if: interfaces,
    p: { bm: policy.discoverable | (watch ? policy.observable : 0) },
    eps: reachable.map((ep) => ({ ep })),
  };
}

/** The bitmap of a link (OCF Core §7.8.2.1.2). */
const policy = { discoverable: 1, observable: 2 } as const;

function mayRead(resource: DeviceResource, { caller, device }: View): boolean {
  const { acl, owner } = device.host.state;
  return isAllowed(acl, caller, 'GET', resource, owner);
}
