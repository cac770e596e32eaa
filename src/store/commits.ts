import { setImmediate as breathe } from 'node:timers/promises';
import { InTurn } from '../core/in-turn.ts';
import { limits } from '../core/limits.ts';
import type { AccessLists } from './access-lists.ts';
import type { AuditLog } from './audit-log.ts';
import { Counters } from './counters.ts';
import type { CredentialRecords } from './credential-records.ts';
import type { DeliveryLog } from './delivery-log.ts';
import type { DeviceIndex } from './device-index.ts';
import type { DeviceRecords } from './device-records.ts';
import { keys, put, type WriteOp } from './medium.ts';
import type { ApiToken, AuditEntry, EnrollmentGroup, Hub, Webhook } from './model.ts';
import type { Rows } from './rows.ts';
import type { StoreChanges } from './store.ts';
import type { MemoryTable, TableWrites } from './tables.ts';

/** Told of each line of the audit log once it is written, with the changes that it is about. */
export type AuditListener = (entry: AuditEntry, changes: StoreChanges) => void;

export interface CommitsDeps {
  readonly rows: Rows;
  readonly groups: MemoryTable<EnrollmentGroup>;
  readonly hubs: MemoryTable<Hub>;
  readonly webhooks: MemoryTable<Webhook>;
  readonly tokens: MemoryTable<ApiToken>;
  readonly deliveries: DeliveryLog;
  readonly lists: AccessLists;
  readonly devices: DeviceRecords;
  readonly deviceIndex: DeviceIndex;
  readonly credentials: CredentialRecords;
  readonly auditLog: AuditLog;
  readonly onAudit?: AuditListener;
}

/** Changes that belong together: decided on as one, and written in one batch with their line of the audit log. */
export class Commits {
  private readonly parts: CommitsDeps;
  /** Large ones wait for each other. */
  private readonly large = new InTurn();

  constructor(parts: CommitsDeps) {
    this.parts = parts;
  }

  commit(changes: StoreChanges): Promise<boolean> {
    const { access = [], deletedAccess = [] } = changes;
    const { lists } = this.parts;
    if (sizeOf(changes) <= piece) {
      return this.commitNow(changes, [...lists.additions(access), ...lists.deletions(deletedAccess)]);
    }
    return this.large.do(async () =>
      this.commitNow(changes, [
        ...(await inPieces(access, (some) => lists.additions(some))),
        ...(await inPieces(deletedAccess, (some) => lists.deletions(some))),
      ]),
    );
  }

  /** Waits for those that are being made. */
  settled(): Promise<void> {
    return this.large.settled();
  }

  /** @param access what to write for the access lists, which need no decision */
  private async commitNow(changes: StoreChanges, access: readonly WriteOp[]): Promise<boolean> {
    const { groups = [], deletedGroups = [], hubs = [], deletedHubs = [], claims = [], audit } = changes;
    const { webhooks = [], deletedWebhooks = [] } = changes;
    const { rows, devices, credentials, deviceIndex, auditLog, lists, deliveries, onAudit } = this.parts;
    const counters = new Counters(rows);
    const groupChange = this.parts.groups.change(groups, deletedGroups);
    const hubChange = this.parts.hubs.change(hubs, deletedHubs);
    const webhookChange = this.parts.webhooks.change(webhooks, deletedWebhooks);
    const tokenChange = this.tokenChange(changes);
    const decided = [
      devices.changes(changes.devices ?? [], counters),
      credentials.additions(changes.newCredentials ?? [], counters),
      credentials.changes(changes.credentials ?? [], counters),
      groupChange?.ops,
      hubChange?.ops,
      webhookChange?.ops,
      deliveries.additions(changes.deliveries ?? []),
      tokenChange?.ops,
    ];
    if (decided.includes(undefined)) {
      // Who decides again looks at what is written, and shall find what was first.
      await rows.ended();
      return false;
    }
    const line = audit && auditLog.addition(audit);
    const ops = [
      ...decided.flatMap((some) => some ?? []),
      ...counters.writes(),
      ...claims.map(({ deviceId, keyId }) => put(keys.claim(deviceId), keyId)),
      ...access,
      ...(line?.ops ?? []),
    ];
    try {
      if (ops.length > 0) await rows.write(ops, true);
    } finally {
      if (changes.devices) deviceIndex.changed();
      deliveries.changed(changes.deliveries ?? []);
    }
    groupChange?.follow();
    hubChange?.follow();
    webhookChange?.follow();
    tokenChange?.follow();
    for (const id of deletedWebhooks) await deliveries.forget(id, []);
    lists.follow(changes.access ?? [], changes.deletedAccess ?? []);
    if (line) onAudit?.(line.entry, changes);
    return true;
  }

  /** Tokens have no revision: of two who delete one, only the first has done it. */
  private tokenChange({ tokens = [], deletedTokens = [] }: StoreChanges): TableWrites | undefined {
    const known = deletedTokens.every((id) => this.parts.rows.latest(keys.token(id)) !== undefined);
    return known ? this.parts.tokens.writes(tokens, deletedTokens) : undefined;
  }
}

const sizeOf = (changes: StoreChanges): number =>
  Object.values(changes).reduce((size, some) => size + (Array.isArray(some) ? some.length : 0), 0);

/** A record is sixteen writes at most: so many of them are no large lot. */
const piece = limits.store.largeBatch / 16;

/** Makes the writes for a long list with room for others in between. */
async function inPieces<T>(all: readonly T[], make: (some: readonly T[]) => WriteOp[]): Promise<readonly WriteOp[]> {
  const made: WriteOp[][] = [];
  for (let at = 0; at < all.length; at += piece) {
    made.push(make(all.slice(at, at + piece)));
    await breathe();
  }
  return made.flat();
}
