import type { GroupConfig } from '../../../config/group-schema.ts';

/** An entry of an access control list as a group writes it. */
export type Entry = NonNullable<GroupConfig['acl']>[number];

export const permissionNames = ['create', 'retrieve', 'update', 'delete', 'notify'] as const;

/** OCF Security, wildcards. */
export const wildcards: Readonly<Record<string, string>> = {
  '*': 'all resources',
  '+': 'all that are found in a secure session',
  '-': 'all that are found in the clear',
};

/** What devices get whose group says nothing: where a list of one's own begins (provision/authorize.ts). */
export const standardAcl: readonly Entry[] = [
  {
    subject: 'owner',
    permission: 'all',
    resources: ['/CoapCloudConfResURI', '/oic/sec/sp', '/x.plgd.dev/time', '/oc/con', '/oc/swu', '/oic/mnt', '*'],
  },
  {
    subject: 'anonymous',
    permission: ['retrieve'],
    resources: ['/oic/d', '/oic/p', '/oic/res', '/oic/sec/sdi', '/oic/sec/doxm'],
  },
  { subject: 'hub', permission: 'all', resources: ['/oc/con', '/oc/swu', '/oic/mnt', '/x.plgd.dev/time', '*'] },
];
