import { decodeCertificates, encodePem } from '../codec/pem.ts';
import type { Millis } from '../core/clock.ts';
import { FirstbootError } from '../core/errors.ts';
import { type Uuid, uuidNamespaces, uuidV5 } from '../core/ids.ts';
import { type Certificate, fingerprint, parseCertificate } from '../pki/certificate.ts';
import type { Issuer } from '../pki/issuer.ts';
import { decodeCrls, readCrl } from '../pki/revocation-list.ts';
import { type AuthorityState, keyIdOf } from '../pki/roll-over.ts';
import type { EnrollmentGroup, FetchedCrl } from '../store/model.ts';
import type { Store } from '../store/store.ts';
import { issuedCounts, issuersOf } from './ca-credentials.ts';

/** Authorities of ours and of manufacturers as they are now. */
export interface CaStatus {
  readonly roots: readonly (AuthorityFacts & { readonly role: 'present' | 'announced' | 'previous' })[];
  readonly issuing: readonly (AuthorityFacts & {
    readonly role: 'present' | 'retired';
    /** Identity certificates that have not expired; undefined: there is no store to look into. */
    readonly live: number | undefined;
    /** Those that end today count until the day (UTC) is over. */
    readonly revoked: number | undefined;
    /** Number of its last revocation list; 0: there was none yet. */
    readonly crlNumber: number | undefined;
  })[];
  readonly manufacturers: readonly ManufacturerStatus[];
}

export interface AuthorityFacts {
  readonly subject: string;
  readonly keyId: string;
  /** SHA-256. */
  readonly fingerprint: string;
  readonly notBefore: Millis;
  readonly notAfter: Millis;
}

export interface ManufacturerStatus {
  readonly group: { readonly id: Uuid; readonly name: string };
  readonly anchors: readonly Omit<AuthorityFacts, 'keyId'>[];
  readonly lists: readonly ListStatus[];
}

export interface ListStatus {
  /** Its URL; undefined: it is written in the group. */
  readonly url: string | undefined;
  readonly issuer: string | undefined;
  readonly revoked: number | undefined;
  readonly thisUpdate: Millis | undefined;
  readonly nextUpdate: Millis | undefined;
  readonly fetchedAt: Millis | undefined;
  /** Its nextUpdate has passed, or it could never be fetched. */
  readonly stale: boolean;
  /** Why the last try to fetch it failed. */
  readonly error: string | undefined;
}

/** @throws FirstbootError service.store */
export async function caStatus(authority: AuthorityState, store: Store | undefined, now: Millis): Promise<CaStatus> {
  const issuers = issuersOf(authority).map(factsOf);
  const issued = store && (await issuedCounts(store, now));
  const { root, next, previous } = authority;
  const roots = [
    { role: 'present', issuer: root },
    { role: 'announced', issuer: next },
    { role: 'previous', issuer: previous },
  ] as const;
  const fetched = store
    ? new Map((await store.crls.list()).map((list) => [list.id, list]))
    : new Map<Uuid, FetchedCrl>();
  const groups = store ? await store.groups.list() : [];
  return {
    roots: roots.flatMap(({ role, issuer }) => (issuer ? [{ role, ...factsOf(issuer) }] : [])),
    issuing: await Promise.all(
      issuers.map(async (facts, at) => {
        const counts = issued && (issued.get(facts.keyId) ?? { live: 0, revoked: 0 });
        return {
          role: at === 0 ? ('present' as const) : ('retired' as const),
          ...facts,
          live: counts?.live,
          revoked: counts?.revoked,
          crlNumber: await store?.lastCrlNumber(facts.keyId),
        };
      }),
    ),
    manufacturers: groups.flatMap((group) => manufacturerStatus(group, fetched, now)),
  };
}

function manufacturerStatus(
  { id, name, attestation }: EnrollmentGroup,
  fetched: ReadonlyMap<Uuid, FetchedCrl>,
  now: Millis,
): ManufacturerStatus[] {
  const { x509 } = attestation;
  if (!x509) return [];
  const anchors = readable(() => x509.anchors.flatMap((pem) => decodeCertificates(pem)).map(parseCertificate)) ?? [];
  const written = x509.crls.flatMap((pem) => readable(() => decodeCrls(pem)) ?? []);
  return [
    {
      group: { id, name },
      anchors: anchors.map(certificateFacts),
      lists: [
        ...written.map((der) => listStatus({ pem: encodePem('X509 CRL', der) }, now)),
        ...x509.crlUrls.map((url) => listStatus({ ...fetched.get(uuidV5(uuidNamespaces.url, url)), url }, now)),
      ],
    },
  ];
}

function listStatus({ url, pem, fetchedAt, error }: Partial<FetchedCrl>, now: Millis): ListStatus {
  const [der] = pem === undefined ? [] : (readable(() => decodeCrls(pem)) ?? []);
  const list = der && readable(() => readCrl(der));
  return {
    url,
    issuer: list?.issuer.text,
    revoked: list?.revoked.length,
    thisUpdate: list?.thisUpdate,
    nextUpdate: list?.nextUpdate,
    fetchedAt,
    stale: list === undefined || (list.nextUpdate !== undefined && list.nextUpdate <= now),
    error,
  };
}

const factsOf = (issuer: Issuer): AuthorityFacts => ({
  ...certificateFacts(issuer.certificate),
  keyId: keyIdOf(issuer),
});

const certificateFacts = ({ subject, der, notBefore, notAfter }: Certificate): Omit<AuthorityFacts, 'keyId'> => ({
  subject: subject.text,
  fingerprint: fingerprint(der),
  notBefore,
  notAfter,
});

/** A group with damaged material is shown without it; the log of the service says what is wrong. */
function readable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof FirstbootError) return undefined;
    throw error;
  }
}
