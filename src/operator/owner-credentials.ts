import type { Credential } from '../store/model.ts';
import type { ExpiryCount, Store } from '../store/store.ts';
import type { GuardedStore } from './change.ts';
import { pages, quickest, step } from './owner-pages.ts';
import type { OwnerScope } from './owner-scope.ts';
import { everyCredential, everyCredentialByEnd, listOf } from './scan.ts';

type CredentialReads = Pick<
  Store,
  'credential' | 'credentials' | 'allCredentials' | 'credentialsByEnd' | 'expiryCounts' | 'lastCrlNumber'
> &
  Required<Pick<GuardedStore, 'listCredentials'>>;

/** The credentials of an owner's devices (owner-view.ts). No index has them: they are picked out of everybody's. */
export function ownCredentials(scope: OwnerScope): CredentialReads {
  const { whole } = scope;
  const owned = (credential: Credential): Promise<boolean> => scope.ownsCredential(credential);
  return {
    credential: (serial) => scope.credential(serial),
    credentials: async (keyId) => ((await scope.device(keyId)) ? whole.credentials(keyId) : []),
    allCredentials: ({ after, limit }) => {
      const from = after === undefined ? {} : { after };
      const read = (behind: { readonly after?: string }) => whole.allCredentials({ ...from, ...behind, limit: step });
      return quickest(limit, [pages(read, ({ serial }) => serial, owned)]);
    },
    credentialsByEnd: ({ limit, ...range }) => {
      const read = (behind: { readonly after?: string }) =>
        whole.credentialsByEnd({ ...range, ...behind, limit: step });
      return quickest(limit, [
        pages(
          read,
          ({ cursor }) => cursor,
          ({ credential }) => owned(credential),
        ),
      ]);
    },
    listCredentials: async ({ ends, fits, after, limit }) => {
      const fitting = async (credential: Credential): Promise<boolean> => fits(credential) && owned(credential);
      const hidden = (last: string, told = after ?? ''): string | undefined => beginningBehind(told, last);
      if (!ends) {
        const position = ({ serial }: Credential): string => serial;
        return listOf(everyCredential(whole, after), { fits: fitting, most: limit, position, hidden });
      }
      const page = await listOf(everyCredentialByEnd(whole, ends, after), {
        fits: ({ credential }) => fitting(credential),
        most: limit,
        position: ({ cursor }) => cursor,
        hidden,
      });
      return { ...page, rows: page.rows.map(({ credential }) => credential) };
    },
    expiryCounts: async (range) => {
      const groups = new Set((await scope.groups.list()).map(({ id }) => id));
      const isOwn = ({ ownerId, groupId }: ExpiryCount): boolean =>
        ownerId === undefined ? groups.has(groupId) : ownerId === scope.ownerId;
      return (await whole.expiryCounts(range)).filter(isOwn);
    },
    lastCrlNumber: (issuerKeyId) => whole.lastCrlNumber(issuerKeyId),
  };
}

/**
 * The shortest beginning of a position that is behind `told`: where to go on that tells hardly anything of the row, which may be
 * somebody else's. It is in front of the row: some are looked through twice. Undefined: only the whole position is.
 */
function beginningBehind(told: string, position: string): string | undefined {
  const differing = [...position].findIndex((digit, at) => digit !== told[at]);
  return differing < 0 || differing + 1 === position.length ? undefined : position.slice(0, differing + 1);
}
