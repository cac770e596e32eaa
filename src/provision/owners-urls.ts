import type { Uuid } from '../core/ids.ts';
import type { EnrollmentGroup } from '../store/model.ts';

/** URLs in groups that the service itself asks, by who has written them: an owner's people must not reach what it reaches. */

/** Whether somebody who is bound to an owner has written it. */
export const isOwnersUrl = ({ ownersUrls = [] }: EnrollmentGroup, url: string): boolean => ownersUrls.includes(url);

/**
 * The group with whose its URLs are: one that was there before stays whose it was, whoever writes the group again.
 * @param ownerId whom the writer is bound to; undefined: nobody, as far as the writer says
 */
export function withOwnersUrls(
  group: EnrollmentGroup,
  known: EnrollmentGroup | undefined,
  ownerId: Uuid | undefined,
): EnrollmentGroup {
  const before = known ? urlsOf(known) : [];
  const ownersUrls = urlsOf(group).filter((url) =>
    known && before.includes(url) ? isOwnersUrl(known, url) : ownerId !== undefined,
  );
  return { ...group, ownersUrls: ownersUrls.length > 0 ? ownersUrls : undefined };
}

const urlsOf = ({ allocation, attestation: { x509 } }: EnrollmentGroup): readonly string[] => [
  ...(allocation.type === 'webhook' ? [allocation.url] : []),
  ...(x509?.crlUrls ?? []),
];
