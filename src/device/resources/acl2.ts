import { nilUuid } from '../../core/ids.ts';
import { bootstrapAcl } from '../access.ts';
import { type DeviceResource, withCommon } from './resource.ts';

/** `/oic/sec/acl2`: the list that is enforced (OCF Security §13.5). */
export const acl2Resource: DeviceResource = {
  href: '/oic/sec/acl2',
  types: ['oic.r.acl2'],
  interfaces: ['oic.if.rw', 'oic.if.baseline'],
  isPublic: false,
  isDiscoverable: false,
  get(view) {
    const { acl = bootstrapAcl, owner = nilUuid } = view.device.host.state;
    const aclist2 = acl.map(({ aceid, subject, permission, resources, tag }, at) => ({
      aceid: aceid ?? at + 1,
      subject: { ...subject },
      permission,
      resources: resources.map((resource) => ({ ...resource })),
      ...(tag !== undefined && { tag }),
    }));
    return withCommon(this, view, { aclist2, rowneruuid: owner });
  },
};
