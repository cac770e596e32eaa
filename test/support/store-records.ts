import { uuidV4, uuidV7 } from '../../src/core/ids.ts';
import { seededRandom } from '../../src/core/random.ts';
import { enrollmentGroup, x509Attestation } from '../../src/provision/group.ts';
import type {
  ApiToken,
  AttemptEntry,
  Credential,
  Delivery,
  Device,
  EnrollmentGroup,
  Hub,
  Webhook,
} from '../../src/store/model.ts';

/** Plain records for store tests: complete, and different wherever `seed` differs. */

export const startOfRecords = Date.UTC(2026, 0, 1);

export const someUuid = (seed: number): string => uuidV4(seededRandom(seed + 1));

/** Ids that sort by `step`. */
export const attemptId = (step: number): string => uuidV7(startOfRecords + step, seededRandom(step + 7));

export function someDevice(seed: number, changes: Partial<Device> = {}): Device {
  return {
    keyId: someUuid(seed),
    groupId: someUuid(1_000_001),
    ownerId: someUuid(1_000_002),
    assignedOwner: undefined,
    state: 'active',
    stateSince: startOfRecords,
    stateReason: undefined,
    deviceId: undefined,
    generation: 0,
    resetAllowed: false,
    flags: 0,
    retry: { failures: 0, slot: undefined, expectedAt: undefined },
    manufacturer: { subject: `CN=device ${seed}`, serial: undefined, certificate: undefined },
    hubId: undefined,
    confirmedAt: undefined,
    lastPeer: undefined,
    lastSeenAt: undefined,
    lineage: [],
    alarms: [],
    successor: undefined,
    createdAt: startOfRecords,
    updatedAt: startOfRecords,
    revision: 0,
    ...changes,
  };
}

export function someCredential(serial: string, changes: Partial<Credential> = {}): Credential {
  return {
    serial,
    keyId: someUuid(1),
    groupId: someUuid(3),
    deviceId: someUuid(2),
    generation: 1,
    certificate: `-----BEGIN CERTIFICATE-----\n${'QUJD'.repeat(200)}\n-----END CERTIFICATE-----\n`,
    notBefore: startOfRecords,
    notAfter: startOfRecords + 90 * 86_400_000,
    issuedAt: startOfRecords,
    issuerKeyId: 'a1b2',
    anchors: [],
    revoked: undefined,
    ...changes,
  };
}

export function someGroup(seed: number, changes: Partial<EnrollmentGroup> = {}): EnrollmentGroup {
  return enrollmentGroup({
    id: someUuid(seed),
    name: `group ${seed}`,
    owner: { id: someUuid(seed + 1), name: 'somebody' },
    attestation: { x509: x509Attestation({ anchors: ['pem'] }) },
    hubs: [someUuid(seed + 2)],
    ...changes,
  });
}

export function someHub(seed: number, changes: Partial<Hub> = {}): Hub {
  return {
    id: someUuid(seed),
    name: `hub ${seed}`,
    gateways: ['coaps+tcp://gateway.example:5684'],
    provider: 'plgd',
    authorization: { type: 'built-in' },
    source: 'file',
    ownerId: undefined,
    revision: 0,
    ...changes,
  };
}

export const someToken = (seed: number, changes: Partial<ApiToken> = {}): ApiToken => ({
  id: someUuid(seed),
  name: `token ${seed}`,
  role: 'admin',
  ownerId: undefined,
  hash: 'ab',
  createdAt: startOfRecords,
  expiresAt: undefined,
  ...changes,
});

export const someWebhook = (seed: number, changes: Partial<Webhook> = {}): Webhook => ({
  id: someUuid(seed),
  name: `webhook ${seed}`,
  url: 'http://127.0.0.1:1/',
  secret: 'c2VjcmV0',
  types: [],
  enabled: true,
  ownerId: undefined,
  createdAt: startOfRecords,
  revision: 0,
  ...changes,
});

/** One that waits. */
export const someDelivery = (webhookId: string, id: string, changes: Partial<Delivery> = {}): Delivery => ({
  webhookId,
  event: { id, at: startOfRecords, type: 'attempt.opened', ownerId: undefined, data: {} },
  attempts: 0,
  dueAt: 5,
  error: undefined,
  lastTriedAt: undefined,
  ...changes,
});

export const opened = (at: number): AttemptEntry => ({
  at,
  type: 'opened',
  transport: 'coaps',
  peer: '192.0.2.1:4711',
});

export const entry = (at: number, text: string): AttemptEntry => ({
  at,
  type: 'alert',
  direction: 'received',
  name: text,
});

export const closed = (at: number): AttemptEntry => ({
  at,
  type: 'closed',
  verdict: 'refused',
  refusal: { code: 'attest.expired', evidence: { days: 3 }, fix: 'renew it' },
  bytesIn: 10,
  bytesOut: 20,
});
