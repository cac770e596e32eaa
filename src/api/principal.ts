import type { Millis } from '../core/clock.ts';
import type { Uuid } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import type { Role } from '../store/model.ts';

/** Who asks, and what it may. */
export interface Principal {
  /** The same for every request with the same token, subject of an issuer, or certificate; nobody else has it. */
  readonly id: string;
  /**
   * For the audit log: the name of the token, or the subject of the JWT or of the certificate with what vouches for it:
   * `alice (https://login.example)`, `CN=ci (certificate 3fa2b1…)`. One line.
   */
  readonly name: string;
  readonly role: Role;
  /** Sees and changes what is of this owner only; undefined: everything. */
  readonly ownerId: Uuid | undefined;
  readonly by: 'token' | 'jwt' | 'certificate';
  /** Address and port. */
  readonly from: string;
  /** When what it signed in with ends. */
  readonly expiresAt: Millis | undefined;
}

/** @param vouchedBy what keeps the name apart from the same one of somebody else; each part is cut at limits.api.name */
export const principalName = (subject: string, vouchedBy: string): string => `${shown(subject)} (${shown(vouchedBy)})`;

/** Others choose what they are called: nothing in it may move, hide or turn round what stands beside it. */
const shown = (text: string): string =>
  text.slice(0, limits.api.name).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (odd) => `\\u{${odd.codePointAt(0)?.toString(16)}}`);
