import { failure } from '../core/errors.ts';
import type { EnrollmentGroup } from '../store/model.ts';

/**
 * A group whose keys were left out (''), because whoever wrote it was not told them: it keeps those that it has, a pre-shared
 * key by its identity.
 * @throws FirstbootError operator.input when there is none to keep
 */
export function withKeptKeys(group: EnrollmentGroup, known: EnrollmentGroup | undefined): EnrollmentGroup {
  const { attestation } = group;
  const psk = attestation.psk.map((entry) => {
    if (entry.key !== '') return entry;
    const before = known?.attestation.psk.find(({ identity }) => identity === entry.identity);
    return { ...entry, key: before?.key ?? missing(group, `psk of ${entry.identity}`) };
  });
  return {
    ...group,
    attestation: { ...attestation, psk },
    ownerPsk: group.ownerPsk === '' ? keptOwnerPsk(group, known) : group.ownerPsk,
  };
}

/** What keys are derived from, no device may have; and what all devices have is none to derive from. */
function keptOwnerPsk(group: EnrollmentGroup, known: EnrollmentGroup | undefined): string {
  const kept = known?.ownerPsk ?? missing(group, 'ownerPsk');
  if ((known?.ownerPskShared === true) === (group.ownerPskShared === true)) return kept;
  const fix = 'write a new ownerPsk as well: one that keys were derived from is not shared, nor the other way round';
  throw failure('operator.input', { group: group.name, field: 'ownerPskShared' }, fix);
}

function missing({ name }: EnrollmentGroup, field: string): never {
  throw failure('operator.input', { group: name, field }, 'write the key: there is none yet that could stay');
}
