import { failure } from '../core/errors.ts';
import { type Role, roles } from '../store/model.ts';
import type { Principal } from './principal.ts';

const atLeast = (role: Role, needed: Role): boolean => roles.indexOf(role) >= roles.indexOf(needed);

/** What a principal has to be. */
export interface Needed {
  /** At least. */
  readonly role: Role;
  /** Not bound to an owner. */
  readonly unbound?: boolean | undefined;
}

/** Whether it runs the service: the audit log, and what is wrong inside, are for nobody else. */
export const isInsider = ({ role, ownerId }: Principal): boolean => role === 'admin' && ownerId === undefined;

/** Whether both see and may the same. */
export const sameRights = (a: Principal | undefined, b: Principal | undefined): boolean =>
  a?.role === b?.role && a?.ownerId === b?.ownerId;

/** @throws FirstbootError api.forbidden */
export function requireRole({ role, ownerId }: Principal, { role: needed, unbound = false }: Needed): void {
  if (!atLeast(role, needed)) {
    throw failure('api.forbidden', { role, needed }, `use a token with the role ${needed}`);
  }
  if (unbound && ownerId !== undefined) {
    throw failure('api.forbidden', { ownerId }, 'this is not of one owner: use a token that is not bound to one');
  }
}
