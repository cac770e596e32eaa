import { decodeCertificates } from '../codec/pem.ts';
import { fromHex, share } from '../core/bytes.ts';
import { FirstbootError } from '../core/errors.ts';
import { type Uuid, uuidNamespaces, uuidV5 } from '../core/ids.ts';
import type { Log } from '../core/log.ts';
import type { Secret } from '../core/secret.ts';
import { parseCertificate } from '../pki/certificate.ts';
import { decodeCrls } from '../pki/revocation-list.ts';
import type { EnrollmentGroup, FetchedCrl, Hub } from '../store/model.ts';
import type { Store } from '../store/store.ts';
import { type Authorities, authoritiesOf, type GroupAuthority } from './authorities.ts';
import { Newcomers } from './newcomers.ts';
import { overriddenByPin } from './pins.ts';
import { compilePsk, keyOfPsk, type PskTable } from './psk.ts';

/** The rules as they are now: enrollment groups and hubs, prepared for looking up. A snapshot, never changed. */
export interface Policy {
  readonly groups: ReadonlyMap<Uuid, EnrollmentGroup>;
  readonly hubs: ReadonlyMap<Uuid, Hub>;
  /** Every trust anchor of every group, disabled ones included: their devices shall be told so. */
  readonly anchors: readonly GroupAuthority[];
  /** The same anchors, and the lead certificates, by what they are found by in a path. */
  readonly authorities: Authorities;
  /** Groups that have pinned a key, by pinOf(key): enabled ones first, then by id. */
  readonly pins: ReadonlyMap<string, readonly Uuid[]>;
  /** Ids that no device may take: those of owners and hubs. */
  readonly reserved: ReadonlySet<Uuid>;
  /** What a handshake has to accept so that the stages can judge. */
  readonly trust: TrustDescription;
  /** Every certificate that a peer's chain is checked against, DER: what refusals are explained by. */
  readonly known: readonly Uint8Array[];
  readonly psk: PskTable;
}

/** For the edge's secure context; bytes are DER. */
interface TrustDescription {
  readonly anchors: readonly Uint8Array[];
  /** Lead certificates included: a device need not send them. */
  readonly intermediates: readonly Uint8Array[];
  readonly crls: readonly Uint8Array[];
  /** Path errors (PathError.code) that shall not end the handshake, because a stage judges them. */
  readonly tolerate: readonly string[];
  /** The same for pinned keys (SHA-256 of the SubjectPublicKeyInfo): nobody else gets through the handshake for their sake. */
  readonly pinned: { readonly keys: readonly Uint8Array[]; readonly tolerate: readonly string[] };
}

/** Holds the present policy and reads it again when told that groups or hubs have changed. */
export class PolicySource {
  private readonly store: Store;
  private readonly log: Log;
  private snapshot: Policy;
  /** How many unknown devices have come of late with keys that many of them share. */
  readonly newcomers: Newcomers = new Newcomers();

  private constructor(store: Store, log: Log, snapshot: Policy) {
    this.store = store;
    this.log = log;
    this.snapshot = snapshot;
  }

  /** @throws FirstbootError service.store */
  static async load(store: Store, log: Log): Promise<PolicySource> {
    return new PolicySource(store, log, await readPolicy(store, log));
  }

  get current(): Policy {
    return this.snapshot;
  }

  /** @throws FirstbootError service.store; the present policy then stays. */
  async refresh(): Promise<Policy> {
    this.snapshot = await readPolicy(this.store, this.log);
    this.newcomers.keepOnly(this.snapshot.groups);
    return this.snapshot;
  }

  /** The key that goes with a PSK identity, for the handshake. */
  psk(identity: Uint8Array): Secret<Uint8Array> | undefined {
    return keyOfPsk(this.snapshot.psk, identity);
  }
}

async function readPolicy(store: Store, log: Log): Promise<Policy> {
  const [groups, hubs, crls] = await Promise.all([store.groups.list(), store.hubs.list(), store.crls.list()]);
  return compilePolicy(groups, hubs, log, crls);
}

/**
 * Prepares groups and hubs. A group with damaged material loses that material, with a line in the log; the others stand.
 * @param fetched revocation lists; those that a group names, and that could be fetched, count.
 */
export function compilePolicy(
  groups: readonly EnrollmentGroup[],
  hubs: readonly Hub[],
  log: Log,
  fetched: readonly FetchedCrl[] = [],
): Policy {
  const ordered = [...groups].sort((a, b) => (a.id < b.id ? -1 : 1));
  const material = <T>(group: EnrollmentGroup, what: string, read: () => readonly T[]): readonly T[] => {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof FirstbootError)) throw error;
      log.error({ group: group.name, groupId: group.id, what, error }, 'an enrollment group has unreadable material');
      return [];
    }
  };
  const x509 = (what: 'anchors' | 'leads' | 'intermediates'): readonly GroupAuthority[] =>
    ordered.flatMap((group) =>
      material(group, what, () =>
        (group.attestation.x509?.[what] ?? []).flatMap((pem) =>
          decodeCertificates(pem).map((der) => ({ groupId: group.id, certificate: parseCertificate(der) })),
        ),
      ),
    );
  const [anchors, leads, intermediates] = [x509('anchors'), x509('leads'), x509('intermediates')];
  const pems = new Map(fetched.map(({ id, pem }) => [id, pem]));
  const crls = ordered.flatMap((group) => [
    ...material(group, 'crls', () => (group.attestation.x509?.crls ?? []).flatMap((pem) => decodeCrls(pem))),
    ...(group.attestation.x509?.crlUrls ?? []).flatMap((url) => {
      const pem = pems.get(uuidV5(uuidNamespaces.url, url));
      return pem === undefined ? [] : material(group, url, () => decodeCrls(pem));
    }),
  ]);
  const pins = compilePins(ordered);
  const trust: TrustDescription = {
    anchors: distinct(anchors.map(({ certificate }) => certificate.der)),
    intermediates: distinct([...intermediates, ...leads].map(({ certificate }) => certificate.der)),
    crls: distinct(crls),
    tolerate: groups.some(({ attestation }) => (attestation.x509?.expiredGrace ?? 0) > 0) ? ['CERT_HAS_EXPIRED'] : [],
    pinned: { keys: [...pins.keys()].map(fromHex), tolerate: overriddenByPin },
  };
  return {
    groups: new Map(ordered.map((group) => [group.id, group])),
    hubs: new Map(hubs.map((hub) => [hub.id, hub])),
    anchors,
    authorities: authoritiesOf(ordered, anchors, leads),
    pins,
    reserved: new Set([
      ...groups.map(({ owner }) => owner.id),
      ...groups.flatMap((g) => g.hubs),
      ...hubs.map((h) => h.id),
    ]),
    trust,
    known: [...trust.anchors, ...trust.intermediates],
    psk: compilePsk(ordered, log),
  };
}

function compilePins(groups: readonly EnrollmentGroup[]): ReadonlyMap<string, readonly Uuid[]> {
  const pins = new Map<string, Uuid[]>();
  for (const group of groups.toSorted((a, b) => Number(b.enabled) - Number(a.enabled))) {
    for (const pin of new Set(group.attestation.pins)) pins.set(pin, [...(pins.get(pin) ?? []), group.id]);
  }
  return pins;
}

function distinct(list: readonly Uint8Array[]): readonly Uint8Array[] {
  return [...new Map(list.map((der) => [share(der).toString('latin1'), der])).values()];
}
