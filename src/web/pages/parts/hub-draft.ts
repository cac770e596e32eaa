import type { HubConfig } from '../../../config/hub-schema.ts';

/** A hub as the API reads and writes it: a policy file's keys. */
export type WrittenHub = Omit<HubConfig, 'id'> & {
  readonly id?: string;
  readonly ownerId?: string;
  readonly source?: 'file' | 'operator';
  readonly revision?: number;
};

export type HubFields = Omit<WrittenHub, 'ownerId' | 'source' | 'revision'>;

/** Without what only reads tell. */
export function hubFieldsOf({ ownerId: _, source: _source, revision: _revision, ...fields }: WrittenHub): HubFields {
  return fields;
}
