import { isUuid } from '../core/ids.ts';
import { permissions } from '../core/permissions.ts';
import { accessFields, templateFields } from '../provision/template.ts';
import type { AceTemplate } from '../store/model.ts';
import type { GroupConfig } from './group-schema.ts';
import type { Place } from './place.ts';

type EntryConfig = NonNullable<GroupConfig['acl']>[number];
type PermissionName = keyof typeof permissions;

/** An access control entry from what is written at a place. */
export function entryAt(place: Place, { subject, permission, resources }: EntryConfig): AceTemplate {
  checkFields(place.at('subject'), typeof subject === 'string' ? subject : `${subject.role}${subject.authority ?? ''}`);
  for (const [at, resource] of resources.entries()) checkFields(place.at('resources', at), resource);
  const names = permission === 'all' ? permissionNames : permission;
  return {
    subject: subjectAt(place.at('subject'), subject),
    permission: names.reduce((bits, name) => bits | permissions[name], 0),
    resources: resources.map((resource) => (isWildcard(resource) ? { wildcard: resource } : { href: resource })),
  };
}

/** The same entry as it is written. */
export function entryConfig({ subject, permission, resources }: AceTemplate): EntryConfig {
  const names = permissionNames.filter((name) => (permission & permissions[name]) !== 0);
  return {
    subject: subjectConfig(subject),
    permission: names.length === permissionNames.length ? 'all' : names,
    resources: resources.map((resource) => ('href' in resource ? resource.href : resource.wildcard)),
  };
}

/** Words for subjects that have no UUID of their own. */
const words = {
  owner: { type: 'uuid', uuid: `\${owner.id}` },
  hub: { type: 'uuid', uuid: `\${hub.id}` },
  anonymous: { type: 'connection', kind: 'anon-clear' },
  authenticated: { type: 'connection', kind: 'auth-crypt' },
} as const satisfies Readonly<Record<string, AceTemplate['subject']>>;

const isWord = (text: string): text is keyof typeof words => Object.hasOwn(words, text);

function subjectAt(place: Place, subject: EntryConfig['subject']): AceTemplate['subject'] {
  if (typeof subject !== 'string') return { type: 'role', role: subject.role, authority: subject.authority };
  if (isWord(subject)) return words[subject];
  if (!isUuid(subject) && templateFields(subject).length === 0) {
    place.problem(`expected ${Object.keys(words).join(', ')}, a UUID (may hold \${…}), or a mapping with role`);
  }
  return { type: 'uuid', uuid: subject };
}

function subjectConfig(subject: AceTemplate['subject']): EntryConfig['subject'] {
  switch (subject.type) {
    case 'role':
      return { role: subject.role, ...(subject.authority !== undefined && { authority: subject.authority }) };
    case 'connection':
      return subject.kind === 'anon-clear' ? 'anonymous' : 'authenticated';
    case 'uuid':
      return subject.uuid === words.owner.uuid ? 'owner' : subject.uuid === words.hub.uuid ? 'hub' : subject.uuid;
  }
}

function checkFields(place: Place, text: string): void {
  const known: readonly string[] = accessFields;
  for (const field of templateFields(text).filter((name) => !known.includes(name))) {
    place.problem(`there is no field ${field} here; known fields: ${known.join(', ')}`);
  }
}

const permissionNames = Object.keys(permissions) as readonly PermissionName[];

const isWildcard = (text: string): text is '*' | '+' | '-' => text === '*' || text === '+' || text === '-';
