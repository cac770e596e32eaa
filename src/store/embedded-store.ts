import { setImmediate as breathe } from 'node:timers/promises';
import type { Millis } from '../core/clock.ts';
import type { Uuid } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import { AccessLists } from './access-lists.ts';
import { AttemptLog, type Retention } from './attempt-log.ts';
import { AuditLog } from './audit-log.ts';
import { CredentialRecords } from './credential-records.ts';
import { DeviceRecords } from './device-records.ts';
import { keys, put, type WriteOp } from './medium.ts';
import type {
  AccessEntry,
  AccessList,
  Attempt,
  AttemptEntry,
  AttemptSummary,
  AuditEntry,
  Credential,
  Device,
  EnrollmentGroup,
  FetchedCrl,
  Hub,
  RefusalCount,
} from './model.ts';
import { RefusalLog } from './refusal-log.ts';
import type { Rows } from './rows.ts';
import { beginStore } from './schema.ts';
import type { AccessSubject, Store, StoreChanges } from './store.ts';
import { MemoryTable } from './tables.ts';

export interface EmbeddedStoreDeps {
  readonly rows: Rows;
  readonly retention: Retention;
  /** Where the data is, for messages. */
  readonly folder: string;
  /** Waits for the writes under way and frees the medium. */
  readonly release: () => Promise<void>;
}

/**
 * The store on an ordered key-value medium. Decisions (revision, claim, serial) are taken synchronously against what is
 * written and what is on its way, so nothing can come between; group commit then brings them to the disk, and the answer
 * waits for that.
 */
export class EmbeddedStore implements Store {
  readonly groups: MemoryTable<EnrollmentGroup>;
  readonly hubs: MemoryTable<Hub>;
  readonly crls: MemoryTable<FetchedCrl>;
  private readonly parts: Parts;
  private readonly deviceRecords: DeviceRecords;
  private readonly credentialRecords: CredentialRecords;
  private readonly auditLog: AuditLog;
  private readonly refusalLog: RefusalLog;
  /** Large commits wait for each other. */
  private large: Promise<unknown> = Promise.resolve();
  private ended: Promise<void> | undefined;

  /** @throws FirstbootError service.store */
  static async open(deps: EmbeddedStoreDeps): Promise<EmbeddedStore> {
    const { rows, retention, folder } = deps;
    const epoch = await beginStore(rows, folder);
    return new EmbeddedStore({
      ...deps,
      groups: await MemoryTable.open<EnrollmentGroup>(rows, 'group'),
      hubs: await MemoryTable.open<Hub>(rows, 'hub'),
      crls: await MemoryTable.open<FetchedCrl>(rows, 'crl'),
      lists: await AccessLists.open(rows),
      attemptLog: new AttemptLog(rows, retention, epoch),
    });
  }

  private constructor(parts: Parts) {
    const { rows, groups, hubs, crls } = parts;
    this.parts = parts;
    this.groups = groups;
    this.hubs = hubs;
    this.crls = crls;
    this.deviceRecords = new DeviceRecords(rows);
    this.credentialRecords = new CredentialRecords(rows);
    this.auditLog = new AuditLog(rows);
    this.refusalLog = new RefusalLog(rows);
  }

  commit(changes: StoreChanges): Promise<boolean> {
    const { access = [], deletedAccess = [] } = changes;
    const { lists } = this.parts;
    if (sizeOf(changes) <= piece) {
      return this.commitNow(changes, [...lists.additions(access), ...lists.deletions(deletedAccess)]);
    }
    const done = this.large.then(async () =>
      this.commitNow(changes, [
        ...(await inPieces(access, (some) => lists.additions(some))),
        ...(await inPieces(deletedAccess, (some) => lists.deletions(some))),
      ]),
    );
    this.large = done.catch(() => undefined);
    return done;
  }

  device(keyId: Uuid): Promise<Device | undefined> {
    return this.deviceRecords.device(keyId);
  }

  devices(page: { readonly after?: Uuid; readonly limit: number }): Promise<readonly Device[]> {
    return this.deviceRecords.page(page);
  }

  putDevice(device: Device): Promise<Device | undefined> {
    return this.deviceRecords.put(device);
  }

  claimDeviceId(deviceId: Uuid, keyId: Uuid): Promise<Uuid> {
    return this.deviceRecords.claim(deviceId, keyId);
  }

  ownerOfDeviceId(deviceId: Uuid): Promise<Uuid | undefined> {
    return this.deviceRecords.ownerOf(deviceId);
  }

  addCredential(credential: Credential): Promise<boolean> {
    return this.credentialRecords.add(credential);
  }

  credential(serial: string): Promise<Credential | undefined> {
    return this.credentialRecords.credential(serial);
  }

  credentials(keyId: Uuid): Promise<readonly Credential[]> {
    return this.credentialRecords.of(keyId);
  }

  allCredentials(page: { readonly after?: string; readonly limit: number }): Promise<readonly Credential[]> {
    return this.credentialRecords.page(page);
  }

  revoked(issuerKeyId: string, at: Millis): Promise<readonly Credential[]> {
    return this.credentialRecords.revoked(issuerKeyId, at);
  }

  revocationTurn(issuerKeyId: string): Promise<number> {
    return this.credentialRecords.revocationTurn(issuerKeyId);
  }

  nextCrlNumber(issuerKeyId: string): Promise<number> {
    return this.credentialRecords.nextCrlNumber(issuerKeyId);
  }

  lastCrlNumber(issuerKeyId: string): Promise<number> {
    return this.credentialRecords.lastCrlNumber(issuerKeyId);
  }

  findAccess(groupId: Uuid, list: AccessList, device: AccessSubject): Promise<AccessEntry | undefined> {
    return this.parts.lists.find(groupId, list, device);
  }

  hasAccess(groupId: Uuid, list: AccessList): Promise<boolean> {
    return this.parts.lists.has(groupId, list);
  }

  access(page: Parameters<Store['access']>[0]): Promise<readonly AccessEntry[]> {
    return this.parts.lists.page(page);
  }

  audit(page: { readonly after?: number; readonly limit: number }): Promise<readonly AuditEntry[]> {
    return this.auditLog.page(page);
  }

  auditHead(): Promise<AuditEntry | undefined> {
    return this.auditLog.last();
  }

  async appendAttempt(id: Uuid, entries: readonly AttemptEntry[], keyId?: Uuid): Promise<void> {
    return this.parts.attemptLog.append(id, entries, keyId);
  }

  attempt(id: Uuid): Promise<Attempt | undefined> {
    return this.parts.attemptLog.attempt(id);
  }

  attempts(page: Parameters<Store['attempts']>[0]): Promise<readonly AttemptSummary[]> {
    return this.parts.attemptLog.list(page);
  }

  countRefusals(counts: readonly RefusalCount[]): Promise<void> {
    return this.refusalLog.add(counts);
  }

  refusalCounts(since: Millis): Promise<readonly RefusalCount[]> {
    return this.refusalLog.since(since);
  }

  async prune(now: Millis): Promise<boolean> {
    const oldest = now - this.parts.retention.age;
    const [attempts, counts] = [await this.parts.attemptLog.removeOld(oldest), await this.refusalLog.prune(oldest)];
    return attempts || counts;
  }

  close(): Promise<void> {
    this.ended ??= this.end();
    return this.ended;
  }

  /** @param access what to write for the access lists, which need no decision */
  private async commitNow(changes: StoreChanges, access: readonly WriteOp[]): Promise<boolean> {
    const { groups = [], deletedGroups = [], hubs = [], deletedHubs = [], claims = [], audit } = changes;
    const decided = [
      this.deviceRecords.changes(changes.devices ?? []),
      this.credentialRecords.additions(changes.newCredentials ?? []),
      this.credentialRecords.changes(changes.credentials ?? []),
    ];
    if (decided.includes(undefined)) return false;
    const groupChange = this.groups.change(groups, deletedGroups);
    const hubChange = this.hubs.change(hubs, deletedHubs);
    const ops = [
      ...decided.flatMap((some) => some ?? []),
      ...claims.map(({ deviceId, keyId }) => put(keys.claim(deviceId), keyId)),
      ...groupChange.ops,
      ...hubChange.ops,
      ...access,
      ...(audit ? this.auditLog.addition(audit) : []),
    ];
    if (ops.length > 0) await this.parts.rows.write(ops, true);
    groupChange.follow();
    hubChange.follow();
    this.parts.lists.follow(changes.access ?? [], changes.deletedAccess ?? []);
    return true;
  }

  private async end(): Promise<void> {
    await this.parts.attemptLog.settled();
    await this.large;
    await this.parts.release();
  }
}

interface Parts extends EmbeddedStoreDeps {
  readonly groups: MemoryTable<EnrollmentGroup>;
  readonly hubs: MemoryTable<Hub>;
  readonly crls: MemoryTable<FetchedCrl>;
  readonly lists: AccessLists;
  readonly attemptLog: AttemptLog;
}

const sizeOf = (changes: StoreChanges): number =>
  Object.values(changes).reduce((size, some) => size + (Array.isArray(some) ? some.length : 0), 0);

/** A record is four writes at most: so many of them are no large lot. */
const piece = limits.store.largeBatch / 4;

/** Makes the writes for a long list with room for others in between. */
async function inPieces<T>(all: readonly T[], make: (some: readonly T[]) => WriteOp[]): Promise<readonly WriteOp[]> {
  const made: WriteOp[][] = [];
  for (let at = 0; at < all.length; at += piece) {
    made.push(make(all.slice(at, at + piece)));
    await breathe();
  }
  return made.flat();
}
