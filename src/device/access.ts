import type { Method } from '../coap/endpoint.ts';
import { nilUuid, type Uuid, uuidFromBytes } from '../core/ids.ts';
import { permissions } from '../core/permissions.ts';
import type { SecureSession } from '../secure/association.ts';
import { certifiedUuid } from './impostor.ts';
import type { Ace, AceResource, AceSubject } from './state.ts';

/** Who asks something of the device: whoever its session has proved to be. */
export type Subject = { readonly kind: 'uuid'; readonly uuid: Uuid } | { readonly kind: 'anonymous' };

/** How: through a secure session that the device's own credentials vouch for, or any other way (OCF Security §12.2.2). */
export type ConnectionType = 'auth-crypt' | 'anon-clear';

export interface Caller {
  readonly subject: Subject;
  readonly connection: ConnectionType;
}

/** What is asked for. `isPublic`: it is offered without security, too. */
export interface AccessTarget {
  readonly href: string;
  readonly isPublic: boolean;
}

/** Nobody in particular: cleartext, or a session that says nothing about its peer. */
export const stranger: Caller = { subject: { kind: 'anonymous' }, connection: 'anon-clear' };

/**
 * Whether the access control list lets `caller` do this (OCF Security §12.2; contract, plgd-device b5). The bits of all
 * entries that hold for the caller add up. An `anon-clear` entry holds for everybody, also over a secure session: what is
 * given to strangers is not kept from friends (behaviour 36: another owner reads /oic/d, /oic/p and /oic/res). Without a list
 * the device is as the factory made it: `bootstrapAcl`.
 * @param owner resource owner of the security resources: it needs no entry for them.
 */
export function isAllowed(
  acl: readonly Ace[] | undefined,
  { subject, connection }: Caller,
  method: Method,
  target: AccessTarget,
  owner: Uuid | undefined,
): boolean {
  if (owner !== undefined && subject.kind === 'uuid' && subject.uuid === owner && ownedBy.has(target.href)) return true;
  let granted = 0;
  for (const { permission, subject: holder, resources } of acl ?? bootstrapAcl) {
    if (holdsFor(holder, subject, connection) && resources.some((resource) => covers(resource, target))) {
      granted |= permission;
    }
  }
  return (granted & neededFor(method)) !== 0;
}

/**
 * Until the service has given the device its list, everybody may look at what tells an unowned device from others, and how far
 * its provisioning is, as on a device that is ready for ownership transfer (OCF Security §8.2). Nobody may write: who has the
 * right to, the device cannot know yet.
 */
export const bootstrapAcl: readonly Ace[] = [
  {
    permission: permissions.retrieve,
    subject: { conntype: 'anon-clear' },
    resources: ['/oic/res', '/oic/d', '/oic/p', '/oic/sec/doxm', '/plgd/dps'].map((href) => ({ href })),
  },
];

/** The subject of a local session: the owner of its key, or the holder of its certificate. The path has been verified. */
export function subjectOf({ peer, pskIdentity }: SecureSession): Subject {
  const leaf = peer?.presented[0];
  const uuid = pskIdentity ? uuidFromBytes(pskIdentity) : leaf && certifiedUuid(leaf);
  // The nil UUID stands for nobody (OCF Security §12.2).
  return uuid === undefined || uuid === nilUuid ? { kind: 'anonymous' } : { kind: 'uuid', uuid };
}

/** Resources whose `rowneruuid` is the device's owner. */
const ownedBy: ReadonlySet<string> = new Set(['/oic/sec/doxm', '/oic/sec/cred', '/oic/sec/acl2']);

/** Reading and observing are one, writing and creating too: the reference device tells them no further apart. */
function neededFor(method: Method): number {
  switch (method) {
    case 'GET':
    case 'FETCH':
      return permissions.retrieve | permissions.notify;
    case 'DELETE':
      return permissions.delete;
    default:
      return permissions.create | permissions.update;
  }
}

function holdsFor(holder: AceSubject, subject: Subject, connection: ConnectionType): boolean {
  if ('conntype' in holder) return holder.conntype === 'anon-clear' || connection === 'auth-crypt';
  // A role is held by its certificate; this device knows none.
  if ('role' in holder) return false;
  // `*` is whoever has a name: what strangers may do is said by `anon-clear`, for anybody can send in the clear.
  return subject.kind === 'uuid' && (holder.uuid === '*' || subject.uuid === holder.uuid);
}

/** A wildcard never reaches the security resources: these must be named (plgd-device b5). An entry without either covers nothing. */
function covers({ href, wc }: AceResource, target: AccessTarget): boolean {
  if (href !== undefined) return href === target.href;
  if (wc === undefined || target.href.startsWith('/oic/sec/')) return false;
  // `+`: offered with security, as everything here is; `-`: without.
  return wc !== '-' || target.isPublic;
}
