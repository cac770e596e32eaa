import type { GroupConfig } from '../../../config/group-schema.ts';
import type { Complain } from './complaint.ts';

/** A group as the API reads and writes it: a policy file's keys; those that are secret are null when they are read. */
export type WrittenGroup = Omit<GroupConfig, 'psk' | 'ownerPsk' | 'keyFile' | 'ownerPskFile' | 'identityDays'> & {
  readonly psk?: readonly WrittenPsk[];
  readonly ownerPsk?: string | null;
  readonly ownerId?: string;
  readonly source?: 'file' | 'operator';
  readonly revision?: number;
};

export interface WrittenPsk {
  readonly identity: string;
  readonly key?: string | null;
  readonly derived?: boolean;
}

export type GroupFields = Omit<WrittenGroup, 'ownerId' | 'source' | 'revision'>;

/** What a form changes: one key, by name. `undefined` takes it out. */
export type ChangeGroup = (changes: { readonly [K in keyof GroupFields]?: GroupFields[K] | undefined }) => void;

/** What each part of the form of a group works on. */
export interface GroupFormProps {
  readonly group: GroupFields;
  readonly onChange: ChangeGroup;
  readonly complaint: Complain;
}

export const emptyGroup: GroupFields = { name: '', owner: '', hubs: [], admission: 'manual' };

/** Without what only reads tell. */
export function fieldsOf({ ownerId: _, source: _source, revision: _revision, ...fields }: WrittenGroup): GroupFields {
  return fields;
}

/** The keys that differ between two of them, in the order of the first. */
export function changedKeys(before: object, after: object): readonly string[] {
  const [a, b] = [before as Record<string, unknown>, after as Record<string, unknown>];
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].filter(
    (key) => key !== 'revision' && JSON.stringify(a[key] ?? null) !== JSON.stringify(b[key] ?? null),
  );
}
