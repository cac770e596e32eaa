import { setImmediate as breathe } from 'node:timers/promises';
import { InTurn } from '../core/in-turn.ts';
import { limits } from '../core/limits.ts';
import type { AccessLists } from './access-lists.ts';
import type { AuditLog } from './audit-log.ts';
import { Counters } from './counters.ts';
import type { OwnedCredential } from './credential-index.ts';
import type { CredentialRecords } from './credential-records.ts';
import type { DeliveryLog } from './delivery-log.ts';
import type { DeviceRecords } from './device-records.ts';
import { keys, put, type WriteOp } from './medium.ts';
import type { ApiToken, EnrollmentGroup, Hub, Webhook } from './model.ts';
import type { Rows } from './rows.ts';
import type { AuditNews, StoreChanges } from './store.ts';
import type { MemoryTable, TableWrites } from './tables.ts';
import { TakenNames } from './taken-names.ts';
import { subjectsOf, type UntoldAudit } from './untold.ts';

/** Told of each line of the audit log once it is written. */
export type AuditListener = (line: AuditNews) => void;

export interface CommitsDeps {
  readonly rows: Rows;
  readonly groups: MemoryTable<EnrollmentGroup>;
  readonly hubs: MemoryTable<Hub>;
  readonly webhooks: MemoryTable<Webhook>;
  readonly tokens: MemoryTable<ApiToken>;
  readonly deliveries: DeliveryLog;
  readonly lists: AccessLists;
  readonly devices: DeviceRecords;
  readonly credentials: CredentialRecords;
  readonly auditLog: AuditLog;
  readonly untold: UntoldAudit;
  readonly onAudit?: AuditListener;
}

/** Changes that belong together: decided on as one, and written in one batch with their line of the audit log. */
export class Commits {
  private readonly parts: CommitsDeps;
  /** Large ones wait for each other. */
  private readonly large = new InTurn();
  private readonly names: TakenNames;

  constructor(parts: CommitsDeps) {
    this.parts = parts;
    this.names = new TakenNames(parts);
  }

  commit(changes: StoreChanges): Promise<boolean> {
    const { access = [], deletedAccess = [] } = changes;
    const { lists } = this.parts;
    if (sizeOf(changes) <= piece) {
      return this.decide(changes, [...lists.additions(access), ...lists.deletions(deletedAccess)]);
    }
    return this.large.do(async () =>
      this.decide(changes, [
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
  private decide(changes: StoreChanges, access: readonly WriteOp[]): Promise<boolean> {
    const { credentials } = this.parts;
    return credentials.withMoving(changes.devices ?? [], (moving) => this.commitNow(changes, access, moving));
  }

  private async commitNow(
    changes: StoreChanges,
    access: readonly WriteOp[],
    moving: readonly OwnedCredential[],
  ): Promise<boolean> {
    const { groups = [], deletedGroups = [], hubs = [], deletedHubs = [], claims = [], audit } = changes;
    const { webhooks = [], deletedWebhooks = [] } = changes;
    const { rows, devices, credentials, auditLog, untold, lists, deliveries, onAudit } = this.parts;
    const counters = new Counters(rows);
    const groupChange = this.parts.groups.change(groups, deletedGroups);
    const hubChange = this.parts.hubs.change(hubs, deletedHubs);
    const webhookChange = this.parts.webhooks.change(webhooks, deletedWebhooks);
    const tokenChange = this.tokenChange(changes);
    const decided = [
      devices.changes(changes.devices ?? [], counters),
      credentials.additions(changes.newCredentials ?? [], counters, changes.devices),
      credentials.changes(changes.credentials ?? [], counters, moving),
      groupChange?.ops,
      hubChange?.ops,
      webhookChange?.ops,
      deliveries.revivals(changes.revived ?? []),
      tokenChange?.ops,
    ];
    const letGo = decided.includes(undefined) ? undefined : this.names.take(changes.names ?? []);
    if (!letGo) {
      // Who decides again looks at what is written, and shall find what was first.
      await rows.ended();
      return false;
    }
    const line = audit && auditLog.addition(audit);
    const news = line && { entry: line.entry, about: subjectsOf(changes) };
    const ops = [
      ...decided.flatMap((some) => some ?? []),
      ...counters.writes(),
      ...claims.map(({ deviceId, keyId }) => put(keys.claim(deviceId), keyId)),
      ...access,
      ...(line?.ops ?? []),
      ...(news ? [untold.addition(news)] : []),
    ];
    try {
      if (ops.length > 0)
        await devices.followed(changes.devices ?? [], rows.write(ops, true), changes.devices !== undefined);
      groupChange?.follow();
      hubChange?.follow();
      webhookChange?.follow();
      tokenChange?.follow();
    } finally {
      letGo();
      deliveries.changed(changes.revived ?? []);
    }
    for (const id of deletedWebhooks) await deliveries.forget(id, []);
    lists.follow(changes.access ?? [], changes.deletedAccess ?? []);
    if (news) onAudit?.(news);
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
