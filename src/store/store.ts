import type { Millis } from '../core/clock.ts';
import type { Uuid } from '../core/ids.ts';
import type { JsonObject } from '../core/json.ts';
import type {
  AccessEntry,
  AccessList,
  Actor,
  ApiToken,
  Attempt,
  AttemptEntry,
  AttemptSummary,
  AuditEntry,
  Credential,
  Delivery,
  Device,
  DeviceSelector,
  DeviceState,
  EnrollmentGroup,
  FetchedCrl,
  Hub,
  RefusalCount,
  Statistics,
  StoredEvent,
  Webhook,
} from './model.ts';

/**
 * What firstboot remembers. Two promises: a write that is called *durable* has reached the disk when its promise resolves
 * (it survives kill -9 and a power cut), and a Device changes only from the revision the writer has seen.
 * Every implementation passes test/support/store-conformance.ts. Faults of the medium reject with `service.store`.
 */
export interface Store {
  readonly groups: Table<EnrollmentGroup>;
  readonly hubs: Table<Hub>;
  /** Manufacturers' revocation lists as fetched. */
  readonly crls: Table<FetchedCrl>;

  /**
   * Writes all of `changes` or none of them, with the line of the audit log about them. Durable. False, and nothing written,
   * when a device, group, hub or webhook is not of the revision it was read with, a new serial or a name is taken, a credential
   * to change, a token to delete or a dead letter to revive is not known, or a final revocation (any but certificateHold) would
   * be lost.
   */
  commit(changes: StoreChanges): Promise<boolean>;

  device(keyId: Uuid): Promise<Device | undefined>;
  /** In order of keyId, `after` exclusive. */
  devices(page: { readonly after?: Uuid; readonly limit: number }): Promise<readonly Device[]>;
  /**
   * Writes `device` (which carries the revision it was read with; 0 = new) and returns it with the next revision,
   * or undefined when somebody else was first. Not durable by itself.
   */
  putDevice(device: Device): Promise<Device | undefined>;

  /**
   * Reserves a device id for a manufacturer key, for ever: returns the key that has it, which is `keyId` when the claim
   * succeeded (now or earlier). Atomic, durable.
   */
  claimDeviceId(deviceId: Uuid, keyId: Uuid): Promise<Uuid>;
  /** Whose key a device id belongs to. */
  ownerOfDeviceId(deviceId: Uuid): Promise<Uuid | undefined>;
  /** Device ids that are longer than `prefix` and begin with it, in order, with the keys that they belong to. */
  deviceIdsFrom(prefix: string, limit: number): Promise<readonly { readonly deviceId: Uuid; readonly keyId: Uuid }[]>;

  /** Durable. False when the serial number exists already (nothing is written then). */
  addCredential(credential: Credential): Promise<boolean>;
  credential(serial: string): Promise<Credential | undefined>;
  /** All of one device, oldest first. */
  credentials(keyId: Uuid): Promise<readonly Credential[]>;
  /** All, in order of their serials; `after` exclusive. */
  allCredentials(page: { readonly after?: string; readonly limit: number }): Promise<readonly Credential[]>;
  /** Revoked ones of one issuing authority that have not expired at `at`, in order of their serials. */
  revoked(issuerKeyId: string, at: Millis): Promise<readonly Credential[]>;
  /** Counts the writes that changed what `revoked` says of an issuing authority: whoever has read it knows when to read again. */
  revocationTurn(issuerKeyId: string): Promise<number>;
  /** The next number of an issuing authority's revocation lists, from 1, never the same one twice (RFC 5280 §5.2.3). Durable. */
  nextCrlNumber(issuerKeyId: string): Promise<number>;
  /** The last one that was given out, 0 before the first. */
  lastCrlNumber(issuerKeyId: string): Promise<number>;

  /** The first entry of a group's long list that names the device: by key, by serial, then by subject pattern. */
  findAccess(groupId: Uuid, list: AccessList, device: AccessSubject): Promise<AccessEntry | undefined>;
  /** Whether such a list has any entry. */
  hasAccess(groupId: Uuid, list: AccessList): Promise<boolean>;
  /** Entries of a group in the order of accessKey; `after` is such a key, exclusive. */
  access(page: {
    readonly groupId: Uuid;
    readonly list?: AccessList;
    readonly after?: string;
    readonly limit: number;
  }): Promise<readonly AccessEntry[]>;

  /** Lines of the audit log, in order; `after` is a seq, exclusive. */
  audit(page: { readonly after?: number; readonly limit: number }): Promise<readonly AuditEntry[]>;
  /** The last line. */
  auditHead(): Promise<AuditEntry | undefined>;

  /**
   * Appends to an attempt, creating it; `keyId` is given once known and files the attempt under its device.
   * Keeps the newest limits.store.attemptsPerDevice per device, and the newest limits.store.unfiledAttempts of peers that
   * never became one; clean-up may lag a little.
   */
  appendAttempt(id: Uuid, entries: readonly AttemptEntry[], keyId?: Uuid): Promise<void>;
  attempt(id: Uuid): Promise<Attempt | undefined>;
  /** Newest first; of one device when `keyId` is given. `before` is exclusive. */
  attempts(page: {
    readonly keyId?: Uuid;
    readonly before?: Uuid;
    readonly limit: number;
  }): Promise<readonly AttemptSummary[]>;
  /** Adds to the counts of refused strangers. Not durable by itself. */
  countRefusals(counts: readonly RefusalCount[]): Promise<void>;
  /** Counts from `since` on, oldest hour first. */
  refusalCounts(since: Millis): Promise<readonly RefusalCount[]>;
  /**
   * Removes attempts, counts, statistics, dead letters and kept answers older than the store keeps them, and events beyond
   * their number, a bounded piece at a time. @returns whether there is more
   */
  prune(now: Millis): Promise<boolean>;

  /**
   * Devices by an index, in order of keyId; `after` is exclusive. Takes as long as the page is, however many there are.
   * The value of `alarms` is `open`.
   */
  devicesBy(page: {
    readonly by: DeviceFacet;
    readonly value: string;
    readonly after?: Uuid;
    readonly limit: number;
  }): Promise<readonly Device[]>;
  /**
   * Devices by when they were last seen (to the minute; who never was is not among them) or first stored; newest first.
   * With `ownerId`, that owner's only. `before` is a cursor as returned, exclusive.
   */
  devicesByTime(page: {
    readonly by: 'seen' | 'created';
    readonly ownerId?: Uuid;
    readonly before?: string;
    readonly limit: number;
  }): Promise<readonly { readonly device: Device; readonly cursor: string }[]>;
  /**
   * Key ids of devices with `text` in one of their texts (device-texts.ts), in any case, in order; `after` is exclusive. The
   * first search takes as long as to read all devices, later ones some ten nanoseconds a device, until the page is full. Nobody
   * has a text of two lines.
   */
  keyIdsByText(page: {
    readonly text: string;
    readonly after?: Uuid;
    readonly limit: number;
  }): Promise<readonly Uuid[]>;
  /** How many devices there are of each kind: one row for each combination that occurs. Kept as devices change, so it costs nothing to ask. */
  deviceCounts(): Promise<readonly DeviceCount[]>;

  /** Credentials that are not revoked, in order of notAfter, from `since` on; `until` and `after` (a cursor as returned) are exclusive. */
  credentialsByEnd(page: {
    readonly since: Millis;
    readonly until?: Millis;
    readonly after?: string;
    readonly limit: number;
  }): Promise<readonly { readonly credential: Credential; readonly cursor: string }[]>;
  /**
   * How many credentials that are not revoked (or, with `revoked`, that are) end on each day, from that of `since` on; `until`
   * is exclusive. Kept as they are issued and revoked, and as their devices go to other owners.
   */
  expiryCounts(range: {
    readonly since: Millis;
    readonly until: Millis;
    readonly revoked?: boolean;
  }): Promise<readonly ExpiryCount[]>;

  /** Closed attempts by an index, newest first; `before` is exclusive. */
  attemptsBy(page: {
    readonly by: AttemptFacet;
    readonly value: string;
    readonly before?: Uuid;
    readonly limit: number;
  }): Promise<readonly AttemptSummary[]>;

  /** Adds to the statistics. Not durable by itself. */
  addStatistics(rows: readonly Statistics[]): Promise<void>;
  /** In order of slot; `until` is exclusive. With `ownerId`, that owner's only. */
  statistics(range: {
    readonly since: Millis;
    readonly until?: Millis;
    readonly ownerId?: Uuid;
  }): Promise<readonly Statistics[]>;

  /** How often this store has been opened: the epoch of the ids of events. */
  readonly epoch: number;
  /**
   * Appends events, in order; the newest limits.store.events are kept. Not durable by itself, but written at once.
   * @param told seqs of the lines of the audit log that are told of now: they are untold no more
   */
  appendEvents(events: readonly StoredEvent[], told?: readonly number[]): Promise<void>;
  /** In order, or the newest first. */
  events(page: EventPage): Promise<readonly StoredEvent[]>;
  /** The oldest one that is kept. */
  oldestEvent(): Promise<StoredEvent | undefined>;
  /** Id of the last one that had to make room; undefined: every one is kept. */
  removedEvent(): Promise<string | undefined>;
  /** Lines of the audit log that no stored event tells of, in order; `after` is a seq, exclusive. */
  untoldAudit(page: { readonly after?: number; readonly limit: number }): Promise<readonly AuditNews[]>;

  readonly tokens: Table<ApiToken>;
  /** A webhook goes with all deliveries to it. */
  readonly webhooks: Table<Webhook>;
  /** How far a webhook has been told; '' before the first. Durable. */
  webhookCursor(webhookId: Uuid): Promise<string>;
  /**
   * Writes deliveries (same webhook and event: replaced), removes others (ids of their events) and moves the cursor, all at
   * once. Durable. Nothing is written for a webhook that is not there (any more).
   */
  commitDeliveries(change: {
    readonly webhookId: Uuid;
    readonly cursor?: string;
    readonly put?: readonly Delivery[];
    readonly remove?: readonly string[];
  }): Promise<void>;
  /** Of one webhook, in order of event; dead letters only, or those that are still tried only, when `dead` says so. */
  deliveries(page: {
    readonly webhookId: Uuid;
    readonly dead?: boolean;
    readonly after?: string;
    readonly limit: number;
  }): Promise<readonly Delivery[]>;
  /** How many of one webhook are still tried, and how many are dead letters: up to `most` of each. Reads none of them. */
  deliveryCounts(which: {
    readonly webhookId: Uuid;
    readonly most?: number;
  }): Promise<{ readonly waiting: number; readonly dead: number }>;
  /** The error of the one of them, dead or not, that failed last. Kept while none of them changes, so it costs little to ask. */
  lastDeliveryError(webhookId: Uuid): Promise<string | undefined>;

  /** The answer that was kept under a key, while it is younger than limits.api.idempotencyLife at `now`. */
  keptAnswer(key: string, now: Millis): Promise<KeptAnswer | undefined>;
  /** Keeps an answer. Durable. */
  keepAnswer(answer: KeptAnswer): Promise<void>;

  /**
   * Writes everything that is in the store at this moment into a new store in `directory`, while this one goes on.
   * @returns rows written
   * @throws FirstbootError service.store when the folder is not empty or cannot be written
   */
  copyTo(directory: string): Promise<number>;

  /** Waits for all writes and frees the medium. */
  close(): Promise<void>;
}

export type DeviceFacet = 'owner' | 'group' | 'state' | 'hub' | 'alarms';

export interface DeviceCount {
  readonly groupId: Uuid;
  /** As `devicesBy` has it: the assigned owner, else the one it was last provisioned for. */
  readonly ownerId: Uuid;
  readonly state: DeviceState;
  readonly hubId: Uuid | undefined;
  readonly alarms: boolean;
  readonly count: number;
}

export interface ExpiryCount {
  /** Start of the day, UTC. */
  readonly day: Millis;
  readonly groupId: Uuid;
  readonly issuerKeyId: string;
  /** Whose the devices are now; undefined: they were not on record when their credentials were added. */
  readonly ownerId: Uuid | undefined;
  readonly count: number;
}

/** `code` is the whole code of the refusal. */
export type AttemptFacet = 'verdict' | 'code' | 'group' | 'owner';

/** An answer of the API that is given again when the same request comes again with the same idempotency key. */
export interface KeptAnswer {
  readonly key: string;
  /** Whose it is, hex: the answers of one are bounded. */
  readonly by: string;
  readonly at: Millis;
  /** SHA-256 of the request, hex. */
  readonly request: string;
  readonly status: number;
  readonly body: string;
}

/** A small keyed table of configuration. Writes are durable; a row that has a revision gets the next one with each of them. */
export interface Table<T extends { readonly id: Uuid }> {
  get(id: Uuid): Promise<T | undefined>;
  list(): Promise<readonly T[]>;
  put(row: T): Promise<void>;
  delete(id: Uuid): Promise<boolean>;
}

/** What a device is looked for by in an access list. */
export interface AccessSubject {
  readonly keyId: Uuid;
  /** Of its manufacturer certificate; a device with a pre-shared key has none. */
  readonly serial: string | undefined;
  readonly subject: string;
}

/** Changes that belong together. Devices carry the revision they were read with; credentials and entries are written whole. */
export interface StoreChanges {
  readonly devices?: readonly Device[];
  /** New ones, as addCredential takes them. */
  readonly newCredentials?: readonly Credential[];
  /** Known ones that change: revocation. */
  readonly credentials?: readonly Credential[];
  /** Device ids that go to another manufacturer key, whoever had them. */
  readonly claims?: readonly { readonly deviceId: Uuid; readonly keyId: Uuid }[];
  /** Groups and hubs carry the revision they were read with; 0: a new one. */
  readonly groups?: readonly EnrollmentGroup[];
  readonly deletedGroups?: readonly Uuid[];
  readonly hubs?: readonly Hub[];
  readonly deletedHubs?: readonly Uuid[];
  /** Webhooks carry the revision they were read with too. What waits for a deleted one, and its cursor, go with it. */
  readonly webhooks?: readonly Webhook[];
  readonly deletedWebhooks?: readonly Uuid[];
  /** Deliveries in the place of dead letters, which have to be there still. */
  readonly revived?: readonly Delivery[];
  readonly tokens?: readonly ApiToken[];
  readonly deletedTokens?: readonly Uuid[];
  /** Names that rows among these take: they must be free still. */
  readonly names?: readonly TakenName[];
  /** Any number of them; an entry with the same key replaces the one before. */
  readonly access?: readonly AccessEntry[];
  readonly deletedAccess?: readonly Pick<AccessEntry, 'groupId' | 'list' | 'device'>[];
  readonly audit?: AuditDraft;
}

/** A name that no other row of a table may have: no other one of `ownerId`, when that is given. */
export interface TakenName {
  readonly of: 'groups' | 'hubs' | 'webhooks' | 'tokens';
  readonly id: Uuid;
  readonly name: string;
  readonly ownerId?: Uuid;
}

/** A line of the audit log before it has its place in it. */
export interface AuditDraft {
  readonly at: Millis;
  readonly actor: Actor;
  readonly action: string;
  readonly target: string;
  readonly detail: JsonObject;
}

/** What an entry is known by within its group: list, kind and value of the selector. */
export const accessKey = (list: AccessList, device: DeviceSelector): string => `${list}!${device.by}!${device.value}`;

/** Whose a device is: a transfer counts at once. */
export const ownerIdOf = ({ assignedOwner, ownerId }: Device): Uuid => assignedOwner?.id ?? ownerId;

/** `after` and `before` are ids of events, exclusive. */
export interface EventPage {
  readonly after?: string;
  readonly before?: string;
  readonly newest?: boolean;
  readonly limit: number;
}

/** A line of the audit log as those who follow it are told of it. */
export interface AuditNews {
  readonly entry: AuditEntry;
  readonly about: AuditSubjects;
}

/** What a line of the audit log is about, as it was when the line was written. */
export interface AuditSubjects {
  /** Whose all of the changed devices, groups and hubs are; undefined: several owners', or nobody's. */
  readonly ownerId?: Uuid | undefined;
  readonly devices: readonly { readonly keyId: Uuid; readonly ownerId: Uuid; readonly state: DeviceState }[];
}

/** What `devicesBy` has a device under. */
export const deviceFacets: Readonly<Record<DeviceFacet, (device: Device) => string | undefined>> = {
  owner: ownerIdOf,
  group: ({ groupId }) => groupId,
  state: ({ state }) => state,
  hub: ({ hubId }) => hubId,
  alarms: ({ alarms }) => (alarms.length > 0 ? 'open' : undefined),
};
