import type { Millis } from '../core/clock.ts';
import type { Uuid } from '../core/ids.ts';
import type { JsonObject } from '../core/json.ts';
import type { IdentityKeyKind } from '../pki/csr.ts';
import type { IdentityUsage } from '../pki/profile.ts';

/** Who may come, and what they get, as it is stored. */

/** Whose device it becomes. The id is the owner string if that is a UUID, else UUIDv5(URL, owner) (contract, plgd-service 2.3). */
export interface Owner {
  readonly id: Uuid;
  readonly name: string;
}

/** The policy under which a set of devices is provisioned. provision/group.ts has the default of everything optional. */
export interface EnrollmentGroup {
  readonly id: Uuid;
  readonly name: string;
  readonly owner: Owner;
  readonly enabled: boolean;
  readonly source: PolicyOrigin;
  /** Counts changes, from 1; the store sets it. */
  readonly revision: number;
  readonly attestation: GroupAttestation;
  /** auto: everybody the lists let in. manual: new devices wait for approval. preauthorized: only who is on that list. */
  readonly admission: 'auto' | 'manual' | 'preauthorized';
  /** Few entries that are part of the group itself; long lists are rows of their own (AccessEntry). Deny beats allow. */
  readonly allow: readonly DeviceSelector[];
  readonly deny: readonly DeviceSelector[];
  readonly deviceIds: DeviceIdPolicy;
  readonly certificate: CertificatePolicy;
  /** Hub ids, in order of preference. */
  readonly hubs: readonly Uuid[];
  readonly allocation: HubAllocation;
  /** The access control list of its devices; undefined: provision/authorize.ts has the standard one. */
  readonly acl: readonly AceTemplate[] | undefined;
  /** Master of the keys with which owners reach their devices, base64 of 16 to 64 bytes; each device gets one derived from it. */
  readonly ownerPsk: string | undefined;
  /** It is no master: its first 16 bytes are the key, one for all devices. Missing, as in old rows: false. */
  readonly ownerPskShared?: boolean | undefined;
  /** Delivered beside the cloud configuration, under a key that plgd's client ignores. */
  readonly payload: JsonObject | undefined;
  /**
   * A device that comes again: migrate: it gets what the policy says now. keep: it stays with the group, owner and hub that
   * it was given. never: as keep, and after a factory reset it is refused until an operator allows it.
   */
  readonly reprovisioning: 'migrate' | 'keep' | 'never';
  /** What happens when one manufacturer key is used in two places: an alarm, or the device is quarantined as well. */
  readonly clones: 'alarm' | 'quarantine';
  /**
   * URLs in it (that of `allocation`, some of `crlUrls`) that somebody has written who is bound to an owner: they lead to the
   * public Internet only, unless api.ownersReachPrivate says otherwise. Undefined: none.
   */
  readonly ownersUrls?: { readonly allocation: boolean; readonly crls: readonly string[] } | undefined;
}

/** Where a group or hub is written, and so where it can be changed: in configuration files, or in the store by an operator. */
export type PolicyOrigin = 'file' | 'operator';

export interface GroupAttestation {
  readonly x509:
    | {
        /** PEM. Trust anchors of the manufacturer chains. */
        readonly anchors: readonly string[];
        /** PEM. Lead certificates: when there are any, one of them has to be in a device's path, not just an anchor. */
        readonly leads: readonly string[];
        /** PEM. Known intermediates. */
        readonly intermediates: readonly string[];
        /** PEM. */
        readonly crls: readonly string[];
        /** http: or https: URLs of revocation lists that are fetched again and again; what came is in Store.crls. */
        readonly crlUrls: readonly string[];
        /** An expired leaf is still taken this long after its notAfter; not-yet-valid never is. */
        readonly expiredGrace: Millis;
      }
    | undefined;
  /** Pre-shared keys, base64. */
  readonly psk: readonly GroupPsk[];
  /** Single devices by their key, whoever signed their certificate: SHA-256 of the SubjectPublicKeyInfo, lower-case hex. */
  readonly pins: readonly string[];
}

/** `identity` is UTF-8 text; a trailing `*` stands for any ending: one key for them all, or one derived for each. */
export interface GroupPsk {
  readonly identity: string;
  readonly key: string;
  /** The key is a master: the device's own is HMAC-SHA256(master, identity). */
  readonly derived: boolean;
}

/** Which device: by its manufacturer key id, the serial number of its manufacturer certificate (hex), or its subject (`*` is any text). */
export type DeviceSelector =
  | { readonly by: 'key'; readonly value: Uuid }
  | { readonly by: 'serial'; readonly value: string }
  | { readonly by: 'subject'; readonly value: string };

/**
 * Which device ids a group takes. own: whatever the device chose, bound to its key. template: the one that follows from its
 * attestation: a UUID that the rendered text is, or its UUIDv5 (URL).
 */
export type DeviceIdPolicy = { readonly type: 'own' } | { readonly type: 'template'; readonly template: string };

/** What identity certificates are like. */
export interface CertificatePolicy {
  readonly keys: readonly IdentityKeyKind[];
  /** ms */
  readonly life: Millis;
  readonly usages: readonly IdentityUsage[];
}

/**
 * Which hub a device is sent to first; the others follow, in the order of the list or of the same draw. first: the first.
 * hashed: spread evenly by key. weighted: spread by key in these proportions (hub id -> weight; 0: nobody new). static: as
 * written, else the first. webhook: as a program says (POST, JSON), remembered until its answer is asked for again at a
 * re-provisioning.
 */
export type HubAllocation =
  | { readonly type: 'first' | 'hashed' }
  | { readonly type: 'weighted'; readonly weights: Readonly<Record<Uuid, number>> }
  | { readonly type: 'static'; readonly devices: readonly { readonly device: DeviceSelector; readonly hub: Uuid }[] }
  | {
      readonly type: 'webhook';
      readonly url: string;
      readonly timeout: Millis;
      readonly secretFile: string | undefined;
    };

/** An entry of an access control list; texts may hold ${device.id}, ${owner.id}, ${cert.subject.cn}, and ${hub.id} makes an entry per hub. */
export interface AceTemplate {
  readonly subject:
    | { readonly type: 'uuid'; readonly uuid: string }
    | { readonly type: 'connection'; readonly kind: 'anon-clear' | 'auth-crypt' }
    | { readonly type: 'role'; readonly role: string; readonly authority: string | undefined };
  /** Bits of core/permissions.ts. */
  readonly permission: number;
  readonly resources: readonly ({ readonly href: string } | { readonly wildcard: '*' | '+' | '-' })[];
}

/** A line of a long list of a group: who may come, who may not, who is approved already. */
export interface AccessEntry {
  readonly groupId: Uuid;
  readonly list: AccessList;
  readonly device: DeviceSelector;
  /** For people. */
  readonly note: string | undefined;
  readonly addedAt: Millis;
}

export type AccessList = 'allow' | 'deny' | 'preauthorized';

/** A manufacturer's revocation list as fetched. Its id is UUIDv5(URL, url). */
export interface FetchedCrl {
  readonly id: Uuid;
  readonly url: string;
  /** PEM; undefined until it could be fetched once. */
  readonly pem: string | undefined;
  readonly thisUpdate: Millis | undefined;
  readonly nextUpdate: Millis | undefined;
  readonly fetchedAt: Millis | undefined;
  readonly triedAt: Millis;
  /** Why the last try failed. */
  readonly error: string | undefined;
}

/** A cloud: where devices go. Its id is the `sid`, the CN of its gateways' certificates and the subject of its ACE. */
export interface Hub {
  readonly id: Uuid;
  readonly name: string;
  /** Gateway URIs, in order: coaps+tcp://host:port or coaps://host:port. */
  readonly gateways: readonly string[];
  /** `apn`: authorization provider name that the hub's gateway knows. */
  readonly provider: string;
  readonly authorization: HubAuthorization;
  readonly source: PolicyOrigin;
  /**
   * Whose it is: somebody has made it who is bound to this owner; undefined: everybody's. Only groups of this owner may use it,
   * and its authorization server has to be on the public Internet, unless api.ownersReachPrivate says otherwise.
   */
  readonly ownerId: Uuid | undefined;
  /** Counts changes, from 1; the store sets it. */
  readonly revision: number;
}

/** Where the hub's access tokens come from. */
export type HubAuthorization =
  | { readonly type: 'built-in' }
  | {
      readonly type: 'client-credentials';
      /** OIDC issuer URL; discovery at /.well-known/openid-configuration. */
      readonly authority: string;
      readonly clientId: string;
      /** File that holds the secret. */
      readonly clientSecretFile: string;
      readonly audience: string | undefined;
      readonly scopes: readonly string[];
      readonly ownerClaim: string;
      readonly deviceIdClaim: string | undefined;
    };
