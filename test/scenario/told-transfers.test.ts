import { afterEach, expect, test } from 'vitest';
import { minutes } from '../../src/core/clock.ts';
import { eventsOfEntry } from '../../src/operator/attempt-events.ts';
import { disableDevice, transferDevice } from '../../src/operator/devices.ts';
import { ownerNamed } from '../../src/provision/owner.ts';
import { bootDevice, manufacturerOf, visit } from '../support/booting.ts';
import { askStep, deviceOf, groupOf, operatorOf, worldWith } from '../support/lifecycle.ts';
import type { World } from '../support/world.ts';

let world: World;
afterEach(() => world.close());

test('what a device asks for after a transfer is told to its new owner alone, in a session that began before too', async () => {
  const owners: (string | undefined)[] = [];
  world = await worldWith(
    {},
    {
      onEntry: (attempt, entry, device) => {
        for (const { ownerId } of eventsOfEntry(attempt, entry, device)) owners.push(ownerId);
      },
    },
  );
  const device = await bootDevice({ world, scheme: 'coaps' });
  await world.run(() => device.online, minutes(5));
  const [seller, buyer] = [(await groupOf(world)).owner, ownerNamed('buyer')];
  const session = await visit({ world, scheme: 'coaps', identity: manufacturerOf(world) });
  await askStep(session, 'ownership');
  expect(owners.at(-1)).toBe(seller.id);
  await transferDevice(operatorOf(world), (await deviceOf(world)).keyId, 'buyer');
  const before = owners.length;
  await askStep(session, 'acls');
  expect(owners.length).toBeGreaterThan(before);
  await transferDevice(operatorOf(world), (await deviceOf(world)).keyId, 'third');
  await disableDevice(operatorOf(world), (await deviceOf(world)).keyId);
  const sold = owners.length;
  expect(await askStep(session, 'acls')).toContain('403');
  expect(new Set(owners.slice(before, sold))).toEqual(new Set([buyer.id]));
  // Refused is told to whom it belongs now, too.
  expect(new Set(owners.slice(sold))).toEqual(new Set([ownerNamed('third').id]));
});
