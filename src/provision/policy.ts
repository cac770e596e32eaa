import { decodeCertificates, decodePem } from '../codec/pem.ts';
import { share, toHex, utf8 } from '../core/bytes.ts';
import { FirstbootError } from '../core/errors.ts';
import type { Uuid } from '../core/ids.ts';
import type { Log } from '../core/log.ts';
import { Secret } from '../core/secret.ts';
import { type Certificate, fingerprint, parseCertificate } from '../pki/certificate.ts';
import type { EnrollmentGroup, Hub } from '../store/model.ts';
import type { Store } from '../store/store.ts';

/** The rules as they are now: enrollment groups and hubs, prepared for looking up. A snapshot, never changed. */
export interface Policy {
  readonly groups: ReadonlyMap<Uuid, EnrollmentGroup>;
  readonly hubs: ReadonlyMap<Uuid, Hub>;
  /** Every trust anchor of every group, disabled ones included: their devices shall be told so. */
  readonly anchors: readonly PolicyAnchor[];
  /** Ids that no device may take: those of owners and hubs. */
  readonly reserved: ReadonlySet<Uuid>;
  /** What a handshake has to accept so that the stages can judge. */
  readonly trust: TrustDescription;
  /** Pre-shared keys by identity, in hexadecimal. */
  readonly psk: ReadonlyMap<string, PolicyPsk>;
}

export interface PolicyAnchor {
  readonly groupId: Uuid;
  readonly certificate: Certificate;
  readonly fingerprint: string;
}

interface PolicyPsk {
  readonly groupId: Uuid;
  readonly identity: string;
  readonly key: Secret<Uint8Array>;
}

/** For the edge's secure context; bytes are DER. */
interface TrustDescription {
  readonly anchors: readonly Uint8Array[];
  readonly intermediates: readonly Uint8Array[];
  readonly crls: readonly Uint8Array[];
  /** Path errors (PathError.code) that shall not end the handshake, because a stage judges them. */
  readonly tolerate: readonly string[];
}

/** Holds the present policy and reads it again when told that groups or hubs have changed. */
export class PolicySource {
  private readonly store: Store;
  private readonly log: Log;
  private snapshot: Policy;

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
    return this.snapshot;
  }

  /** The key that goes with a PSK identity, for the handshake. */
  psk(identity: Uint8Array): Secret<Uint8Array> | undefined {
    return this.snapshot.psk.get(toHex(identity))?.key;
  }
}

async function readPolicy(store: Store, log: Log): Promise<Policy> {
  const [groups, hubs] = await Promise.all([store.groups.list(), store.hubs.list()]);
  return compilePolicy(groups, hubs, log);
}

/** Prepares groups and hubs. A group with damaged material loses that material, with a line in the log; the others stand. */
export function compilePolicy(groups: readonly EnrollmentGroup[], hubs: readonly Hub[], log: Log): Policy {
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
  const x509 = (
    what: 'anchors' | 'intermediates',
  ): readonly { readonly groupId: Uuid; readonly certificate: Certificate }[] =>
    ordered.flatMap((group) =>
      material(group, what, () =>
        (group.attestation.x509?.[what] ?? []).flatMap((pem) =>
          decodeCertificates(pem).map((der) => ({ groupId: group.id, certificate: parseCertificate(der) })),
        ),
      ),
    );
  const anchors = x509('anchors').map((anchor) => ({ ...anchor, fingerprint: fingerprint(anchor.certificate.der) }));
  const intermediates = x509('intermediates').map(({ certificate }) => certificate.der);
  const crls = ordered.flatMap((group) =>
    material(group, 'crls', () => (group.attestation.x509?.crls ?? []).flatMap(decodeCrls)),
  );
  return {
    groups: new Map(ordered.map((group) => [group.id, group])),
    hubs: new Map(hubs.map((hub) => [hub.id, hub])),
    anchors,
    reserved: new Set([
      ...groups.map(({ owner }) => owner.id),
      ...groups.flatMap((g) => g.hubs),
      ...hubs.map((h) => h.id),
    ]),
    trust: {
      anchors: distinct(anchors.map(({ certificate }) => certificate.der)),
      intermediates: distinct(intermediates),
      crls: distinct(crls),
      tolerate: groups.some(({ attestation }) => (attestation.x509?.expiredGrace ?? 0) > 0) ? ['CERT_HAS_EXPIRED'] : [],
    },
    psk: compilePsk(ordered, log),
  };
}

/** Identities of enabled groups win over those of disabled ones; between equals the first group by id. */
function compilePsk(groups: readonly EnrollmentGroup[], log: Log): ReadonlyMap<string, PolicyPsk> {
  const keys = new Map<string, PolicyPsk>();
  for (const group of [...groups.filter((g) => g.enabled), ...groups.filter((g) => !g.enabled)]) {
    for (const { identity, key } of group.attestation.psk) {
      const id = toHex(utf8(identity));
      const earlier = keys.get(id);
      if (earlier) {
        log.warn({ identity, group: group.name, groupId: earlier.groupId }, 'a PSK identity is taken by another group');
        continue;
      }
      keys.set(id, { groupId: group.id, identity, key: new Secret(new Uint8Array(Buffer.from(key, 'base64'))) });
    }
  }
  return keys;
}

function distinct(list: readonly Uint8Array[]): readonly Uint8Array[] {
  return [...new Map(list.map((der) => [share(der).toString('latin1'), der])).values()];
}

/** Every certificate that a peer's chain was checked against, DER. */
export const knownAuthorities = ({ trust }: Policy): readonly Uint8Array[] => [
  ...trust.anchors,
  ...trust.intermediates,
];

const decodeCrls = (pem: string): readonly Uint8Array[] =>
  decodePem(pem).flatMap(({ label, der }) => (label === 'X509 CRL' ? [der] : []));
