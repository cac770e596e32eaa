import { join } from 'node:path';
import { type SentOptions, toldGroup, toldHub } from '../config/sent.ts';
import type { Millis } from '../core/clock.ts';
import type { Outcome } from '../operator/change.ts';
import type { Page } from '../operator/scan.ts';
import type { EnrollmentGroup, Hub } from '../store/model.ts';
import type { Principal, Reply } from './route.ts';
import type { GroupResource } from './schemas/group.ts';
import type { HubResource } from './schemas/hub.ts';
import type { ApiService } from './service.ts';

/** How what operations answer is told. */

/** A group in the form of policy files, without its keys. */
export const groupTold = (group: EnrollmentGroup): GroupResource =>
  ({ ...toldGroup(group), ownerId: group.owner.id, source: group.source, revision: group.revision }) as GroupResource;

/** A hub in the form of policy files. */
export function hubTold(hub: Hub): HubResource {
  const { ownerId, source, revision } = hub;
  return { ...toldHub(hub), ...(ownerId !== undefined && { ownerId }), source, revision };
}

/** What reads tell beside what is written: where it is sent back, it is not looked at. */
export const writtenOf = <T extends { ownerId?: unknown; source?: unknown; revision?: unknown }>({
  ownerId: _,
  source: _source,
  revision: _revision,
  ...written
}: T) => written;

/** A list that always comes whole. */
export const listTold = <Items extends readonly unknown[]>(items: Items) => ({ body: { items, next: null } });

export const pageTold = <T>({ rows, next }: Page<T, string>) => ({ body: { items: rows, next: next ?? null } });

export const outcomeTold = <Row, Told>(
  { applied, effects, result }: Outcome<Row>,
  told: (row: Row) => Told,
): Outcome<Told> => ({ applied, effects, result: told(result) });

/** The answer of a change of one row; its revision goes along once it is stored. */
export const changeTold = <T extends { readonly revision: number }>(outcome: Outcome<T>): Reply<Outcome<T>> => ({
  body: outcome,
  ...(outcome.applied && { revision: outcome.result.revision }),
});

/** Principals that are bound to an owner have a folder each. */
export const secretsOf = ({ ownerId }: Principal, { secretsFolder }: Pick<ApiService, 'secretsFolder'>): string =>
  ownerId === undefined ? secretsFolder : join(secretsFolder, ownerId);

/** What was sent may name files of its sender's own. */
export const sentBy = (
  principal: Principal,
  service: ApiService,
  now: Millis,
  named: readonly string[] = [],
): SentOptions => ({
  source: 'operator',
  now,
  named,
  secrets: secretsOf(principal, service),
});
