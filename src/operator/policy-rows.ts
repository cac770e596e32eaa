import { failure } from '../core/errors.ts';
import type { Uuid } from '../core/ids.ts';
import type { PolicyOrigin } from '../store/model.ts';

type Kind = 'group' | 'hub';

/** @throws FirstbootError operator.file-managed */
export function requireOperatorManaged(
  kind: Kind,
  { id, name, source }: { readonly id: Uuid; readonly name: string; readonly source: PolicyOrigin },
): void {
  if (source === 'operator') return;
  const fix = `change the ${kind} in its file and start the service again: at every start the file wins`;
  throw failure('operator.file-managed', { [kind]: name, id }, fix);
}

/**
 * That no other row has the name, and, for a new one, none has the id.
 * @throws FirstbootError operator.conflict
 */
export function requireNewName(
  kind: Kind,
  { id, name }: { readonly id: Uuid; readonly name: string },
  rows: readonly { readonly id: Uuid; readonly name: string }[],
  create: boolean,
): void {
  const sameId = create ? rows.find((row) => row.id === id) : undefined;
  if (sameId) {
    throw failure('operator.conflict', { [kind]: sameId.name, id }, `there is a ${kind} of this id: update that one`);
  }
  const namesake = rows.find((row) => row.id !== id && row.name === name);
  if (namesake) {
    throw failure('operator.conflict', { [kind]: name, id: namesake.id }, `another ${kind} has this name: choose one`);
  }
}
