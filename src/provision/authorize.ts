import { type Decision, decided, refused } from '../core/errors.ts';
import { parseUuid, type Uuid } from '../core/ids.ts';
import { permissions } from '../core/permissions.ts';
import type { AceTemplate, EnrollmentGroup } from '../store/model.ts';
import type { AccessControl, AccessControlEntry } from './contract.ts';
import { renderTemplate, type TemplateFields, templateFields } from './template.ts';

/** Whom the list is for. */
export interface AclSubject {
  readonly ownerId: Uuid;
  readonly deviceId: Uuid | undefined;
  /** `cert.subject.cn` of what the device has attested; undefined where nobody vouches for it. */
  readonly commonName: string | undefined;
}

/**
 * Stage authorize: the list that the group's template makes, or the standard one. Hubs are listed by id, so a hub that is not
 * configured (yet) already has its entry.
 * Refusals: request.out-of-order, service.config when the template needs what the device does not have.
 */
export function authorize(group: EnrollmentGroup, subject: AclSubject): Decision<AccessControl> {
  const hubs = [...new Set(group.hubs)];
  if (group.acl === undefined) return decided({ entries: standardEntries(subject.ownerId, hubs) });
  const entries: AccessControlEntry[] = [];
  for (const [at, template] of group.acl.entries()) {
    for (const hub of textsOf(template).some(namesHub) ? hubs : [undefined]) {
      const entry = render(template, {
        'device.id': subject.deviceId,
        'owner.id': subject.ownerId,
        'hub.id': hub,
        'cert.subject.cn': subject.commonName,
      });
      if (!entry.ok) return unusable(group, at, entry.text, subject);
      entries.push(entry.value);
    }
  }
  return decided({ entries });
}

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

/** The owner and every hub may do everything, anybody may discover the device. */
const standardEntries = (ownerId: Uuid, hubs: readonly Uuid[]): readonly AccessControlEntry[] => [
  fullAccess(ownerId, ownerResources),
  {
    subject: { type: 'connection', kind: 'anon-clear' },
    permission: permissions.retrieve,
    resources: discoveryResources.map((href) => ({ href })),
  },
  ...hubs.filter((id) => id !== ownerId).map((id) => fullAccess(id, hubResources)),
];

function fullAccess(uuid: string, hrefs: readonly string[]): AccessControlEntry {
  return {
    subject: { type: 'uuid', uuid },
    permission: everything,
    resources: [...hrefs.map((href) => ({ href })), { wildcard: '*' }],
  };
}

type Rendered =
  | { readonly ok: true; readonly value: AccessControlEntry }
  | { readonly ok: false; readonly text: string };

/** The entry, or the text that cannot be used. */
function render({ subject, permission, resources }: AceTemplate, fields: TemplateFields): Rendered {
  const rendered: AccessControlEntry['resources'][number][] = [];
  for (const resource of resources) {
    if ('wildcard' in resource) {
      rendered.push(resource);
      continue;
    }
    const href = renderTemplate(resource.href, fields);
    if (href === undefined) return { ok: false, text: resource.href };
    rendered.push({ href });
  }
  const whose = renderSubject(subject, fields);
  return typeof whose === 'string'
    ? { ok: false, text: whose }
    : { ok: true, value: { subject: whose, permission, resources: rendered } };
}

function renderSubject(
  subject: AceTemplate['subject'],
  fields: TemplateFields,
): AccessControlEntry['subject'] | string {
  switch (subject.type) {
    case 'connection':
      return subject;
    case 'uuid': {
      const text = renderTemplate(subject.uuid, fields);
      const uuid = text === '*' ? text : parseUuid(text ?? '');
      return uuid === undefined ? subject.uuid : { type: 'uuid', uuid };
    }
    case 'role': {
      const role = renderTemplate(subject.role, fields);
      if (role === undefined) return subject.role;
      if (subject.authority === undefined) return { type: 'role', role, authority: undefined };
      const authority = renderTemplate(subject.authority, fields);
      return authority === undefined ? subject.authority : { type: 'role', role, authority };
    }
  }
}

function textsOf({ subject, resources }: AceTemplate): readonly string[] {
  const hrefs = resources.flatMap((resource) => ('href' in resource ? [resource.href] : []));
  switch (subject.type) {
    case 'uuid':
      return [subject.uuid, ...hrefs];
    case 'role':
      return [subject.role, subject.authority ?? '', ...hrefs];
    case 'connection':
      return hrefs;
  }
}

const namesHub = (text: string): boolean => templateFields(text).includes('hub.id');

function unusable(group: EnrollmentGroup, at: number, text: string, { deviceId }: AclSubject): Decision<never> {
  if (deviceId === undefined && templateFields(text).includes('device.id')) {
    return refused(
      'request.out-of-order',
      { text },
      'ask for the cloud or for credentials first, which name the device',
    );
  }
  return refused(
    'service.config',
    { group: group.name, entry: at, text },
    "use fields in the group's access control list that are attested of every device (of a pinned key none of its certificate is), and as a subject only what is a UUID then",
  );
}
