import { equalBytes } from '../core/bytes.ts';
import type { Millis } from '../core/clock.ts';
import { limits } from '../core/limits.ts';
import type { AuthoritySource, Issuer } from '../pki/issuer.ts';
import { createCrl } from '../pki/revocation.ts';
import { keyIdOf } from '../pki/roll-over.ts';
import type { Credential } from '../store/model.ts';
import type { Store } from '../store/store.ts';

/** A revocation list as it is given out. */
export interface PublishedCrl {
  readonly issuerKeyId: string;
  readonly der: Uint8Array;
  readonly number: number;
  readonly thisUpdate: Millis;
  readonly nextUpdate: Millis;
  /** When it is signed again at the latest. */
  readonly renewedAt: Millis;
}

/** The revocation lists of our own issuing authorities (RFC 5280 §5). */
export interface Revocations {
  /**
   * The list of an issuing authority (by key id, hex; default: the present one) with everything that was revoked up to
   * limits.pki.crlRecheck ago. Asking costs one small read a second: the revoked credentials are read again when the store has
   * written of them, and when the list is limits.pki.crlRefresh old. Undefined: there is no such authority.
   * @throws FirstbootError service.store
   */
  current(now: Millis, issuerKeyId?: string): Promise<PublishedCrl | undefined>;
  /** The DER of the present authority's list. @throws FirstbootError service.store */
  latest(this: void, now: Millis): Promise<Uint8Array>;
  /** Those of all issuing authorities whose certificates may be alive, the present one first. @throws FirstbootError service.store */
  all(now: Millis): Promise<readonly PublishedCrl[]>;
}

/** Signs lists when they are asked for: again only when something has changed, or when the last one is old. */
export function createRevocations({
  store,
  authority,
}: {
  readonly store: Store;
  readonly authority: AuthoritySource;
}): Revocations {
  const lists = new Map<string, IssuerList>();
  const listOf = (issuer: Issuer): IssuerList => {
    const keyId = keyIdOf(issuer);
    // Bounded by the issuers there have been: only their key ids come here, whatever strangers ask for.
    const known = lists.get(keyId);
    if (known?.signedBy(issuer)) return known;
    const list = new IssuerList(store, issuer, keyId);
    lists.set(keyId, list);
    return list;
  };
  return {
    async current(now, issuerKeyId) {
      const issuer = authority.current.issuers.find((each, at) =>
        issuerKeyId ? keyIdOf(each) === issuerKeyId : at === 0,
      );
      return issuer && listOf(issuer).current(now);
    },
    latest: async (now) => (await listOf(authority.current.issuing).current(now)).der,
    all: (now) => Promise.all(authority.current.issuers.map((issuer) => listOf(issuer).current(now))),
  };
}

class IssuerList {
  private readonly store: Store;
  private readonly issuer: Issuer;
  private readonly keyId: string;
  private published: (PublishedCrl & { readonly turn: number }) | undefined;
  private checkedAt = Number.NEGATIVE_INFINITY;
  private working: Promise<PublishedCrl> | undefined;

  constructor(store: Store, issuer: Issuer, keyId: string) {
    this.store = store;
    this.issuer = issuer;
    this.keyId = keyId;
  }

  /** Whether its authority still is the same, certificate and all. */
  signedBy({ certificate }: Issuer): boolean {
    return equalBytes(this.issuer.certificate.der, certificate.der);
  }

  /** Whoever asks while it is worked on waits for the same list. */
  current(now: Millis): Promise<PublishedCrl> {
    if (this.published && now >= this.checkedAt && now < this.checkedAt + limits.pki.crlRecheck) {
      return Promise.resolve(this.published);
    }
    this.working ??= this.renew(now).finally(() => {
      this.working = undefined;
    });
    return this.working;
  }

  private async renew(now: Millis): Promise<PublishedCrl> {
    // Asked before the list is read: what comes in between is seen at the next turn.
    const turn = await this.store.revocationTurn(this.keyId);
    const { published } = this;
    const good = published?.turn === turn && now >= published.thisUpdate && now < published.renewedAt;
    const list = good ? published : { ...(await this.sign(await this.store.revoked(this.keyId, now), now)), turn };
    this.published = list;
    this.checkedAt = now;
    return list;
  }

  private async sign(revoked: readonly Credential[], now: Millis): Promise<PublishedCrl> {
    const number = await this.store.nextCrlNumber(this.keyId);
    const thisUpdate = Math.floor(now / 1000) * 1000;
    const nextUpdate = thisUpdate + limits.pki.crlLife;
    const entries = revoked.flatMap(({ serial, revoked: why }) =>
      why ? [{ serial, revokedAt: why.at, reason: why.reason }] : [],
    );
    const der = createCrl({ issuer: this.issuer, revoked: entries, thisUpdate, nextUpdate, number });
    const renewedAt = thisUpdate + limits.pki.crlRefresh;
    return { issuerKeyId: this.keyId, der, number, thisUpdate, nextUpdate, renewedAt };
  }
}
