import { permissions } from '../core/permissions.ts';
import type { EnrollmentGroup } from '../store/model.ts';
import type { AccessControl, AccessControlEntry } from './contract.ts';

const everything =
  permissions.create | permissions.retrieve | permissions.update | permissions.delete | permissions.notify;

/** Configuration resources that the wildcard does not cover, and who may use them (contract, plgd-service 1.8). */
const ownerResources = [
  '/CoapCloudConfResURI',
  '/oic/sec/sp',
  '/x.plgd.dev/time',
  '/oc/con',
  '/oc/swu',
  '/oic/mnt',
] as const;
const hubResources = ['/oc/con', '/oc/swu', '/oic/mnt', '/x.plgd.dev/time'] as const;
const discoveryResources = ['/oic/d', '/oic/p', '/oic/res', '/oic/sec/sdi', '/oic/sec/doxm'] as const;

/**
 * Stage authorize: the owner and every hub of the group may do everything, anybody may discover the device.
 * Hubs are listed by id, so a hub that is not configured (yet) already has its entry.
 */
export function authorize(group: EnrollmentGroup): AccessControl {
  const hubs = [...new Set(group.hubs)].filter((id) => id !== group.owner.id);
  return {
    entries: [
      fullAccess(group.owner.id, ownerResources),
      {
        subject: { type: 'connection', kind: 'anon-clear' },
        permission: permissions.retrieve,
        resources: discoveryResources.map((href) => ({ href })),
      },
      ...hubs.map((id) => fullAccess(id, hubResources)),
    ],
  };
}

function fullAccess(uuid: string, hrefs: readonly string[]): AccessControlEntry {
  return {
    subject: { type: 'uuid', uuid },
    permission: everything,
    resources: [...hrefs.map((href) => ({ href })), { wildcard: '*' }],
  };
}
