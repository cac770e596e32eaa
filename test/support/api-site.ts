import { encodePem } from '../../src/codec/pem.ts';
import { toBase64 } from '../../src/core/bytes.ts';
import { days, minutes, systemTimers } from '../../src/core/clock.ts';
import { type Uuid, uuidV7 } from '../../src/core/ids.ts';
import { silentLog } from '../../src/core/log.ts';
import { systemRandom } from '../../src/core/random.ts';
import { EventHub } from '../../src/operator/event-hub.ts';
import { loadOrCreateAuthority } from '../../src/pki/authority.ts';
import { keyIdOf } from '../../src/pki/roll-over.ts';
import { enrollmentGroup, x509Attestation } from '../../src/provision/group.ts';
import { createRevocations } from '../../src/provision/revocations.ts';
import { openLevelStore } from '../../src/store/level.ts';
import type { AttemptEntry, DeviceState } from '../../src/store/model.ts';
import type { Store } from '../../src/store/store.ts';
import { owners, startTestApi, type TestApi, type TestApiOptions } from './api.ts';
import { type Made, makeCertificate, usage } from './chains.ts';
import { someCredential, someDevice, someHub, someUuid } from './store-records.ts';
import { temporaryFolder } from './temporary-folder.ts';

export type OwnerName = keyof typeof owners;

/** What is of one owner. Everything that is named after it has `word` in its name. */
export interface Holdings {
  readonly word: string;
  readonly group: Uuid;
  /** The same, written in a file. */
  readonly fileGroup: Uuid;
  readonly hub: Uuid;
  readonly devices: Readonly<Record<DeviceState, Uuid>>;
  readonly deviceIds: Readonly<Record<DeviceState, Uuid>>;
  readonly serials: readonly string[];
  readonly attempts: Readonly<Record<'refused' | 'provisioned' | 'open', Uuid>>;
  readonly webhook: Uuid;
  readonly root: Made;
  readonly leaf: Made;
}

export interface ApiSite extends TestApi {
  readonly acme: Holdings;
  readonly bolt: Holdings;
  /** A hub that everybody may use, and that groups of both do. */
  readonly sharedHub: Uuid;
  /** A hub and a group of the file that are of nobody else. */
  readonly fileHub: Uuid;
  readonly issuerKeyId: string;
  close(): Promise<void>;
}

const sharedHub = someUuid(3_000_000);
const fileHub = someUuid(3_000_001);

/** The API over a store with the same of everything for each of two owners, and an authority. */
export async function openApiSite(options: TestApiOptions = {}): Promise<ApiSite> {
  const folder = await temporaryFolder();
  const now = Date.now();
  const store = await openLevelStore(`${folder.path}/store`, { synced: false });
  const authority = `${folder.path}/authority`;
  const made = await loadOrCreateAuthority(authority, { now: now - days(1), random: systemRandom, name: 'firstboot' });
  const issuerKeyId = keyIdOf(made.issuing);
  await store.commit({
    hubs: [
      someHub(0, { id: sharedHub, name: 'shared hub', source: 'operator' }),
      someHub(0, { id: fileHub, name: 'hub of a file' }),
    ],
  });
  const [acme, bolt] = [
    await furnish(store, 'acme', { word: 'Acmeware', seed: 4_000_000, now, issuerKeyId }),
    await furnish(store, 'bolt', { word: 'Boltware', seed: 5_000_000, now, issuerKeyId }),
  ];
  await nameEachOther(store, acme, bolt, now);
  await nameEachOther(store, bolt, acme, now);
  const hour = now - (now % 3_600_000);
  await store.countRefusals([{ hour, code: 'attest.unknown-issuer', count: 40, recorded: 1 }]);
  const revocations = createRevocations({ store, authority: { current: made } });
  const events = new EventHub({ store, timers: systemTimers, log: silentLog });
  for (const [owner, { word, devices }] of Object.entries({ acme, bolt })) {
    const ownerId = owners[owner as OwnerName];
    events.tell('device.enrolled', { keyId: devices.active, subject: `CN=${word}` }, ownerId, now);
  }
  const api = await startTestApi({ store, authority, revocations, events, openAttempts: () => 7, ...options });
  return {
    ...api,
    acme,
    bolt,
    sharedHub,
    fileHub,
    issuerKeyId,
    close: async () => {
      await api.close();
      await events.close();
      await store.close();
      await folder.remove();
    },
  };
}

interface Furnishing {
  readonly word: string;
  readonly seed: number;
  readonly now: number;
  readonly issuerKeyId: string;
}

const states: readonly DeviceState[] = ['active', 'pending', 'quarantined', 'disabled', 'decommissioned'];

async function furnish(
  store: Store,
  owner: OwnerName,
  { word, seed, now, issuerKeyId }: Furnishing,
): Promise<Holdings> {
  const ownerId = owners[owner];
  const id = (n: number): Uuid => someUuid(seed + n);
  const dates = { notBefore: new Date(now - days(1)), notAfter: new Date(now + days(100)) };
  const root = await makeCertificate({ subject: `CN=${word} Root`, ca: true, ...dates });
  const leaf = await makeCertificate({
    subject: `CN=${word} sensor`,
    issuer: root,
    usages: [usage.clientAuth],
    ...dates,
  });
  const pem = ({ der }: Made): string => encodePem('CERTIFICATE', der);
  const [group, fileGroup, hub] = [id(1), id(2), id(3)];
  const common = { owner: { id: ownerId, name: ownerId }, hubs: [hub, sharedHub] };
  await store.commit({
    hubs: [someHub(0, { id: hub, name: `${word} hub`, source: 'operator', ownerId, provider: word })],
    groups: [
      enrollmentGroup({
        ...common,
        id: group,
        name: `${word} group`,
        source: 'operator',
        attestation: {
          x509: x509Attestation({ anchors: [pem(root)] }),
          psk: [{ identity: `${word}-*`, key: toBase64(new Uint8Array(32).fill(7)), derived: true }],
        },
        ownerPsk: toBase64(new Uint8Array(32).fill(9)),
      }),
      enrollmentGroup({
        ...common,
        id: fileGroup,
        name: `${word} file group`,
        source: 'file',
        attestation: { pins: [Buffer.from(`${word} pin`.padEnd(32)).toString('hex')] },
      }),
    ],
    access: [
      {
        groupId: group,
        list: 'deny',
        device: { by: 'subject', value: `CN=${word} thief` },
        note: `${word} note`,
        addedAt: now,
      },
    ],
  });
  const devices = {} as Record<DeviceState, Uuid>;
  const deviceIds = {} as Record<DeviceState, Uuid>;
  const serials: string[] = [];
  for (const [at, state] of states.entries()) {
    const [keyId, deviceId] = [id(10 + at), id(20 + at)];
    devices[state] = keyId;
    deviceIds[state] = deviceId;
    const device = someDevice(at, {
      keyId,
      deviceId,
      state,
      groupId: group,
      ownerId,
      generation: 1,
      hubId: hub,
      lastPeer: '192.0.2.1:4711',
      lastSeenAt: now - minutes(at),
      createdAt: now - minutes(10 * at),
      manufacturer: { subject: `CN=${word} sensor ${at}`, serial: '0a1b', certificate: pem(leaf) },
      ...(state === 'quarantined' && { alarms: [{ at: now, kind: 'two-places', evidence: { a: 'x' } }] }),
    });
    await store.putDevice(device);
    await store.claimDeviceId(deviceId, keyId);
    const serial = Buffer.from(`${word}${at}`).toString('hex');
    serials.push(serial);
    const held = state === 'active' && at === 0 ? undefined : ({ at: now, reason: 'certificateHold' } as const);
    const dates = { notBefore: now - days(1), notAfter: now + days(10 + at), issuedAt: now - days(1) };
    await store.addCredential(
      someCredential(serial, { keyId, groupId: group, deviceId, issuerKeyId, ...dates, revoked: held }),
    );
  }
  const attempts = await furnishAttempts(store, { ownerId, group, now, word, keyId: devices.active, chain: pem(leaf) });
  await store.addStatistics([statisticsOf(ownerId, now, owner === 'acme' ? 3 : 5)]);
  const webhook = id(4);
  await store.webhooks.put({
    id: webhook,
    name: `${word} webhook`,
    url: `http://127.0.0.1:9/${word}`,
    secret: toBase64(new Uint8Array(32).fill(3)),
    types: [],
    enabled: false,
    ownerId,
    createdAt: now,
    revision: 0,
  });
  return { word, group, fileGroup, hub, devices, deviceIds, serials, attempts, webhook, root, leaf };
}

const statisticsOf = (ownerId: Uuid, now: number, provisioned: number) => ({
  slot: now - (now % minutes(5)),
  ownerId,
  verdicts: { provisioned },
  codes: {},
  bytesIn: 10,
  bytesOut: 20,
  stages: {},
  runs: [],
});

const begun = (at: number): AttemptEntry => ({ at, type: 'opened', transport: 'coaps', peer: '192.0.2.1:4711' });

async function furnishAttempts(
  store: Store,
  {
    ownerId,
    group,
    now,
    word,
    keyId,
    chain,
  }: Readonly<Record<'ownerId' | 'group' | 'word' | 'keyId' | 'chain', string>> & { readonly now: number },
): Promise<Holdings['attempts']> {
  const ids = {
    refused: uuidV7(now - minutes(3), systemRandom),
    provisioned: uuidV7(now - minutes(2), systemRandom),
    open: uuidV7(now - minutes(1), systemRandom),
  };
  const refusal = { code: 'bind.reprovisioning', evidence: { word }, fix: 'allow it' } as const;
  const bytes = { bytesIn: 900, bytesOut: 80, groupId: group, ownerId };
  const shown: AttemptEntry = { at: now - minutes(2), type: 'chain', certificates: [chain] };
  await store.appendAttempt(
    ids.refused,
    [
      begun(now - minutes(3)),
      shown,
      { at: now, type: 'stage', stage: 'bind', result: 'refused', facts: {}, refusal },
      { at: now, type: 'closed', verdict: 'refused', refusal, ...bytes },
    ],
    keyId,
  );
  await store.appendAttempt(
    ids.provisioned,
    [begun(now - minutes(2)), shown, { at: now, type: 'closed', verdict: 'provisioned', ...bytes }],
    keyId,
  );
  await store.appendAttempt(ids.open, [begun(now - minutes(1)), shown], keyId);
  return ids;
}

/** A refusal whose evidence is somebody else's. */
async function nameEachOther(store: Store, own: Holdings, other: Holdings, now: number): Promise<void> {
  const refusal = {
    code: 'bind.device-id-taken',
    evidence: { holder: other.devices.active, nearestGroup: `${other.word} group` },
    fix: `look at the enrollment group "${other.word} group"`,
  } as const;
  await store.appendAttempt(
    uuidV7(now - minutes(4), systemRandom),
    [begun(now - minutes(4)), { at: now, type: 'closed', verdict: 'refused', refusal, bytesIn: 1, bytesOut: 1 }],
    own.devices.active,
  );
}

/** Every text by which somebody could tell that there is another owner's thing. */
export const tracesOf = (site: ApiSite, owner: OwnerName): readonly string[] => {
  const { word, group, fileGroup, hub, devices, deviceIds, serials, attempts, webhook } = site[owner];
  return [
    word,
    owners[owner],
    group,
    fileGroup,
    hub,
    webhook,
    ...Object.values(devices),
    ...Object.values(deviceIds),
    ...serials,
    ...Object.values(attempts),
  ];
};
