import { failure } from '../core/errors.ts';
import { nilUuid, type Uuid } from '../core/ids.ts';
import type { PolicyOrigin } from '../store/model.ts';
import type { Store, TakenName } from '../store/store.ts';
import { isPrintable } from './selectors.ts';

type Kind = 'group' | 'hub';

interface Named {
  readonly id: Uuid;
  readonly name: string;
}

/** @throws FirstbootError operator.file-managed */
export function requireOperatorManaged(
  kind: Kind,
  { id, name, source }: { readonly id: Uuid; readonly name: string; readonly source: PolicyOrigin },
): void {
  if (source === 'operator') return;
  const fix = `change the ${kind} in its file, which wins at every start and reload`;
  throw failure('operator.file-managed', { [kind]: name, id }, fix);
}

/**
 * That the name can be shown and, when the row takes it with this, no other one has it; and that none has the id of a new one. Of a
 * row that keeps its name another owner, who does not see it, may have taken the same one since.
 * @param known what is there of the row; undefined: it is new
 * @throws FirstbootError operator.conflict, operator.input
 */
export function requireNewName(
  kind: Kind,
  { id, name }: Named,
  rows: readonly Named[],
  known: { readonly name: string } | undefined,
): void {
  if (!isPrintable(name)) {
    throw failure('operator.input', { field: 'name', [kind]: id }, 'write one line, without control characters');
  }
  const sameId = known === undefined ? rows.find((row) => row.id === id) : undefined;
  if (sameId) {
    throw failure('operator.conflict', { [kind]: sameId.name, id }, `there is a ${kind} of this id: update that one`);
  }
  requireFreeName(kind, { id, name }, rows, known);
}

/**
 * That no other row has the name which a row takes with this.
 * @param known what is there of the row; undefined: it is new
 * @throws FirstbootError operator.conflict
 */
export function requireFreeName(
  kind: Kind | 'webhook' | 'token',
  { id, name }: Named,
  rows: readonly Named[],
  known: { readonly name: string } | undefined,
): void {
  const namesake = known?.name === name ? undefined : rows.find((row) => row.id !== id && row.name === name);
  if (!namesake) return;
  throw failure('operator.conflict', { [kind]: name, id: namesake.id }, `another ${kind} has this name: choose one`);
}

/** What a write of a row says of its name, so that of two who take the same one at once one gets it. */
export const takenName = (
  of: TakenName['of'],
  { id, name }: Named,
  known: { readonly name: string } | undefined,
): readonly TakenName[] => (known?.name === name ? [] : [{ of, id, name }]);

/**
 * That no device has the id of a hub or an owner as its own: it would be kept out, and its certificate would speak in their name.
 * @returns nilUuid: the id is kept for the owner already
 * @throws FirstbootError operator.conflict
 */
export async function requireNoDevice(
  store: Pick<Store, 'ownerOfDeviceId'>,
  kind: 'hub' | 'owner',
  { id, name }: { readonly id: Uuid; readonly name: string },
): Promise<Uuid | undefined> {
  const holder = await store.ownerOfDeviceId(id);
  if (holder === undefined || (holder === nilUuid && kind === 'owner')) return holder;
  const evidence = { [kind]: name, [`${kind}Id`]: id, ...(holder !== nilUuid && { device: holder }) };
  const whose = holder === nilUuid ? `an owner has the ${kind}'s id` : `a device has the ${kind}'s id as its device id`;
  throw failure('operator.conflict', evidence, `${whose}: give the ${kind} another id`);
}
