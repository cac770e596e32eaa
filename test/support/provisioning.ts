import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { encodePem } from '../../src/codec/pem.ts';
import { type Millis, type Stopwatch, systemStopwatch } from '../../src/core/clock.ts';
import type { Decision } from '../../src/core/errors.ts';
import { type Uuid, uuidV4 } from '../../src/core/ids.ts';
import { type Log, silentLog } from '../../src/core/log.ts';
import { seededRandom, systemRandom } from '../../src/core/random.ts';
import { Secret } from '../../src/core/secret.ts';
import { createCsr } from '../../src/pki/csr.ts';
import { createDevelopmentPki, type DevelopmentPki } from '../../src/pki/development.ts';
import { uuidSubject } from '../../src/pki/name.ts';
import type { PeerChain } from '../../src/pki/path.ts';
import type { PeerEvidence, ProvisioningSession } from '../../src/provision/contract.ts';
import { enrollmentGroup, x509Attestation } from '../../src/provision/group.ts';
import { PolicySource } from '../../src/provision/policy.ts';
import type { EntryListener, ProvisionerDeps, TokenSource } from '../../src/provision/ports.ts';
import { createProvisioner, type Provisioner } from '../../src/provision/session.ts';
import { openLevelStore } from '../../src/store/level.ts';
import type { AttemptEntry, EnrollmentGroup, Hub } from '../../src/store/model.ts';
import type { Store } from '../../src/store/store.ts';
import { temporaryFolder } from './temporary-folder.ts';

/** A pipeline on a real store, with a real PKI, ready for sessions. The handshake is left out: its evidence is made here. */
export interface Pipeline {
  readonly pki: DevelopmentPki;
  readonly group: EnrollmentGroup;
  readonly hub: Hub;
  readonly folder: string;
  store: Store;
  provisioner: Provisioner;
  /** A new process over what the old one has left: no clean end for the old one's memory. */
  restart(): Promise<void>;
  /** Writes groups or hubs and makes them count. */
  configure(changes: { readonly groups?: readonly EnrollmentGroup[]; readonly hubs?: readonly Hub[] }): Promise<void>;
  close(): Promise<void>;
}

export interface PipelineOptions {
  readonly tokens?: TokenSource;
  readonly onEntry?: EntryListener;
  readonly stopwatch?: Stopwatch;
  readonly log?: Log;
  /** Stands between the pipeline and its store: faults. */
  readonly wrapStore?: (store: Store) => Store;
  readonly group?: Partial<EnrollmentGroup>;
}

export const testStart: Millis = Date.UTC(2026, 5, 1, 12);

export const testIds = {
  hub: 'd03a1bb4-0a77-428c-b78c-1c46efe6a38e',
  /** UUIDv5(URL, "1"), as the reference service makes it. */
  owner: 'b80c8fef-a677-5340-85fb-2c162d75df03',
  group: '6a0b1b1c-3a5b-4b5e-9a55-0e5c0a1d2e3f',
} as const;

let sharedPki: DevelopmentPki | undefined;

/** Making keys costs more than most tests: one PKI for all of a file. */
function testPki(): DevelopmentPki {
  sharedPki ??= createDevelopmentPki({ devices: 3, hubId: testIds.hub, now: testStart, random: seededRandom(7) });
  return sharedPki;
}

const testTokens: TokenSource = {
  accessToken: async ({ hub, owner, deviceId }) => new Secret(`token-${hub.name}-${owner.name}-${deviceId}`),
};

export function testGroup(pki: DevelopmentPki, changes: Partial<EnrollmentGroup> = {}): EnrollmentGroup {
  const { root } = pki.manufacturer;
  return enrollmentGroup({
    id: testIds.group,
    name: 'example devices',
    owner: { id: testIds.owner, name: '1' },
    attestation: { x509: x509Attestation({ anchors: [encodePem('CERTIFICATE', root.certificate.der)] }) },
    hubs: [pki.hubId],
    ...changes,
  });
}

export const testHub = (changes: Partial<Hub> = {}): Hub => ({
  id: testIds.hub,
  name: 'hub',
  gateways: ['coaps+tcp://hub.example.com:5684', 'coaps+tcp://hub2.example.com:5684'],
  provider: 'plgd.dps',
  authorization: { type: 'built-in' },
  source: 'file',
  ownerId: undefined,
  revision: 0,
  ...changes,
});

export async function openPipeline(options: PipelineOptions = {}): Promise<Pipeline> {
  const pki = testPki();
  const folder = await temporaryFolder();
  const group = testGroup(pki, options.group);
  const hub = testHub();
  const first = await openLevelStore(folder.path);
  await Promise.all([first.groups.put(group), first.hubs.put(hub)]);
  const wrap = options.wrapStore ?? ((store) => store);
  const build = async (store: Store): Promise<Provisioner> => {
    const deps: ProvisionerDeps = {
      store: wrap(store),
      policy: await PolicySource.load(store, silentLog),
      authority: { current: pki.authority },
      tokens: options.tokens ?? testTokens,
      random: systemRandom,
      log: options.log ?? silentLog,
      stopwatch: options.stopwatch ?? systemStopwatch,
      ...(options.onEntry ? { onEntry: options.onEntry } : {}),
    };
    return createProvisioner(deps);
  };
  const pipeline: Pipeline = {
    pki,
    group,
    hub,
    folder: folder.path,
    store: first,
    provisioner: await build(first),
    async restart() {
      await pipeline.store.close();
      pipeline.store = await openLevelStore(folder.path);
      pipeline.provisioner = await build(pipeline.store);
    },
    async configure({ groups = [], hubs = [] }) {
      for (const row of groups) await pipeline.store.groups.put(row);
      for (const row of hubs) await pipeline.store.hubs.put(row);
      await pipeline.provisioner.policy.refresh();
    },
    async close() {
      await pipeline.store.close();
      await folder.remove();
    },
  };
  return pipeline;
}

/** What a handshake with the n-th device of the PKI proves. */
export function deviceEvidence(pki: DevelopmentPki, index = 0, changes: Partial<PeerChain> = {}): PeerEvidence {
  const presented = pki.devices[index]?.chain ?? [];
  const path = [...presented, pki.manufacturer.root.certificate.der];
  return {
    version: 'TLSv1.2',
    cipherSuite: 'ECDHE-ECDSA-AES128-GCM-SHA256',
    chain: { presented, path, errors: [], ...changes },
    pskIdentity: undefined,
    handshakeTime: 12,
  };
}

/** A peer with this chain, DER, leaf first. @param error what the path check has found on the leaf, if anything */
export const chainEvidence = (presented: readonly Uint8Array[], error?: string): PeerEvidence => ({
  version: 'TLSv1.2',
  cipherSuite: 'ECDHE-ECDSA-AES128-GCM-SHA256',
  chain: {
    presented,
    path: presented,
    errors:
      error === undefined ? [] : [{ code: error, depth: 0, text: '', certificate: presented[0] ?? new Uint8Array() }],
  },
  pskIdentity: undefined,
  handshakeTime: 1,
});

export const pskEvidence = (identity: string): PeerEvidence => ({
  version: 'DTLSv1.2',
  cipherSuite: 'PSK-AES128-CCM8',
  chain: undefined,
  pskIdentity: new Uint8Array(Buffer.from(identity)),
  handshakeTime: 8,
});

const clientHello = {
  version: 'TLSv1.2',
  cipherSuites: ['TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256'],
  groups: ['secp256r1'],
  signatureAlgorithms: ['ecdsa_secp256r1_sha256'],
  serverName: undefined,
} as const;

/** A session whose handshake is through. */
export async function openSession(
  { provisioner }: Pick<Pipeline, 'provisioner'>,
  peer: PeerEvidence,
  now: Millis,
): Promise<ProvisioningSession> {
  const session = provisioner.open({ transport: 'coaps+tcp', peer: '192.0.2.1:4711' }, now);
  session.offered(clientHello, now);
  await session.established(peer, now);
  return session;
}

/** The identity a device makes for itself at a factory reset. */
export interface TestDevice {
  readonly deviceId: Uuid;
  readonly key: KeyObject;
  readonly csr: Uint8Array;
}

export function testDevice(seed: number, deviceId: Uuid = uuidV4(seededRandom(seed))): TestDevice {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  return { deviceId, key: privateKey, csr: createCsr({ privateKey, subject: uuidSubject(deviceId) }) };
}

const goodbye = { reason: 'closed-by-peer', bytesIn: 1000, bytesOut: 2000 } as const;

export const endSession = (session: ProvisioningSession, now: Millis): Promise<void> => session.closed(goodbye, now);

/** A whole run as the reference device makes it: one session for the time, another one for the rest. */
export async function provision(
  pipeline: Pick<Pipeline, 'provisioner'>,
  peer: PeerEvidence,
  device: TestDevice,
  now: Millis,
): Promise<readonly Decision<unknown>[]> {
  const first = await openSession(pipeline, peer, now);
  const answers: Decision<unknown>[] = [await first.time(now + 10)];
  await endSession(first, now + 20);
  const second = await openSession(pipeline, peer, now + 30);
  answers.push(await second.ownership(now + 40));
  answers.push(await second.cloud({ deviceId: device.deviceId }, now + 50));
  answers.push(await second.credentials({ deviceId: device.deviceId, csr: device.csr }, now + 60));
  answers.push(await second.acls(now + 70));
  await endSession(second, now + 80);
  return answers;
}

/** The code of a refusal, or 'ok'. */
export const codeOf = (decision: Decision<unknown>): string => (decision.ok ? 'ok' : decision.refusal.code);

/** Entries in short, for comparing: type, and what tells them apart. */
export function inShort(entries: readonly AttemptEntry[]): readonly string[] {
  return entries.map((entry) => {
    switch (entry.type) {
      case 'stage':
        return `${entry.stage} ${entry.result === 'ok' ? (entry.facts.step ?? 'ok') : entry.refusal?.code}`;
      case 'status':
        return `status ${entry.flags}`;
      case 'closed':
        return `closed ${entry.verdict}${entry.refusal ? ` ${entry.refusal.code}` : ''}`;
      default:
        return entry.type;
    }
  });
}
