import type { Uuid } from '../core/ids.ts';
import type { Store } from '../store/store.ts';
import type { GuardedStore } from './change.ts';
import { ownAttempts } from './owner-attempts.ts';
import { ownCredentials } from './owner-credentials.ts';
import { ownDevices } from './owner-devices.ts';
import { pages, quickest, step } from './owner-pages.ts';
import { OwnerScope } from './owner-scope.ts';
import { notForOperators } from './owner-tables.ts';
import { markedChanges, type OwnerRights, requireOwnChanges } from './owner-writes.ts';

/**
 * The part of a store that is of one owner: groups of that owner, devices that are its own (by transfer or as they were
 * provisioned), with their credentials and attempts, its hubs and those of everybody that its groups use, its webhooks,
 * tokens and events. Everything else is as if it were not there, and cannot be written. What the pipeline and the service
 * alone do is not here: it throws TypeError.
 */
export function ownerView(whole: Store, ownerId: Uuid, rights: OwnerRights = {}): GuardedStore {
  const scope = new OwnerScope(whole, ownerId);
  const { groups, hubs, crls, tokens, webhooks } = scope;
  return {
    groups,
    hubs,
    crls,
    tokens,
    webhooks,
    epoch: whole.epoch,

    commit: async (changes) => {
      await requireOwnChanges(scope, changes, rights);
      return whole.commit(await markedChanges(scope, changes));
    },
    requireAllowed: (changes) => requireOwnChanges(scope, changes, rights),

    ...ownDevices(scope),
    ...ownCredentials(scope),
    ...ownAttempts(scope),
    ...ownAccess(scope),
    ...ownEvents(scope),

    audit: async () => [],
    auditHead: async () => undefined,
    refusalCounts: async () => [],
    statistics: (range) => whole.statistics({ ...range, ownerId }),

    putDevice: () => notForOperators('putDevice'),
    claimDeviceId: () => notForOperators('claimDeviceId'),
    addCredential: () => notForOperators('addCredential'),
    revoked: () => notForOperators('revoked'),
    revocationTurn: () => notForOperators('revocationTurn'),
    nextCrlNumber: () => notForOperators('nextCrlNumber'),
    appendAttempt: () => notForOperators('appendAttempt'),
    countRefusals: () => notForOperators('countRefusals'),
    prune: () => notForOperators('prune'),
    addStatistics: () => notForOperators('addStatistics'),
    appendEvents: () => notForOperators('appendEvents'),
    untoldAudit: () => notForOperators('untoldAudit'),
    commitDeliveries: () => notForOperators('commitDeliveries'),
    keptAnswer: () => notForOperators('keptAnswer'),
    keepAnswer: () => notForOperators('keepAnswer'),
    copyTo: () => notForOperators('copyTo'),
    close: () => notForOperators('close'),
  };
}

const ownAccess = ({ whole, groups }: OwnerScope): Pick<Store, 'findAccess' | 'hasAccess' | 'access'> => ({
  findAccess: async (groupId, list, device) =>
    (await groups.get(groupId)) ? whole.findAccess(groupId, list, device) : undefined,
  hasAccess: async (groupId, list) => ((await groups.get(groupId)) ? whole.hasAccess(groupId, list) : false),
  access: async (page) => ((await groups.get(page.groupId)) ? whole.access(page) : []),
});

type EventReads = Pick<
  Store,
  'events' | 'oldestEvent' | 'removedEvent' | 'webhookCursor' | 'deliveries' | 'deliveryCounts' | 'lastDeliveryError'
>;

function ownEvents(scope: OwnerScope): EventReads {
  const { whole, ownerId } = scope;
  const events: Store['events'] = ({ limit, ...range }) => {
    const read = ({ after }: { readonly after?: string }) => {
      const further = after === undefined ? {} : { [range.newest ? 'before' : 'after']: after };
      return whole.events({ ...range, ...further, limit: step });
    };
    return quickest(limit, [
      pages(
        read,
        ({ id }) => id,
        (event) => event.ownerId === ownerId,
      ),
    ]);
  };
  return {
    events,
    oldestEvent: async () => (await events({ limit: 1 }))[0],
    removedEvent: () => whole.removedEvent(),
    webhookCursor: async (webhookId) => {
      await scope.requireWebhook(webhookId);
      return whole.webhookCursor(webhookId);
    },
    deliveries: async (page) => {
      await scope.requireWebhook(page.webhookId);
      return whole.deliveries(page);
    },
    deliveryCounts: async (which) => {
      await scope.requireWebhook(which.webhookId);
      return whole.deliveryCounts(which);
    },
    lastDeliveryError: async (webhookId) => {
      await scope.requireWebhook(webhookId);
      return whole.lastDeliveryError(webhookId);
    },
  };
}
