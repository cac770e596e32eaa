import type { Role } from '../../store/model.ts';

/** Answers of the API that are no type of src/operator or src/store. */

export interface ListAnswer<T> {
  readonly items: readonly T[];
  readonly next: string | null;
}

export interface Session {
  readonly name: string;
  readonly role: Role;
  readonly ownerId?: string | null;
  readonly by: 'token' | 'jwt' | 'certificate';
  readonly expiresAt?: number | null;
}
