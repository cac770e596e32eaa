import type { Millis } from '../core/clock.ts';
import type { ErrorCode, Evidence, Refusal } from '../core/errors.ts';
import type { Uuid } from '../core/ids.ts';
import type { JsonObject } from '../core/json.ts';
import type { CrlReason } from '../pki/crl-reason.ts';
import type { Owner } from './policy-model.ts';

/** The nouns of firstboot as they are stored: plain data, JSON-safe (bytes as base64, certificates as PEM). */
export type * from './policy-model.ts';

/** A device, keyed by its manufacturer key: the same key is the same device, whatever it calls itself after a reset. */
export interface Device {
  /** UUIDv5(X500, SubjectPublicKeyInfo); for a pre-shared key UUIDv5(X500, group id + identity). */
  readonly keyId: Uuid;
  readonly groupId: Uuid;
  readonly ownerId: Uuid;
  /** An owner that a transfer gave it, in place of its group's. */
  readonly assignedOwner: Owner | undefined;
  readonly state: DeviceState;
  /** When it came into that state and why; the why is an operator's or an alarm's text. */
  readonly stateSince: Millis;
  readonly stateReason: string | undefined;
  /** The uuid the device has now; undefined until it first named one. */
  readonly deviceId: Uuid | undefined;
  /** 0 before a device id is bound, then counts each new device id (factory resets). */
  readonly generation: number;
  /** An operator allows one factory reset under the policy `never`. */
  readonly resetAllowed: boolean;
  /** Status flags (core/status.ts) of the present generation. */
  readonly flags: number;
  /** Failures since the last success and when the device is expected to try again. */
  readonly retry: {
    readonly failures: number;
    readonly slot: Millis | undefined;
    readonly expectedAt: Millis | undefined;
  };
  /**
   * Manufacturer leaf as last presented: subject, serial number (hex), PEM; or the PSK identity as the subject. `unverified`:
   * only a pin vouched for the key, and nobody for the subject and the serial.
   */
  readonly manufacturer: {
    readonly subject: string;
    readonly serial: string | undefined;
    readonly certificate: string | undefined;
    readonly unverified?: boolean;
  };
  readonly hubId: Uuid | undefined;
  /** Set when the cloud said that the device arrived (stage confirm), for the present generation. */
  readonly confirmedAt: Millis | undefined;
  /** Where it was last seen. */
  readonly lastPeer: string | undefined;
  readonly lastSeenAt: Millis | undefined;
  /** What it has been through, oldest first; the newest limits.store.lineage are kept. */
  readonly lineage: readonly LineageEntry[];
  /** Open alarms, oldest first; the newest limits.store.alarms are kept. An operator clears them. */
  readonly alarms: readonly DeviceAlarm[];
  /** The record that goes on for this one: its device got another manufacturer key. */
  readonly successor: Uuid | undefined;
  /**
   * Its record was deleted, and it has not come since. Records are what programs that were written for plgd see of devices:
   * nothing else goes with one. Missing otherwise.
   */
  readonly recordDeletedAt?: Millis | undefined;
  /** When it came first after that: the record that there is now begins then. Missing: it begins with the device. */
  readonly recordSince?: Millis | undefined;
  readonly createdAt: Millis;
  readonly updatedAt: Millis;
  /** Counts writes; a write names the revision it was made from. 0 = not stored yet. */
  readonly revision: number;
}

/**
 * pending: waits for approval (5.03). active. quarantined: held until somebody has looked, by an alarm or an operator.
 * disabled: refused until enabled. decommissioned: its life is over. In all but active it gets nothing, and in the last three
 * its certificates are on the revocation list.
 */
export type DeviceState = (typeof deviceStates)[number];

export const deviceStates = ['pending', 'active', 'quarantined', 'disabled', 'decommissioned'] as const;

/** enrolled: first seen. generation: a new device id. key: goes on from another record. state, group, owner: changed to. */
export interface LineageEntry {
  readonly at: Millis;
  readonly event: 'enrolled' | 'generation' | 'key' | 'state' | 'group' | 'owner';
  readonly facts: Evidence;
}

/** two-places: both of two sessions from different hosts are alive. ids-in-turns: it is back under an id that it had left. */
export interface DeviceAlarm {
  readonly at: Millis;
  readonly kind: 'two-places' | 'ids-in-turns';
  readonly evidence: Evidence;
}

/** An identity certificate that was issued: generation n of a device. */
export interface Credential {
  /** Hexadecimal, lower case. */
  readonly serial: string;
  readonly keyId: Uuid;
  readonly groupId: Uuid;
  readonly deviceId: Uuid;
  readonly generation: number;
  /** PEM of the leaf. */
  readonly certificate: string;
  readonly notBefore: Millis;
  readonly notAfter: Millis;
  readonly issuedAt: Millis;
  /** Key id of the issuing authority, hex: whose revocation list it would be on. */
  readonly issuerKeyId: string;
  /** SHA-256 of the trust anchors that were delivered with it, hex. */
  readonly anchors: readonly string[];
  readonly revoked: Revocation | undefined;
}

export interface Revocation {
  readonly at: Millis;
  readonly reason: RevocationReason;
}

/** certificateHold is the only one that can be taken back. */
export type RevocationReason = CrlReason;

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
  | Readonly<{ type: 'handshake'; version: string; cipherSuite: string; ms: Millis; roundTrips?: number }>
  /** What the peer presented, PEM, leaf first; also when it was refused. */
  | { readonly type: 'chain'; readonly certificates: readonly string[] }
  | {
      readonly type: 'stage';
      readonly stage: Stage;
      readonly result: 'ok' | 'refused';
      readonly facts: Evidence;
      readonly refusal?: Refusal;
      /** Missing: nobody measured it (confirm; older records). */
      readonly took?: StageTook;
    }
  | {
      readonly type: 'exchange';
      readonly method: string;
      readonly path: string;
      readonly code: number;
      readonly bytesIn: number;
      readonly bytesOut: number;
      readonly ms: Millis;
      /** Messages of the peer that it took: one, and one more for each further block. */
      readonly roundTrips: number;
    }
  | { readonly type: 'alarm'; readonly kind: DeviceAlarm['kind']; readonly evidence: Evidence }
  | { readonly type: 'alert'; readonly direction: 'sent' | 'received'; readonly name: string }
  | { readonly type: 'status'; readonly flags: number }
  | {
      readonly type: 'closed';
      readonly verdict: Verdict;
      readonly refusal?: Refusal;
      readonly bytesIn: number;
      readonly bytesOut: number;
      /** The group it was matched to, and the owner of the device: its own, or the group's. */
      readonly groupId?: Uuid;
      readonly ownerId?: Uuid;
    }
);

/** The own time of a stage, ms with fractions: its work began so long `after` the question (the entry's `at`), and lasted `ms`. */
export interface StageTook {
  readonly after: Millis;
  readonly ms: Millis;
}

export type Stage = (typeof stages)[number];

/** In the order in which an attempt goes through them. */
export const stages = ['attest', 'match', 'admit', 'bind', 'issue', 'authorize', 'configure', 'confirm'] as const;

/**
 * provisioned: all steps were served. renewed: credentials (and perhaps ACLs) only, for a device already bound.
 * refused: a stage said no. failed: the session broke or a step failed. abandoned: the device went away in the middle.
 */
export type Verdict = (typeof verdicts)[number];

export const verdicts = ['provisioned', 'renewed', 'refused', 'failed', 'abandoned'] as const;

export interface AttemptSummary {
  readonly id: Uuid;
  readonly keyId: Uuid | undefined;
  readonly openedAt: Millis;
  readonly closedAt: Millis | undefined;
  readonly verdict: Verdict | undefined;
  readonly refusal: Refusal | undefined;
  /** Of a closed attempt: the group that it was matched to, and whose the device is. */
  readonly groupId: Uuid | undefined;
  readonly ownerId: Uuid | undefined;
}

/** Refusals of strangers in one hour of UTC: most of a flood is only counted. */
export interface RefusalCount {
  /** Start of the hour. */
  readonly hour: Millis;
  readonly code: ErrorCode;
  readonly count: number;
  /** How many of them have an attempt on record. */
  readonly recorded: number;
}

/** One line of the audit log: who did what to what, when, from where. The hash covers all of it and the line before. */
export interface AuditEntry {
  /** From 1, without gaps. */
  readonly seq: number;
  readonly at: Millis;
  readonly actor: Actor;
  /** `device.approve`. */
  readonly action: string;
  /** `device 3f0c..`: kind and id. */
  readonly target: string;
  readonly detail: JsonObject;
  /** Hash of the line before, hex; 64 zeros in front of the first. */
  readonly previous: string;
  /** SHA-256, hex (store/audit.ts). */
  readonly hash: string;
}

/** Who acts: a person at the command line or over the API, the service by itself, a configuration file. */
export interface Actor {
  readonly kind: 'operator' | 'service' | 'file';
  readonly name: string;
  /** Host, address or path. */
  readonly from: string;
}

/**
 * What ended in one slot of time (limits.store.statisticsSlot), for one owner. Counts and bytes are of attempts that closed in
 * it; peers that never became somebody's device are under no owner.
 */
export interface Statistics {
  /** Start of the slot. */
  readonly slot: Millis;
  readonly ownerId: Uuid | undefined;
  /** Attempts by verdict. */
  readonly verdicts: Readonly<Partial<Record<Verdict, number>>>;
  /** Attempts that were refused or failed, by code. */
  readonly codes: Readonly<Partial<Record<ErrorCode, number>>>;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Time the service took for a stage, counted by the bounds limits.store.stageBounds (ms); the last count is of what took longer. */
  readonly stages: Readonly<Partial<Record<Stage | 'handshake', readonly number[]>>>;
  /** From the first session of a first boot to its last answer, by the bounds limits.store.runBounds (ms). */
  readonly runs: readonly number[];
}

/**
 * Something that happened, as live views and webhooks are told of it. Ids are `<epoch>-<number>`: the epoch counts the starts
 * of the service, the numbers of one epoch have no gaps, so that whoever has seen one knows what follows.
 */
export interface StoredEvent {
  readonly id: string;
  readonly at: Millis;
  /**
   * attempt.opened, attempt.stage, attempt.closed; device.pending, device.enrolled, device.alarm; and the action of each line
   * of the audit log: device.approve, group.update, credential.revoke ...
   */
  readonly type: string;
  /** Whose it is; undefined: for those only who see everything. */
  readonly ownerId: Uuid | undefined;
  readonly data: JsonObject;
}

/** Who may use the API: what a token is good for. The token itself is with its holder only. */
export interface ApiToken {
  readonly id: Uuid;
  readonly name: string;
  readonly role: Role;
  /** Sees and changes what is of this owner only. */
  readonly ownerId: Uuid | undefined;
  /** SHA-256 of the token, hex: it has 256 random bits, so that nothing slower is needed. */
  readonly hash: string;
  readonly createdAt: Millis;
  readonly expiresAt: Millis | undefined;
}

/** viewer: reads. operator: also acts on devices, credentials and lists. admin: also writes groups, hubs, tokens, webhooks, authorities. */
export type Role = (typeof roles)[number];

/** From the least. */
export const roles = ['viewer', 'operator', 'admin'] as const;

/** Of the types of events, a beginning of a type included. */
export const eventTypePattern = '^[a-z]+(-[a-z]+)*(\\.[a-z]+(-[a-z]+)*)*$';

/** A program that is told of events by HTTP. */
export interface Webhook {
  readonly id: Uuid;
  readonly name: string;
  readonly url: string;
  /** Key of the signatures, base64. */
  readonly secret: string;
  /** Types it wants: `attempt.closed`, or `device` for all that begin so; none: all. */
  readonly types: readonly string[];
  readonly enabled: boolean;
  readonly ownerId: Uuid | undefined;
  readonly createdAt: Millis;
  /** Counts changes, from 1. */
  readonly revision: number;
}

/** An event on its way to a webhook, or one that could not be delivered. */
export interface Delivery {
  readonly webhookId: Uuid;
  readonly event: StoredEvent;
  readonly attempts: number;
  /** When it is tried next; undefined: it is given up (a dead letter) until somebody asks for it again. */
  readonly dueAt: Millis | undefined;
  /** Why the last try failed. */
  readonly error: string | undefined;
  readonly lastTriedAt: Millis | undefined;
}
