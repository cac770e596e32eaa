import type { Uuid } from '../core/ids.ts';
import type { EnrollmentGroup } from '../store/model.ts';

/** URLs in groups that the service itself asks, by who has written them: an owner's people must not reach what it reaches. */

/** Whether somebody who is bound to an owner has written where its webhook is. */
export const hasOwnersWebhook = ({ ownersUrls }: EnrollmentGroup): boolean => ownersUrls?.allocation === true;

/** Whether somebody who is bound to an owner has written where one of its revocation lists is. */
export const isOwnersList = ({ ownersUrls }: EnrollmentGroup, url: string): boolean =>
  ownersUrls?.crls.includes(url) === true;

/**
 * The group with whose its URLs are: one that was there before, for the same use, stays whose it was, whoever writes the group
 * again.
 * @param ownerId whom the writer is bound to; undefined: nobody, as far as the writer says
 */
export function withOwnersUrls(
  group: EnrollmentGroup,
  known: EnrollmentGroup | undefined,
  ownerId: Uuid | undefined,
): EnrollmentGroup {
  const bound = ownerId !== undefined;
  const webhook = webhookOf(group);
  const stays = known !== undefined && webhook === webhookOf(known);
  const allocation = webhook !== undefined && (stays ? hasOwnersWebhook(known) : bound);
  const crls = listsOf(group).filter((url) =>
    known && listsOf(known).includes(url) ? isOwnersList(known, url) : bound,
  );
  return { ...group, ownersUrls: allocation || crls.length > 0 ? { allocation, crls } : undefined };
}

const webhookOf = ({ allocation }: EnrollmentGroup): string | undefined =>
  allocation.type === 'webhook' ? allocation.url : undefined;

const listsOf = ({ attestation: { x509 } }: EnrollmentGroup): readonly string[] => x509?.crlUrls ?? [];
