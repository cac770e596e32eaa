import { afterEach, describe, expect, it } from 'vitest';
import { encodePem } from '../../src/codec/pem.ts';
import { utf8 } from '../../src/core/bytes.ts';
import { days, minutes } from '../../src/core/clock.ts';
import { silentLog } from '../../src/core/log.ts';
import { systemRandom } from '../../src/core/random.ts';
import { checkPath } from '../../src/operator/judge.ts';
import { dryRunPolicy } from '../../src/operator/replay.ts';
import { createDevelopmentPki } from '../../src/pki/development.ts';
import { enrollmentGroup, x509Attestation } from '../../src/provision/group.ts';
import { compilePolicy } from '../../src/provision/policy.ts';
import type { EnrollmentGroup, Hub } from '../../src/store/model.ts';
import {
  deviceEvidence,
  endSession,
  openPipeline,
  openSession,
  type Pipeline,
  provision,
  pskEvidence,
  testDevice,
  testHub,
  testIds,
  testStart,
} from '../support/provisioning.ts';

/** What a new policy would do to those who came under the present one. */
let pipeline: Pipeline;
afterEach(() => pipeline.close());

const now = testStart + minutes(10);
const strangers = createDevelopmentPki({ devices: 1, hubId: testIds.hub, now: testStart, random: systemRandom });
const otherHub: Hub = testHub({ id: '11111111-2222-4333-8444-555555555555', name: 'second' });

/** Two devices that were provisioned, and one of another manufacturer that came three times. */
async function history(): Promise<void> {
  pipeline = await openPipeline();
  await pipeline.store.hubs.put(otherHub);
  for (const [index, seed] of [40, 41].entries()) {
    const answers = await provision(pipeline, deviceEvidence(pipeline.pki, index), testDevice(seed), testStart);
    expect(answers.map(({ ok }) => ok)).toEqual([true, true, true, true, true]);
  }
  const presented = strangers.devices[0]?.chain ?? [];
  const chain = checkPath(presented, pipeline.provisioner.policy.current, testStart);
  for (let n = 0; n < 3; n++) {
    const session = pipeline.provisioner.open({ transport: 'coaps', peer: '198.51.100.1:1' }, testStart + n);
    session.handshakeRefused('certificate verify failed', chain, testStart + n);
    await endSession(session, testStart + n + 1);
  }
}

const dryRun = (groups: readonly EnrollmentGroup[], since = testStart - 1) =>
  dryRunPolicy({
    store: pipeline.store,
    policy: compilePolicy(groups, [pipeline.hub, otherHub], silentLog),
    since,
    now,
  });

const withAnchors = (pki: typeof strangers): Partial<EnrollmentGroup> => ({
  attestation: {
    x509: x509Attestation({ anchors: [encodePem('CERTIFICATE', pki.manufacturer.root.certificate.der)] }),
    psk: [],
    pins: [],
  },
});

const lamps = (): EnrollmentGroup => ({
  ...pipeline.group,
  id: testIds.owner,
  name: 'lamps',
  attestation: {
    x509: undefined,
    psk: [{ identity: 'lamp-*', key: 'AAAAAAAAAAAAAAAAAAAAAA==', derived: true }],
    pins: [],
  },
});

describe('a dry run of a policy', () => {
  it('changes nothing when nothing changes', async () => {
    await history();
    expect(await dryRun([pipeline.group])).toMatchObject({ devices: 2, strangers: 1, unchanged: 3, changes: [] });
  });

  it('lists every device that would be refused, with its code and what would help', async () => {
    await history();
    const report = await dryRun([{ ...pipeline.group, deny: [{ by: 'subject', value: '*device-0001' }] }]);
    expect(report).toMatchObject({
      devices: 2,
      unchanged: 2,
      kinds: [{ from: 'accepted', to: 'admit.denied', count: 1 }],
    });
    expect(report.changes).toEqual([
      expect.objectContaining({
        who: 'device',
        changed: expect.arrayContaining(['verdict']),
        from: expect.objectContaining({ verdict: 'accepted', group: 'example devices', hub: 'hub' }),
        to: expect.objectContaining({
          verdict: 'admit.denied',
          stage: 'admit',
          fix: expect.stringContaining('deny list'),
        }),
      }),
    ]);
  });

  it('tells who would come in: a stranger once, however often it came', async () => {
    await history();
    const fresh = enrollmentGroup({
      ...pipeline.group,
      id: testIds.owner,
      name: 'strangers',
      ...withAnchors(strangers),
    } as EnrollmentGroup);
    const { changes, strangers: count } = await dryRun([pipeline.group, fresh]);
    expect(count).toBe(1);
    expect(changes).toEqual([
      expect.objectContaining({
        who: 'stranger',
        proved: false,
        fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/),
        from: expect.objectContaining({ verdict: expect.stringMatching(/^attest\./) }),
        to: expect.objectContaining({ verdict: 'accepted', group: 'strangers' }),
      }),
    ]);
  });

  it('judges nobody by an identity that was only named, or by a certificate whose key the peer has not got', async () => {
    await history();
    const come = (peer: string) => pipeline.provisioner.open({ transport: 'coaps', peer }, testStart + 10);
    const named = come('198.51.100.2:1');
    named.pskNamed(utf8('lamp-1'), true);
    named.handshakeRefused('bad record mac', undefined, testStart + 10);
    await endSession(named, testStart + 11);
    const copied = come('198.51.100.3:1');
    const { chain } = deviceEvidence(pipeline.pki, 0);
    copied.handshakeRefused('bad signature', chain, testStart + 10);
    await endSession(copied, testStart + 11);
    expect(await dryRun([pipeline.group, lamps()])).toMatchObject({ strangers: 1, notJudged: 2, changes: [] });
  });

  it('judges a stranger that has proved its pre-shared key by it', async () => {
    await history();
    const session = await openSession(pipeline, pskEvidence('lamp-1'), testStart + 10);
    await endSession(session, testStart + 11);
    const { changes } = await dryRun([pipeline.group, lamps()]);
    expect(changes).toEqual([expect.objectContaining({ fingerprint: 'psk lamp-1', proved: true })]);
  });

  it('tells a change of owner, of group, of hub and of the kinds of key', async () => {
    await history();
    const { group } = pipeline;
    const ownerChanged = await dryRun([{ ...group, owner: { id: testIds.group, name: 'somebody else' } }]);
    expect(ownerChanged.changes.map(({ changed, to }) => [changed, to.owner])).toEqual([
      [['owner'], 'somebody else'],
      [['owner'], 'somebody else'],
    ]);
    const renamed = await dryRun([{ ...group, name: 'lamps' }]);
    expect(renamed.changes.map(({ changed }) => changed)).toEqual([['group'], ['group']]);
    const moved = await dryRun([{ ...group, hubs: [otherHub.id] }]);
    expect(moved.changes.map(({ changed, to }) => [changed, to.hub])).toEqual([
      [['hub'], 'second'],
      [['hub'], 'second'],
    ]);
    const keys = await dryRun([{ ...group, certificate: { ...group.certificate, keys: ['P-384'] } }]);
    expect(keys.kinds).toEqual([{ from: 'accepted', to: 'csr.key-not-allowed', count: 2 }]);
    const none = await dryRun([]);
    expect(none.kinds[0]?.count).toBe(2);
  });

  it('keeps devices where they are when their group says so, and asks no device that is active for approval', async () => {
    await history();
    const { group } = pipeline;
    const owner = { id: testIds.group, name: 'somebody else' };
    const kept = await dryRun([{ ...group, reprovisioning: 'keep', hubs: [otherHub.id, ...group.hubs], owner }]);
    expect(kept.changes.filter(({ changed }) => changed.includes('hub'))).toEqual([]);
    expect(kept.changes.flatMap(({ to }) => to.owner)).not.toContain('somebody else');
    expect((await dryRun([{ ...group, admission: 'manual' }])).changes).toEqual([]);
  });

  it('looks only as far back as it is told', async () => {
    await history();
    expect(await dryRun([], testStart + days(1))).toMatchObject({ devices: 0, strangers: 0, changes: [] });
  });

  it('goes through many attempts of one device in pages', async () => {
    await history();
    const peer = deviceEvidence(pipeline.pki, 0);
    for (let n = 0; n < 40; n++) {
      const session = await openSession(pipeline, peer, now + n * minutes(6));
      await session.time(now + n * minutes(6) + 1);
      await endSession(session, now + n * minutes(6) + 2);
    }
    await pipeline.provisioner.sweep(now + days(1));
    expect(await dryRun([pipeline.group])).toMatchObject({ devices: 2, strangers: 1, unchanged: 3 });
  });
});
