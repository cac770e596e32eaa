import type { Millis } from '../core/clock.ts';
import type { Evidence, Refusal } from '../core/errors.ts';
import type { Uuid } from '../core/ids.ts';

/** The nouns of firstboot as they are stored: plain data, JSON-safe (bytes as base64, certificates as PEM). */

/** Whose device it becomes. The id is the owner string if that is a UUID, else UUIDv5(URL, owner) (contract, plgd-service 2.3). */
export interface Owner {
  readonly id: Uuid;
  readonly name: string;
}

/** The policy under which a set of devices is provisioned. */
export interface EnrollmentGroup {
  readonly id: Uuid;
  readonly name: string;
  readonly owner: Owner;
  readonly enabled: boolean;
  readonly attestation: GroupAttestation;
  /** Hub ids, in order of preference. */
  readonly hubs: readonly Uuid[];
  /** Life of an identity certificate, ms. */
  readonly identityLife: Millis;
  /** Delivered to devices as the owner's symmetric credential, base64 of 16 or 32 bytes (plgd-device b4). */
  readonly ownerPsk: string | undefined;
}

export interface GroupAttestation {
  readonly x509:
    | {
        /** PEM. Trust anchors of the manufacturer chains. */
        readonly anchors: readonly string[];
        /** PEM. Known intermediates. */
        readonly intermediates: readonly string[];
        /** PEM. */
        readonly crls: readonly string[];
        /** An expired leaf is still taken this long after its notAfter; not-yet-valid never is. */
        readonly expiredGrace: Millis;
      }
    | undefined;
  /** Pre-shared keys by identity (UTF-8 text), base64 of the key. */
  readonly psk: readonly { readonly identity: string; readonly key: string }[];
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

/** A device, keyed by its manufacturer key: the same key is the same device, whatever it calls itself after a reset. */
export interface Device {
  /** UUIDv5(X500, SubjectPublicKeyInfo); for a pre-shared key UUIDv5(X500, group id + identity). */
  readonly keyId: Uuid;
  readonly groupId: Uuid;
  readonly ownerId: Uuid;
  /** The uuid the device has now; undefined until it first named one. */
  readonly deviceId: Uuid | undefined;
  /** 0 before a device id is bound, then counts each new device id (factory resets). */
  readonly generation: number;
  /** Status flags (core/status.ts) of the present generation. */
  readonly flags: number;
  /** Failures since the last success and when the device is expected to try again. */
  readonly retry: {
    readonly failures: number;
    readonly slot: Millis | undefined;
    readonly expectedAt: Millis | undefined;
  };
  /** Manufacturer leaf as last presented: subject, PEM; or the PSK identity. */
  readonly manufacturer: { readonly subject: string; readonly certificate: string | undefined };
  readonly hubId: Uuid | undefined;
  /** Set when the cloud said that the device arrived (stage confirm), for the present generation. */
  readonly confirmedAt: Millis | undefined;
  readonly createdAt: Millis;
  readonly updatedAt: Millis;
  /** Counts writes; a write names the revision it was made from. 0 = not stored yet. */
  readonly revision: number;
}

/** An identity certificate that was issued: generation n of a device. */
export interface Credential {
  /** Hexadecimal, lower case. */
  readonly serial: string;
  readonly keyId: Uuid;
  readonly deviceId: Uuid;
  readonly generation: number;
  /** PEM of the leaf. */
  readonly certificate: string;
  readonly notBefore: Millis;
  readonly notAfter: Millis;
  readonly issuedAt: Millis;
}

/**
 * Everything that happened in one provisioning run, failures included: an append-only list of entries.
 * The first entry is always `opened`; the last one of a finished run is `closed`.
 */
export interface Attempt {
  /** UUIDv7: sorts by time. */
  readonly id: Uuid;
  readonly entries: readonly AttemptEntry[];
}

export type AttemptEntry = { readonly at: Millis } & (
  | { readonly type: 'opened'; readonly transport: 'coaps' | 'coaps+tcp'; readonly peer: string }
  /** A further session of the same run (the reference device makes two). */
  | { readonly type: 'session'; readonly transport: 'coaps' | 'coaps+tcp'; readonly peer: string }
  | {
      readonly type: 'client-hello';
      readonly version: string;
      readonly cipherSuites: readonly string[];
      readonly groups: readonly string[];
      readonly signatureAlgorithms: readonly string[];
      readonly serverName: string | undefined;
    }
  | { readonly type: 'handshake'; readonly version: string; readonly cipherSuite: string; readonly ms: Millis }
  /** What the peer presented, PEM, leaf first; also when it was refused. */
  | { readonly type: 'chain'; readonly certificates: readonly string[] }
  | {
      readonly type: 'stage';
      readonly stage: Stage;
      readonly result: 'ok' | 'refused';
      readonly facts: Evidence;
      readonly refusal?: Refusal;
    }
  | {
      readonly type: 'exchange';
      readonly method: string;
      readonly path: string;
      readonly code: number;
      readonly bytesIn: number;
      readonly bytesOut: number;
      readonly ms: Millis;
    }
  | { readonly type: 'alert'; readonly direction: 'sent' | 'received'; readonly name: string }
  | { readonly type: 'status'; readonly flags: number }
  | {
      readonly type: 'closed';
      readonly verdict: Verdict;
      readonly refusal?: Refusal;
      readonly bytesIn: number;
      readonly bytesOut: number;
    }
);

export type Stage = 'attest' | 'match' | 'admit' | 'bind' | 'issue' | 'authorize' | 'configure' | 'confirm';

/**
 * provisioned: all steps were served. renewed: credentials (and perhaps ACLs) only, for a device already bound.
 * refused: a stage said no. failed: the session broke or a step failed. abandoned: the device went away in the middle.
 */
export type Verdict = 'provisioned' | 'renewed' | 'refused' | 'failed' | 'abandoned';

export interface AttemptSummary {
  readonly id: Uuid;
  readonly keyId: Uuid | undefined;
  readonly openedAt: Millis;
  readonly closedAt: Millis | undefined;
  readonly verdict: Verdict | undefined;
  readonly refusal: Refusal | undefined;
}
