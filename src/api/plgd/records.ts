import type { Millis } from '../../core/clock.ts';
import { errorTable } from '../../core/errors.ts';
import type { JsonValue } from '../../core/json.ts';
import { permissions } from '../../core/permissions.ts';
import { acls } from '../../dialects/ocf/acls.ts';
import { cloud } from '../../dialects/ocf/cloud.ts';
import { credentials as issuing } from '../../dialects/ocf/credentials.ts';
import { ownership } from '../../dialects/ocf/ownership.ts';
import { time } from '../../dialects/ocf/time.ts';
import type { DeviceView } from '../../operator/operations.ts';
import { authorize } from '../../provision/authorize.ts';
import type { AccessControlEntry } from '../../provision/contract.ts';
import type { Attempt, AttemptEntry, EnrollmentGroup, Hub } from '../../store/model.ts';
import { commonNameIn, type Message, nanoseconds } from './message.ts';

/** What a record is made of. */
export interface RecordFacts {
  readonly view: DeviceView;
  readonly group: EnrollmentGroup | undefined;
  readonly hub: Hub | undefined;
  /** The device's attempts, newest first: each step is taken from the last one that has it. */
  readonly attempts: readonly Attempt[];
}

/** A device as plgd's `ProvisioningRecord` message (contract, plgd-service 3.3). Keys are not told. */
export function recordMessage({ view, group, hub, attempts }: RecordFacts): Message {
  const { device, owner, credentials } = view;
  const { certificate, subject } = device.manufacturer;
  const { createdAt, lastSeenAt, recordSince: since = createdAt } = device;
  const steps = stepsOf(attempts, since);
  // What a record that was deleted had shown is not in the one that came after it.
  const begunAnew = since !== createdAt;
  const told = (step: Step): boolean => !begunAnew || steps[step] !== null;
  const cloudHub = told('cloud') ? hub : undefined;
  return {
    id: device.keyId,
    deviceId: device.deviceId ?? '',
    enrollmentGroupId: device.groupId,
    owner: owner?.name ?? device.ownerId,
    localEndpoints: [],
    creationDate: nanoseconds(since),
    attestation: {
      date: nanoseconds(Math.max(lastSeenAt ?? since, since)),
      x509: {
        certificatePem: certificate ?? '',
        commonName: commonNameIn(certificate) ?? subject,
      },
    },
    plgdTime: steps.time,
    ownership: { status: steps.ownership, owner: device.ownerId },
    cloud: {
      status: steps.cloud,
      providerName: cloudHub?.provider ?? '',
      gateways: (cloudHub?.gateways ?? []).map((uri) => ({ uri, id: cloudHub?.id ?? '' })),
      selectedGateway: cloudHub ? 0 : -1,
    },
    credential: {
      status: steps.credentials,
      identityCertificatePem:
        credentials.findLast(({ issuedAt }) => !begunAnew || issuedAt >= since)?.certificate ?? '',
      preSharedKey: null,
      credentials: [],
    },
    acl: { status: steps.acls, accessControlList: group && told('acls') ? entriesFor(view, group) : [] },
  };
}

const paths = {
  time: time.path,
  ownership: ownership.path,
  cloud: cloud.path,
  credentials: issuing.path,
  acls: acls.path,
} as const;

type Step = keyof typeof paths;

/** Whether there is nothing to look for in older attempts. */
export const hasEveryStep = (attempts: readonly Attempt[]): boolean =>
  Object.values(paths).every((path) =>
    attempts.some(({ entries }) => entries.some((entry) => entry.type === 'exchange' && entry.path === path)),
  );

function stepsOf(attempts: readonly Attempt[], since: Millis): Readonly<Record<Step, Message | null>> {
  const step = (name: Step): Message | null => {
    for (const { entries } of attempts) {
      const at = entries.findLastIndex(
        (entry) => entry.type === 'exchange' && entry.path === paths[name] && entry.at >= since,
      );
      const found = entries[at];
      if (found?.type === 'exchange') return status(found, entries.slice(0, at));
    }
    return null;
  };
  return {
    time: step('time'),
    ownership: step('ownership'),
    cloud: step('cloud'),
    credentials: step('credentials'),
    acls: step('acls'),
  };
}

/** plgd keeps the code of a success as it is on the wire, and of a failure the text alone. */
function status({ at, code }: { at: Millis; code: number }, before: readonly AttemptEntry[]): Message {
  const date = nanoseconds(at);
  if (code < 400) return { date, coapCode: Math.floor(code / 100) * 32 + (code % 100), errorMessage: '' };
  const refused = before.findLast((entry) => entry.type === 'stage' && entry.result === 'refused');
  const refusal = refused?.type === 'stage' ? refused.refusal : undefined;
  return { date, coapCode: 0, errorMessage: refusal ? errorTable[refusal.code].text : `CoAP code ${code}` };
}

/** The list as the group gives it now; without one for a device that has never named an id. */
function entriesFor({ device }: DeviceView, group: EnrollmentGroup): JsonValue[] {
  const { ownerId, deviceId, manufacturer } = device;
  const commonName = commonNameIn(manufacturer.certificate) || undefined;
  const list = authorize(group, { ownerId, deviceId, commonName });
  return list.ok ? list.value.entries.map(entryMessage) : [];
}

function entryMessage({ subject, permission, resources }: AccessControlEntry): Message {
  return {
    ...subjectMessage(subject),
    permissions: Object.entries(permissionNames).flatMap(([name, bit]) => ((permission & bit) === 0 ? [] : [name])),
    resources: resources.map((resource) =>
      'href' in resource
        ? { href: resource.href, interfaces: ['*'], resourceTypes: [], wildcard: 'NONE' }
        : { href: '', interfaces: ['*'], resourceTypes: [], wildcard: wildcards[resource.wildcard] },
    ),
  };
}

function subjectMessage(subject: AccessControlEntry['subject']): Message {
  switch (subject.type) {
    case 'uuid':
      return { deviceSubject: { deviceId: subject.uuid } };
    case 'role':
      return { roleSubject: { role: subject.role, authority: subject.authority ?? '' } };
    case 'connection':
      return { connectionSubject: { type: subject.kind === 'anon-clear' ? 'ANON_CLEAR' : 'AUTH_CRYPT' } };
  }
}

const permissionNames = {
  CREATE: permissions.create,
  READ: permissions.retrieve,
  WRITE: permissions.update,
  DELETE: permissions.delete,
  NOTIFY: permissions.notify,
} as const;

const wildcards = { '*': 'NONCFG_ALL', '+': 'NONCFG_SEC_ENDPOINT', '-': 'NONCFG_NONSEC_ENDPOINT' } as const;
