import { afterEach, describe, expect, test } from 'vitest';
import { limits } from '../../src/core/limits.ts';
import type { Device, GroupPsk } from '../../src/store/model.ts';
import type { Store } from '../../src/store/store.ts';
import {
  codeOf,
  deviceEvidence,
  endSession,
  openPipeline,
  openSession,
  type Pipeline,
  type PipelineOptions,
  pskEvidence,
  testStart,
} from '../support/provisioning.ts';

let pipeline: Pipeline;
afterEach(() => pipeline.close());

const now = testStart;
const key = Buffer.from('0123456789abcdef').toString('base64');
const pattern = (derived: boolean): GroupPsk => ({ identity: 'lamp-*', key, derived });
const withPsk = (psk: readonly GroupPsk[]) => ({ attestation: { x509: undefined, psk, pins: [] } });

const open = async (options: PipelineOptions): Promise<void> => {
  pipeline = await openPipeline(options);
};
const come = async (identity: string, at = now): Promise<string> => {
  const session = await openSession(pipeline, pskEvidence(identity), at);
  const code = codeOf(await session.ownership(at));
  await endSession(session, at);
  return code;
};
const names = async (): Promise<string[]> =>
  (await pipeline.store.devices({ limit: 100 })).map(({ manufacturer }) => manufacturer.subject).toSorted();

describe('a key that many devices share', () => {
  const { newcomerBurst, newcomerInterval } = limits.provision;
  const exhaust = (): void => {
    const { newcomers } = pipeline.provisioner.policy;
    for (let taken = 0; taken < newcomerBurst; taken++) newcomers.take(pipeline.group.id, now);
  };

  test('names new devices at a pace only; those that are known come and go', async () => {
    await open({ group: withPsk([pattern(false)]) });
    expect(await come('lamp-1')).toBe('ok');
    exhaust();
    expect(await come('lamp-2')).toBe('admit.too-many-new');
    expect(await come('lamp-1')).toBe('ok');
    expect(await names()).toEqual(['lamp-1']);
    expect(await come('lamp-2', now + newcomerInterval)).toBe('ok');
    expect(await come('lamp-3', now + newcomerInterval)).toBe('admit.too-many-new');
  });

  test('makes waiting ones at the same pace', async () => {
    await open({ group: { ...withPsk([pattern(false)]), admission: 'manual' } });
    exhaust();
    expect(await come('lamp-1')).toBe('admit.too-many-new');
    expect(await names()).toEqual([]);
    expect(await come('lamp-1', now + newcomerInterval)).toBe('admit.pending');
    expect(await names()).toEqual(['lamp-1']);
  });

  test('names only strangers beyond that: some are on record, the others counted', async () => {
    const { strangersRecorded } = limits.provision;
    await open({ group: withPsk([pattern(false)]) });
    exhaust();
    for (let n = 0; n < strangersRecorded + 5; n++) expect(await come(`lamp-${n}`)).toBe('admit.too-many-new');
    await pipeline.provisioner.sweep(now);
    const attempts = await pipeline.store.attempts({ limit: 100 });
    expect(attempts).toHaveLength(strangersRecorded);
    expect(attempts.every(({ keyId, refusal }) => !keyId && refusal?.code === 'admit.too-many-new')).toBe(true);
    expect(await pipeline.store.refusalCounts(now)).toMatchObject([
      { code: 'admit.too-many-new', count: strangersRecorded + 5, recorded: strangersRecorded },
    ]);
  });

  test('is another thing than one that is derived for each: who has that can name one device', async () => {
    await open({ group: withPsk([pattern(true)]) });
    exhaust();
    expect(await come('lamp-1')).toBe('ok');
  });
});

test('a pattern that has left its group ends the sessions that came by it', async () => {
  await open({ group: withPsk([pattern(false)]) });
  const session = await openSession(pipeline, pskEvidence('lamp-1'), now);
  expect(codeOf(await session.time(now))).toBe('ok');
  await pipeline.configure({
    groups: [{ ...pipeline.group, ...withPsk([{ ...pattern(false), identity: 'pump-*' }]) }],
  });
  expect(codeOf(await session.ownership(now))).toBe('match.no-group');
});

test('an exact identity of another group ends the sessions that came by a pattern: it is another device now', async () => {
  await open({ group: withPsk([pattern(false)]) });
  const session = await openSession(pipeline, pskEvidence('lamp-1'), now);
  const id = '99999999-0000-4000-8000-000000000000';
  const other = { ...pipeline.group, id, ...withPsk([{ identity: 'lamp-1', key, derived: false }]) };
  await pipeline.configure({ groups: [other] });
  expect(codeOf(await session.ownership(now))).toBe('match.no-group');
  expect(await come('lamp-1')).toBe('ok');
  expect(await names()).toEqual(['lamp-1', 'lamp-1']);
});

describe('what happens while a device is being decided on', () => {
  /** Somebody else writes just before the first write of the device's record. */
  const interrupted =
    (change: (device: Device) => Device) =>
    (store: Store): Store => {
      let done = false;
      return new Proxy(store, {
        get: (target, name) => {
          if (name !== 'putDevice') {
            const value: unknown = Reflect.get(target, name);
            return typeof value === 'function' ? value.bind(target) : value;
          }
          return async (device: Device) => {
            const present = await target.device(device.keyId);
            if (!done && device.revision > 0 && present) {
              done = true;
              await target.putDevice(change(present));
            }
            return target.putDevice(device);
          };
        },
      });
    };

  test('counts: one that is held meanwhile does not come in', async () => {
    const held = (device: Device): Device => ({ ...device, state: 'quarantined', stateReason: 'just now' });
    await open({ group: { admission: 'manual' }, wrapStore: interrupted(held) });
    const first = await openSession(pipeline, deviceEvidence(pipeline.pki), now);
    expect(codeOf(await first.time(now))).toBe('admit.pending');
    await endSession(first, now);
    await pipeline.configure({ groups: [{ ...pipeline.group, admission: 'auto' }] });
    const second = await openSession(pipeline, deviceEvidence(pipeline.pki), now + 10);
    expect(await second.time(now + 10)).toMatchObject({
      refusal: { code: 'admit.quarantined', evidence: { reason: 'just now' } },
    });
    const [device] = await pipeline.store.devices({ limit: 1 });
    expect(device).toMatchObject({ state: 'quarantined', stateReason: 'just now' });
  });

  test('counts: one that is approved meanwhile comes in', async () => {
    const approved = (device: Device): Device => ({ ...device, state: 'active' });
    await open({ group: { admission: 'manual' }, wrapStore: interrupted(approved) });
    const first = await openSession(pipeline, deviceEvidence(pipeline.pki), now);
    await endSession(first, now);
    const second = await openSession(pipeline, deviceEvidence(pipeline.pki), now + 10);
    expect(codeOf(await second.time(now + 10))).toBe('ok');
  });
});

test('a device that waits is written down once, with each try where and when it was last seen', async () => {
  await open({ group: { admission: 'manual' } });
  for (const at of [now, now + 60_000, now + 120_000])
    await endSession(await openSession(pipeline, deviceEvidence(pipeline.pki), at), at);
  const devices = await pipeline.store.devices({ limit: 10 });
  expect(devices).toMatchObject([
    { state: 'pending', createdAt: now, stateSince: now, lastSeenAt: now + 120_000, lastPeer: '192.0.2.1:4711' },
  ]);
  const attempts = await pipeline.store.attempts({ limit: 10 });
  expect(attempts.map(({ verdict, refusal }) => [verdict, refusal?.code])).toEqual(
    Array(3).fill(['refused', 'admit.pending']),
  );
  expect(attempts[0]?.refusal?.evidence).toMatchObject({ firstSeen: '2026-06-01T12:00:00.000Z', admission: 'manual' });
});
