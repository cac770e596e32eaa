import { failure } from '../core/errors.ts';
import type { Uuid } from '../core/ids.ts';
import { InTurn } from '../core/in-turn.ts';
import type { RandomSource } from '../core/random.ts';
import { readAuthorityState } from '../pki/authority-folder.ts';
import type { Device, EnrollmentGroup } from '../store/model.ts';
import { addAccess, listAccess, removeAccess } from './access.ts';
import { findAttempt, listAttempts } from './attempts.ts';
import { listAudit, verifyAudit } from './audit.ts';
import { caStatus } from './ca.ts';
import { rehearseAnchor } from './ca-rehearsal.ts';
import { rotateAuthority } from './ca-rotation.ts';
import type { OperatorDeps, Outcome } from './change.ts';
import { listCredentials, releaseCredentials, revokeCredentials } from './credentials.ts';
import { listDevices } from './device-list.ts';
import {
  allowReset,
  approveDevice,
  approveGroup,
  clearAlarms,
  type DeviceOperation,
  decommissionDevice,
  disableDevice,
  enableDevice,
  quarantineDevice,
  rejectDevice,
  rekeyDevice,
  releaseDevice,
  transferDevice,
} from './devices.ts';
import { deleteGroup, listGroups, putGroup, setGroupEnabled } from './groups.ts';
import { deleteHub, listHubs, putHub } from './hubs.ts';
import { importAccess } from './imports.ts';
import type { DeviceTurn, Operations } from './operations.ts';
import { readOwnerPsk } from './owner-psk.ts';
import { dryRunWritten, explainPresented, explainRecorded, presentPolicy } from './present-policy.ts';
import { deleteRecords, listRecords, type RecordFilter } from './records.ts';
import { createToken, listTokens, revokeToken } from './tokens.ts';
import { viewCredential, viewDevice, viewGroup, viewHub } from './views.ts';
import { deleteWebhook, listDeliveries, listWebhooks, putWebhook, redeliver, viewWebhook } from './webhooks.ts';

export interface LocalOperationsDeps extends OperatorDeps {
  readonly random: RandomSource;
  /** Folder of the service's authority; undefined: there is none, and what is about it is refused (operator.not-found). */
  readonly authority?: string | undefined;
  /** Told after the authority has changed, so that a running service signs with the new one. */
  readonly authorityChanged?: (() => Promise<void>) | undefined;
  /** Who acts is bound to this owner; `store` is its view then. */
  readonly ownerId?: Uuid | undefined;
}

/** With what only callers of plgd's paths ask for: devices as provisioning records. */
export interface LocalOperations extends Operations {
  records(filter: RecordFilter): AsyncIterable<Device>;
  deleteRecords(filter: RecordFilter): Promise<Outcome<number>>;
}

/** Everything an operator can do, over a store. */
export function createOperations(deps: LocalOperationsDeps): LocalOperations {
  const { store, now, ownerId } = deps;
  return {
    groups: () => listGroups(store),
    group: (which) => viewGroup(store, which),
    putGroup: async (group, options) => {
      requireOwn(group, ownerId);
      return putGroup(deps, group, options);
    },
    setGroupEnabled: (which, options) => setGroupEnabled(deps, which, options),
    deleteGroup: (which, options) => deleteGroup(deps, which, options),
    approveGroup: (which, options) => approveGroup(deps, which, options),

    access: (group, page) => listAccess(store, group, page),
    addAccess: async (request, options) => addAccess(deps, request, options),
    removeAccess: async (request, options) => removeAccess(deps, request, options),
    importAccess: (source, request) => importAccess(deps, source, request),

    hubs: () => listHubs(store),
    hub: (which) => viewHub(store, which),
    putHub: (hub, options) => putHub(deps, { ...hub, ownerId: ownerId ?? hub.ownerId }, options),
    deleteHub: (which, options) => deleteHub(deps, which, options),

    devices: (filter, page) => listDevices(store, filter, page),
    device: (which) => viewDevice(store, which),
    turnDevice: (turn, which, options) => turns[turn](deps, which, options),
    transferDevice: async (which, owner, options) => transferDevice(deps, which, owner, options),
    rekeyDevice: async (from, to, options) => rekeyDevice(deps, from, to, options),
    ownerPsk: (which) => readOwnerPsk(deps, which),
    records: (filter) => listRecords(store, filter),
    deleteRecords: (filter) => deleteRecords(deps, filter),

    credentials: (filter, page) => listCredentials(store, filter, { ...page, now: now() }),
    credential: (serial) => viewCredential(store, serial),
    revokeCredentials: (selection, options) => revokeCredentials(deps, selection, options),
    releaseCredentials: (selection, options) => releaseCredentials(deps, selection, options),

    attempts: (filter, { after, limit }) => listAttempts(store, filter, { before: after, limit }),
    attempt: (which) => findAttempt(store, which),
    refusals: (since) => store.refusalCounts(since),
    explainAttempt: (which, question) => explainRecorded(store, which, question),
    explainChain: (presented, question) => explainPresented(store, presented, question, now()),

    audit: (filter, page) => listAudit(store, filter, page),
    verifyAudit: (options) => verifyAudit(store, options),

    ...authorityOperations(deps),
    dryRun: (policy, since) => dryRunWritten(deps, policy, since),

    tokens: () => listTokens(store),
    createToken: (token, options) => createToken(deps, token, options),
    revokeToken: (which, options) => revokeToken(deps, which, options),

    webhooks: () => listWebhooks(store),
    webhook: (which) => viewWebhook(store, which),
    putWebhook: (request, options) => putWebhook(deps, request, options),
    deleteWebhook: (which, options) => deleteWebhook(deps, which, options),
    deliveries: (which, page) => listDeliveries(store, which, page),
    redeliver: (which, options) => redeliver(deps, which, options),
  };
}

const turns: Readonly<Record<DeviceTurn, DeviceOperation>> = {
  approve: approveDevice,
  reject: rejectDevice,
  quarantine: quarantineDevice,
  release: releaseDevice,
  disable: disableDevice,
  enable: enableDevice,
  decommission: decommissionDevice,
  'allow-reset': allowReset,
  'clear-alarms': clearAlarms,
};

/** A folder is read and written by one request at a time, however many operators there are. */
const authorityInTurn = new InTurn();

function authorityOperations(deps: LocalOperationsDeps): Pick<Operations, 'ca' | 'rehearse' | 'rotate'> {
  const { store, now, authorityChanged } = deps;
  const folder = (): string => {
    if (deps.authority !== undefined) return deps.authority;
    const fix =
      'a program started this service with an authority of its own; over a data folder, name it with --authority';
    throw failure('operator.not-found', { authority: 'no folder' }, fix);
  };
  return {
    ca: async () => caStatus(await authorityInTurn.do(() => readAuthorityState(folder(), now())), store, now()),
    rehearse: async (question) => {
      const authority = await authorityInTurn.do(() => readAuthorityState(folder(), now()));
      return rehearseAnchor({ store, authority, policy: await presentPolicy(store), now: now() }, question);
    },
    rotate: async (options) => {
      const outcome = await authorityInTurn.do(() => rotateAuthority({ ...deps, folder: folder() }, options));
      if (outcome.applied) await authorityChanged?.();
      return outcome;
    },
  };
}

function requireOwn({ name, owner }: EnrollmentGroup, ownerId: Uuid | undefined): void {
  if (ownerId === undefined || owner.id === ownerId) return;
  throw failure('api.forbidden', { group: name, owner: owner.name }, 'write groups of your own owner');
}
