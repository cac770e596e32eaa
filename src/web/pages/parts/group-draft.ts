import type { GroupConfig } from '../../../config/group-schema.ts';
import { problemIn } from '../../api/client.ts';

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

/** What the API says is wrong, with the key it is about: `anchors`, and which of them. */
export interface Complaint {
  readonly field: string | undefined;
  readonly text: string;
}

/** `body.anchors.1`, `anchors[1]` -> `anchors`. */
export function complaintIn(error: unknown): Complaint | undefined {
  if (error === undefined) return undefined;
  const { title, fix, evidence } = problemIn(error);
  const named = evidence?.key ?? evidence?.at;
  const path = typeof named === 'string' ? named.replace(/^body\.?/, '') : '';
  const field = /^[a-zA-Z]+/.exec(path)?.[0];
  const place = field === undefined || path === field ? '' : `${path}: `;
  return { field, text: `${place}${fix || title}` };
}
