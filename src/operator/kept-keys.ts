import { failure } from '../core/errors.ts';
import type { EnrollmentGroup } from '../store/model.ts';

/**
 * A group whose keys were left out (''), because whoever wrote it was not told them: it keeps those that it has, a pre-shared
 * key by its identity.
 * @throws FirstbootError operator.input when there is none to keep
 */
export function withKeptKeys(group: EnrollmentGroup, known: EnrollmentGroup | undefined): EnrollmentGroup {
  const { attestation, ownerPsk } = group;
  const psk = attestation.psk.map((entry) => {
    if (entry.key !== '') return entry;
    const before = known?.attestation.psk.find(({ identity }) => identity === entry.identity);
    return { ...entry, key: before?.key ?? missing(group, `psk of ${entry.identity}`) };
  });
  return {
    ...group,
    attestation: { ...attestation, psk },
    ownerPsk: ownerPsk === '' ? (known?.ownerPsk ?? missing(group, 'ownerPsk')) : ownerPsk,
  };
}

function missing({ name }: EnrollmentGroup, field: string): never {
  throw failure('operator.input', { group: name, field }, 'write the key: there is none yet that could stay');
}
