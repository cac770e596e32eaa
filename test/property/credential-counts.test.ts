import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { days } from '../../src/core/clock.ts';
import { openLevelStore } from '../../src/store/level.ts';
import { ownerIdOf, type Store } from '../../src/store/store.ts';
import { someCredential, someDevice, someUuid, startOfRecords } from '../support/store-records.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => folder.remove());

const act = fc.record({
  what: fc.constantFrom('put', 'commit', 'add', 'revoke', 'both'),
  device: fc.nat(2),
  serial: fc.nat(9),
  owner: fc.nat(2),
  /** For everything that was begun before it. */
  waits: fc.boolean(),
});

it('every credential is counted for the owner of its device, whatever is done while that goes to another one', async () => {
  let run = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(act, { maxLength: 40 }), async (acts) => {
      const store = await openLevelStore(`${folder.path}/${run++}`, { synced: false });
      for (let k = 0; k <= 2; k++) await store.putDevice(someDevice(k));
      const open: Promise<unknown>[] = [];
      for (const each of acts) {
        open.push(carryOut(store, each));
        if (each.waits) await Promise.all(open.splice(0));
      }
      await Promise.all(open);
      expect((await countsOf(store)).toSorted()).toEqual((await countedAnew(store)).toSorted());
      await store.close();
    }),
    { seed: 20260102, numRuns: 60 },
  );
});

async function carryOut(store: Store, { what, device: k, serial, owner }: Act): Promise<unknown> {
  const found = await store.device(someUuid(k));
  if (!found) throw new Error('no device');
  const device = { ...found, assignedOwner: { id: someUuid(90 + owner), name: 'x' } };
  const credential = someCredential(`a${serial}`, {
    keyId: device.keyId,
    notAfter: startOfRecords + days(serial % 3) + serial,
  });
  if (what === 'put') return store.putDevice(device);
  if (what === 'add') return store.addCredential(credential);
  if (what === 'commit') return store.commit({ devices: [device] });
  if (what === 'both') return store.commit({ devices: [device], newCredentials: [credential] });
  const known = await store.credential(credential.serial);
  return known && store.commit({ credentials: [{ ...known, revoked: { at: 1, reason: 'superseded' } }] });
}

type Act = typeof act extends fc.Arbitrary<infer T> ? T : never;

/** `day owner revoked count` */
async function countsOf(store: Store): Promise<readonly string[]> {
  const both = await Promise.all(
    [false, true].map(async (revoked) => {
      const counts = await store.expiryCounts({ since: 0, until: startOfRecords + days(9), revoked });
      return counts.map(({ day, ownerId, count }) => `${day} ${ownerId} ${revoked} ${count}`);
    }),
  );
  return both.flat();
}

async function countedAnew(store: Store): Promise<readonly string[]> {
  const owners = new Map((await store.devices({ limit: 9 })).map((device) => [device.keyId, ownerIdOf(device)]));
  const counts = new Map<string, number>();
  for (const { keyId, notAfter, revoked } of await store.allCredentials({ limit: 99 })) {
    const day = Math.floor(notAfter / days(1)) * days(1);
    const place = `${day} ${owners.get(keyId)} ${revoked !== undefined}`;
    counts.set(place, (counts.get(place) ?? 0) + 1);
  }
  return [...counts].map(([place, count]) => `${place} ${count}`);
}
