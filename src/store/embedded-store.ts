import type { Millis } from '../core/clock.ts';
import { limits } from '../core/limits.ts';
import { AccessLists } from './access-lists.ts';
import { attemptsBy } from './attempt-index.ts';
import { AttemptLog, type Retention } from './attempt-log.ts';
import { AuditLog } from './audit-log.ts';
import { type AuditListener, Commits } from './commits.ts';
import { CredentialRecords } from './credential-records.ts';
import { DeliveryLog } from './delivery-log.ts';
import { DeviceIndex } from './device-index.ts';
import { DeviceRecords } from './device-records.ts';
import { DeviceTexts } from './device-texts.ts';
import { EventLog } from './event-log.ts';
import { KeptAnswers } from './kept-answers.ts';
import type { ApiToken, EnrollmentGroup, FetchedCrl, Hub, Webhook } from './model.ts';
import { RefusalLog } from './refusal-log.ts';
import type { Rows } from './rows.ts';
import { beginStore } from './schema.ts';
import { StatisticsLog } from './statistics-log.ts';
import type { Store, Table } from './store.ts';
import { MemoryTable } from './tables.ts';
import { UntoldAudit } from './untold.ts';

export interface EmbeddedStoreDeps {
  readonly rows: Rows;
  readonly retention: Retention;
  /** Where the data is, for messages. */
  readonly folder: string;
  readonly onAudit?: AuditListener;
  /** Writes what is there now into a new folder. @returns rows written */
  readonly copy: (directory: string) => Promise<number>;
  /** Waits for the writes under way and frees the medium. */
  readonly release: () => Promise<void>;
}

/**
 * The store on an ordered key-value medium. Decisions (revision, claim, serial) are taken synchronously against what is
 * written and what is on its way, so nothing can come between; group commit then brings them to the disk, and the answer
 * waits for that. Indexes and counters go with the rows they are of, in the same batch.
 * @throws FirstbootError service.store
 */
export async function openEmbeddedStore(deps: EmbeddedStoreDeps): Promise<Store> {
  const { rows, retention, folder } = deps;
  const epoch = await beginStore(rows, folder);
  const groups = await MemoryTable.open<EnrollmentGroup>(rows, 'group');
  const hubs = await MemoryTable.open<Hub>(rows, 'hub');
  const webhooks = await MemoryTable.open<Webhook>(rows, 'webhook');
  const tokens = await MemoryTable.open<ApiToken>(rows, 'token');
  const lists = await AccessLists.open(rows);
  const deviceIndex = new DeviceIndex(rows);
  const deviceTexts = new DeviceTexts(rows);
  const credentials = new CredentialRecords(rows);
  const devices = new DeviceRecords(rows, deviceIndex, deviceTexts, credentials);
  const auditLog = new AuditLog(rows);
  const untold = new UntoldAudit(rows);
  const attempts = new AttemptLog(rows, retention, epoch);
  const refusals = new RefusalLog(rows);
  const statistics = new StatisticsLog(rows);
  const events = new EventLog(rows);
  const deliveries = new DeliveryLog(rows);
  const answers = new KeptAnswers(rows);
  const commits = new Commits({
    ...deps,
    groups,
    hubs,
    webhooks,
    tokens,
    deliveries,
    lists,
    devices,
    credentials,
    auditLog,
    untold,
  });

  const prune = async (now: Millis): Promise<boolean> => {
    const oldest = now - retention.age;
    const more = [
      await attempts.removeOld(oldest),
      await refusals.prune(oldest),
      await statistics.prune(now - limits.store.statisticsAge),
      await events.prune(),
      await deliveries.prune(await webhooks.list(), oldest),
      await answers.prune(now),
    ];
    return more.includes(true);
  };
  let ended: Promise<void> | undefined;
  const end = async (): Promise<void> => {
    await attempts.settled();
    await events.settled();
    await commits.settled();
    await deps.release();
  };

  return {
    groups,
    hubs,
    crls: await MemoryTable.open<FetchedCrl>(rows, 'crl'),
    tokens,
    webhooks: withDeliveries(webhooks, deliveries),
    epoch,

    commit: (changes) => commits.commit(changes),

    device: (keyId) => devices.device(keyId),
    devices: (page) => devices.page(page),
    putDevice: (device) => devices.put(device),
    claimDeviceId: (deviceId, keyId) => devices.claim(deviceId, keyId),
    ownerOfDeviceId: (deviceId) => devices.ownerOf(deviceId),
    deviceIdsFrom: (prefix, limit) => devices.idsFrom(prefix, limit),
    devicesBy: (page) => deviceIndex.by(page),
    devicesByTime: (page) => deviceIndex.byTime(page),
    keyIdsByText: (page) => deviceTexts.find(page),
    deviceCounts: () => deviceIndex.counts(),

    addCredential: (credential) => credentials.add(credential),
    credential: (serial) => credentials.credential(serial),
    credentials: (keyId) => credentials.of(keyId),
    allCredentials: (page) => credentials.page(page),
    credentialsByEnd: (page) => credentials.byEnd(page),
    expiryCounts: (range) => credentials.expiryCounts(range),
    revoked: (issuerKeyId, at) => credentials.revoked(issuerKeyId, at),
    revocationTurn: (issuerKeyId) => credentials.revocationTurn(issuerKeyId),
    nextCrlNumber: (issuerKeyId) => credentials.nextCrlNumber(issuerKeyId),
    lastCrlNumber: (issuerKeyId) => credentials.lastCrlNumber(issuerKeyId),

    findAccess: (groupId, list, device) => lists.find(groupId, list, device),
    hasAccess: (groupId, list) => lists.has(groupId, list),
    access: (page) => lists.page(page),

    audit: (page) => auditLog.page(page),
    auditHead: () => auditLog.last(),

    appendAttempt: async (id, entries, keyId) => attempts.append(id, entries, keyId),
    attempt: (id) => attempts.attempt(id),
    attempts: (page) => attempts.list(page),
    attemptsBy: (page) => attemptsBy(rows, page),
    countRefusals: (counts) => refusals.add(counts),
    refusalCounts: (since) => refusals.since(since),

    addStatistics: (added) => statistics.add(added),
    statistics: (range) => statistics.range(range),
    appendEvents: (added, told = []) => events.append(added, untold.removals(told)),
    events: (page) => events.page(page),
    oldestEvent: () => events.oldest(),
    removedEvent: () => events.removed(),
    untoldAudit: (page) => untold.page(page),
    webhookCursor: (webhookId) => deliveries.cursor(webhookId),
    commitDeliveries: (change) => deliveries.commit(change),
    deliveries: (page) => deliveries.page(page),
    deliveryCounts: (which) => deliveries.counts(which),
    lastDeliveryError: (webhookId) => deliveries.lastError(webhookId),
    keptAnswer: (key, now) => answers.find(key, now),
    keepAnswer: (answer) => answers.keep(answer),

    prune,
    copyTo: (directory) => deps.copy(directory),
    close: () => {
      ended ??= end();
      return ended;
    },
  };
}

/** A webhook goes with all that was on its way to it. */
const withDeliveries = (webhooks: MemoryTable<Webhook>, deliveries: DeliveryLog): Table<Webhook> => ({
  get: (id) => webhooks.get(id),
  list: () => webhooks.list(),
  put: (webhook) => webhooks.put(webhook),
  delete: async (id) => {
    const { ops, follow } = webhooks.writes([], [id]);
    await deliveries.forget(id, ops);
    return follow() > 0;
  },
});
