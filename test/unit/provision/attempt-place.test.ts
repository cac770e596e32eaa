import { afterEach, beforeEach, expect, test } from 'vitest';
import { days, minutes } from '../../../src/core/clock.ts';
import type { AttemptSummary } from '../../../src/store/model.ts';
import {
  deviceEvidence,
  endSession,
  openPipeline,
  openSession,
  type Pipeline,
  provision,
  testDevice,
  testStart,
} from '../../support/provisioning.ts';
import { someUuid } from '../../support/store-records.ts';

let pipeline: Pipeline;
beforeEach(async () => {
  pipeline = await openPipeline();
});
afterEach(() => pipeline.close());

const now = testStart;

const latest = async (): Promise<AttemptSummary | undefined> => (await pipeline.store.attempts({ limit: 1 }))[0];

test('a run that was served is on record under its group and owner, and found by them', async () => {
  await provision(pipeline, deviceEvidence(pipeline.pki), testDevice(1), now);
  const place = { groupId: pipeline.group.id, ownerId: pipeline.group.owner.id };
  expect(await latest()).toMatchObject({ verdict: 'provisioned', ...place });
  expect(await pipeline.store.attemptsBy({ by: 'owner', value: place.ownerId, limit: 9 })).toEqual([await latest()]);
});

test('a device that is refused at the door is under the group it was matched to, for its own owner', async () => {
  await provision(pipeline, deviceEvidence(pipeline.pki), testDevice(1), now);
  const [device] = await pipeline.store.devices({ limit: 1 });
  if (!device) throw new Error('there is no device');
  const owner = { id: someUuid(1), name: 'another' };
  await pipeline.store.putDevice({ ...device, assignedOwner: owner, state: 'disabled' });
  await endSession(await openSession(pipeline, deviceEvidence(pipeline.pki), now + days(1)), now + days(1));
  expect(await latest()).toMatchObject({ verdict: 'refused', groupId: pipeline.group.id, ownerId: owner.id });
});

test('a newcomer that its group refuses is under that group and its owner; a stranger is under none', async () => {
  await pipeline.configure({ groups: [{ ...pipeline.group, enabled: false }] });
  await endSession(await openSession(pipeline, deviceEvidence(pipeline.pki), now), now);
  const place = { groupId: pipeline.group.id, ownerId: pipeline.group.owner.id };
  expect(await latest()).toMatchObject({ refusal: { code: 'admit.group-disabled' }, ...place });
  const stranger = deviceEvidence(pipeline.pki, 1, { path: [] });
  await endSession(await openSession(pipeline, stranger, now + 5), now + 5);
  expect(await latest()).toMatchObject({ verdict: 'refused', groupId: undefined, ownerId: undefined });
});

test('a run that a restart has cut is still known to be of its group when it is given up', async () => {
  const session = await openSession(pipeline, deviceEvidence(pipeline.pki), now);
  await session.time(now + 1);
  await endSession(session, now + 2);
  await pipeline.restart();
  await pipeline.provisioner.restore(now + minutes(60));
  expect(await latest()).toMatchObject({ verdict: 'abandoned', groupId: pipeline.group.id });
});
