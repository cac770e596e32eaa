import type { Role, Statistics } from '../../store/model.ts';

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

export type StatisticsSlot = Omit<Statistics, 'slot' | 'ownerId'> & { readonly at: number };

export interface StatisticsAnswer {
  /** ms */
  readonly step: number;
  /** Slots in which nothing happened are left out. */
  readonly slots: readonly StatisticsSlot[];
  /** Upper bounds (ms) of the counts. */
  readonly bounds: { readonly stages: readonly number[]; readonly runs: readonly number[] };
}
