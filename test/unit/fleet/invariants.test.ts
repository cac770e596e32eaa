import { describe, expect, it } from 'vitest';
import { encodeCertificates } from '../../../src/codec/pem.ts';
import { days } from '../../../src/core/clock.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { createDevelopmentPki } from '../../../src/development.ts';
import type { DeviceState } from '../../../src/device/state.ts';
import type { DeviceFindings } from '../../../src/fleet/device.ts';
import { type Finding, judge } from '../../../src/fleet/invariants.ts';
import { populate } from '../../../src/fleet/population.ts';
import type { Part } from '../../../src/fleet/scenario.ts';
import type { RecordedCredential, ServiceRecords } from '../../../src/fleet/site.ts';
import { parseCertificate } from '../../../src/pki/certificate.ts';
import { partOf, scenarioOf } from '../../support/fleet.ts';

const now = Date.UTC(2026, 5, 1);
const pki = createDevelopmentPki({ devices: 2, now });
const keyId = '6d0c5c0e-7a4b-4d0b-9a57-3f1e0b2c8d11';
const deviceIds = ['a0000000-0000-4000-8000-000000000000', 'b0000000-0000-4000-8000-000000000000'] as const;
const chainOf = (at: number): readonly Uint8Array[] => pki.devices[at]?.chain ?? [];
const serialOf = (at: number): string => parseCertificate(chainOf(at)[0] ?? new Uint8Array()).serial;

const stateOf = (at: 0 | 1): DeviceState => ({
  deviceId: deviceIds[at],
  key: pki.devices[0].privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  endpoints: [{ uri: 'coaps://service' }],
  selected: 0,
  credentials: { trustAnchors: [], identity: encodeCertificates(chainOf(at)), validFrom: 0, validTo: now, psks: [] },
});

function findingOf(at: 0 | 1, findings: Partial<DeviceFindings>, part: Part = partOf()): Finding {
  const [member] = populate(scenarioOf({ devices: 1, population: [part] }), { udp: true, tcp: true });
  if (!member) throw new Error('nobody');
  const name = `device ${at}`;
  const cost = {
    bytesOut: 0,
    bytesIn: 0,
    datagramsOut: 0,
    datagramsIn: 0,
    roundTrips: 0,
    retransmissions: 0,
    sessions: 0,
  };
  const counts = { provisioned: 1, renewed: 0, resets: 0, powerCuts: 0 };
  return {
    member: { ...member, name },
    outcome: {
      name,
      part: '',
      transport: 'udp',
      expect: part.expect,
      bootedAt: 0,
      arrivedAfter: 1,
      arrivedAt: 1,
      cost,
      ...counts,
    },
    findings: {
      keyId,
      state: stateOf(at),
      serials: [serialOf(at)],
      present: true,
      clock: now,
      trace: ['boot'],
      ...findings,
    },
  };
}

const credentialOf = (at: 0 | 1, generation: number): RecordedCredential => ({
  serial: serialOf(at),
  keyId,
  deviceId: deviceIds[at],
  generation,
  notAfter: now + days(1),
});

const judged = async (findings: readonly Finding[], records: ServiceRecords): Promise<string[]> => {
  const evidence = { scenario: scenarioOf(), now, records, random: seededRandom(1) };
  const { violations } = await judge(findings, evidence);
  return violations.map(({ rule, device, found }) => `${rule} ${device}: ${found}`);
};

describe('the invariants of a run', () => {
  const bound = { keyId, deviceId: deviceIds[0], generation: 1 };
  const good: ServiceRecords = { devices: [bound], credentials: [credentialOf(0, 1)] };

  it('hold for a device that has what the service says it has', async () => {
    expect(await judged([findingOf(0, {})], good)).toEqual([]);
  });

  it('a device whose stored key is no key is bricked, and so is one that wants nothing of the world', async () => {
    const [broken] = await judged([findingOf(0, { state: { ...stateOf(0), key: 'damaged' } })], good);
    expect(broken).toMatch(/^bricked device 0: switched on again it fails/);
    const [idle] = await judged([findingOf(0, { state: { ...stateOf(0), endpoints: [] } })], good);
    expect(idle).toMatch(/^bricked device 0: switched on again it does nothing; its status is uninitialized/);
  });

  it('two devices must not both hold live certificates of one key', async () => {
    const both: ServiceRecords = { devices: [bound], credentials: [credentialOf(0, 1), { ...credentialOf(1, 1) }] };
    const found = await judged([findingOf(0, {}), findingOf(1, {})], both);
    expect(found).toContain(
      'two-identities device 0: device 0 and device 1 hold live certificates of one manufacturer key',
    );
  });

  it('what belongs to an earlier generation, or has expired, is not live', async () => {
    const later = { ...bound, deviceId: deviceIds[1], generation: 2 };
    const taken: ServiceRecords = { devices: [later], credentials: [credentialOf(0, 1), credentialOf(1, 2)] };
    expect(await judged([findingOf(0, {}), findingOf(1, {})], taken)).toEqual([]);
    const old = { ...credentialOf(1, 1), notAfter: now - 1 };
    expect(await judged([findingOf(0, {})], { ...good, credentials: [credentialOf(0, 1), old] })).toEqual([]);
  });

  it('who was to be refused must have nothing, on neither side', async () => {
    const refused = partOf({ expect: 'refused' });
    const found = await judged([findingOf(0, { present: false }, refused)], good);
    expect(found).toEqual([
      'refused-identity device 0: it was to be refused, and holds an identity certificate',
      'refused-identity device 0: it was to be refused, and has certificates on record: 1',
    ]);
    const nothing = { present: false, state: undefined, serials: [] };
    expect(await judged([findingOf(0, nothing, refused)], { devices: [], credentials: [] })).toEqual([]);
  });
});
