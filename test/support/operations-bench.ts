import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { encodePem } from '../../src/codec/pem.ts';
import { toBase64 } from '../../src/core/bytes.ts';
import { days, minutes } from '../../src/core/clock.ts';
import { uuidV7 } from '../../src/core/ids.ts';
import { systemRandom } from '../../src/core/random.ts';
import type { Operations } from '../../src/operator/operations.ts';
import { loadOrCreateAuthority } from '../../src/pki/authority.ts';
import { keyIdOf } from '../../src/pki/roll-over.ts';
import { enrollmentGroup, x509Attestation } from '../../src/provision/group.ts';
import { ownerNamed } from '../../src/provision/owner.ts';
import type { Store } from '../../src/store/store.ts';
import { makeIdentities } from './identities.ts';
import { someCredential, someDevice, someHub, someUuid } from './store-records.ts';

/** Operations over a store that the test can look into, and how to be rid of them. */
export interface OperationsBench {
  readonly operations: Operations;
  readonly store: Store;
  /** Lines of the audit log that were there before. */
  readonly linesBefore: number;
  close(): Promise<void>;
}

/** What its operations have written in the audit log. */
export const auditedIn = async ({ store, linesBefore }: OperationsBench): Promise<readonly string[]> =>
  (await store.audit({ after: linesBefore, limit: 100 })).map(({ action }) => action);

/** When everything in the seeded store was; operations go by the present time. */
export const seededAt = Date.now() - minutes(30.5);
const { named, anchors } = makeIdentities(seededAt);

export const seeded = {
  machines: someUuid(500),
  samples: someUuid(501),
  production: someUuid(600),
  unused: someUuid(602),
  /** Of a device in each state. */
  devices: {
    active: someUuid(1),
    pending: someUuid(2),
    quarantined: someUuid(3),
    disabled: someUuid(4),
    decommissioned: someUuid(5),
  },
  deviceId: someUuid(50),
  /** A stranger that was refused, one that was let in, one that is still there. */
  refused: uuidV7(seededAt, systemRandom),
  accepted: uuidV7(seededAt + 1000, systemRandom),
  open: uuidV7(seededAt + 2000, systemRandom),
  goodChain: named.good.chain,
  strangeChain: named.incomplete.chain,
} as const;

/**
 * Two groups (one by certificate, one by pre-shared keys and with an owner key), two hubs, a device in each state, two
 * credentials, three attempts, counts of strangers, and an authority.
 * @param folder gets the folder `authority`
 */
export async function seedOperations(store: Store, folder: string): Promise<{ readonly authority: string }> {
  const authority = join(folder, 'authority');
  await mkdir(folder, { recursive: true });
  const { issuing } = await loadOrCreateAuthority(authority, {
    now: seededAt,
    random: systemRandom,
    name: 'firstboot',
  });
  const common = { owner: ownerNamed('acme'), hubs: [seeded.production], source: 'operator' } as const;
  await store.commit({
    hubs: [
      someHub(600, { id: seeded.production, name: 'production', source: 'operator' }),
      someHub(602, { id: seeded.unused, name: 'unused', source: 'operator' }),
    ],
    groups: [
      enrollmentGroup({
        ...common,
        id: seeded.machines,
        name: 'washing machines',
        attestation: {
          x509: x509Attestation({
            anchors: anchors.map((der) => encodePem('CERTIFICATE', der)),
            crlUrls: ['http://crl.example.com/acme.crl'],
          }),
        },
        payload: { site: 'here', empty: null },
      }),
      enrollmentGroup({
        ...common,
        id: seeded.samples,
        name: 'samples',
        admission: 'manual',
        attestation: { psk: [{ identity: 'sample-*', key: toBase64(new Uint8Array(32).fill(7)), derived: true }] },
        ownerPsk: toBase64(new Uint8Array(32).fill(9)),
      }),
    ],
  });
  for (const [at, [state, keyId]] of Object.entries(seeded.devices).entries()) {
    const isNew = state === 'pending';
    const group = state === 'active' || isNew ? seeded.samples : seeded.machines;
    await store.putDevice(
      someDevice(at + 1, {
        keyId,
        state: state as keyof typeof seeded.devices,
        groupId: group,
        ownerId: common.owner.id,
        deviceId: isNew ? undefined : someUuid(50 + at),
        generation: isNew ? 0 : 1,
        hubId: isNew ? undefined : seeded.production,
        lastSeenAt: seededAt + at,
        stateSince: seededAt,
        createdAt: seededAt,
        updatedAt: seededAt,
      }),
    );
    if (!isNew) await store.claimDeviceId(someUuid(50 + at), keyId);
  }
  const issued = {
    keyId: seeded.devices.active,
    groupId: seeded.samples,
    deviceId: seeded.deviceId,
    issuerKeyId: keyIdOf(issuing),
    issuedAt: seededAt,
    notBefore: seededAt,
  };
  await store.addCredential(someCredential('a1b2c3', { ...issued, notAfter: seededAt + days(30) }));
  const revoked = { at: seededAt, reason: 'certificateHold' } as const;
  await store.addCredential(someCredential('d4e5f6', { ...issued, notAfter: seededAt + days(90), revoked }));
  await seedAttempts(store);
  return { authority };
}

async function seedAttempts(store: Store): Promise<void> {
  const begun = (at: number) => ({ at, type: 'opened', transport: 'coaps', peer: '192.0.2.1:4711' }) as const;
  const chain = (at: number, presented: readonly Uint8Array[]) =>
    ({ at, type: 'chain', certificates: presented.map((der) => encodePem('CERTIFICATE', der)) }) as const;
  const refusal = {
    code: 'attest.incomplete-chain',
    evidence: { issuer: 'O=Acme, CN=Acme Intermediate CA' },
    fix: 'send it',
  } as const;
  await store.appendAttempt(seeded.refused, [
    begun(seededAt),
    chain(seededAt + 5, seeded.strangeChain),
    { at: seededAt + 6, type: 'stage', stage: 'attest', result: 'refused', facts: {}, refusal },
    { at: seededAt + 7, type: 'closed', verdict: 'refused', refusal, bytesIn: 900, bytesOut: 80 },
  ]);
  await store.appendAttempt(
    seeded.accepted,
    [
      begun(seededAt + 1000),
      chain(seededAt + 1005, seeded.goodChain),
      { at: seededAt + 1010, type: 'stage', stage: 'attest', result: 'ok', facts: { keyId: seeded.devices.active } },
      { at: seededAt + 1500, type: 'closed', verdict: 'provisioned', bytesIn: 4000, bytesOut: 9000 },
    ],
    seeded.devices.active,
  );
  await store.appendAttempt(seeded.open, [begun(seededAt + 2000)]);
  const hour = seededAt - (seededAt % 3_600_000);
  await store.countRefusals([{ hour, code: 'attest.incomplete-chain', count: 40, recorded: 1 }]);
}
