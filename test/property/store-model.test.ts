import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openLevelStore } from '../../src/store/level.ts';
import type { Attempt, Credential, Device } from '../../src/store/model.ts';
import type { Store } from '../../src/store/store.ts';
import { attemptId, closed, entry, opened, someCredential, someDevice, someUuid } from '../support/store-records.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

/** A store in thirty lines: what every implementation must amount to. */
class Model {
  readonly devices = new Map<string, Device>();
  readonly claims = new Map<string, string>();
  readonly credentials = new Map<string, Credential>();
  readonly attempts = new Map<string, { keyId: string | undefined; attempt: Attempt }>();

  putDevice(device: Device): Device | undefined {
    if ((this.devices.get(device.keyId)?.revision ?? 0) !== device.revision) return undefined;
    const next = { ...device, revision: device.revision + 1 };
    this.devices.set(device.keyId, next);
    return next;
  }

  claim(deviceId: string, keyId: string): string {
    const owner = this.claims.get(deviceId) ?? keyId;
    this.claims.set(deviceId, owner);
    return owner;
  }

  addCredential(credential: Credential): boolean {
    if (this.credentials.has(credential.serial)) return false;
    this.credentials.set(credential.serial, credential);
    return true;
  }

  append(id: string, count: number, keyId: string | undefined): Attempt['entries'] {
    const old = this.attempts.get(id);
    const at = old?.attempt.entries.length ?? 0;
    const added = Array.from({ length: count }, (_, k) => {
      if (at + k === 0) return opened(0);
      return (at + k) % 4 === 3 ? closed(at + k) : entry(at + k, 'x');
    });
    const entries = [...(old?.attempt.entries ?? []), ...added];
    this.attempts.set(id, { keyId: old?.keyId ?? keyId, attempt: { id, entries } });
    return added;
  }
}

type Step = (store: Store, model: Model) => Promise<void>;

const few = fc.integer({ min: 0, max: 4 });

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(few, fc.integer({ min: 0, max: 3 }), fc.nat(100)).map(
    ([k, revision, flags]): Step =>
      async (store, model) => {
        const device = someDevice(k, { revision, flags });
        expect(await store.putDevice(device)).toEqual(model.putDevice(device));
      },
  ),
  fc.tuple(few, few).map(
    ([id, key]): Step =>
      async (store, model) => {
        expect(await store.claimDeviceId(someUuid(id), someUuid(key))).toBe(model.claim(someUuid(id), someUuid(key)));
      },
  ),
  fc.tuple(fc.nat(9), few).map(
    ([serial, key]): Step =>
      async (store, model) => {
        const credential = someCredential(`a${serial}`, { keyId: someUuid(key), issuedAt: serial });
        expect(await store.addCredential(credential)).toBe(model.addCredential(credential));
      },
  ),
  fc.tuple(few, fc.integer({ min: 1, max: 3 }), fc.option(few, { nil: undefined })).map(
    ([id, count, key]): Step =>
      async (store, model) => {
        const keyId = key === undefined ? undefined : someUuid(key);
        await store.appendAttempt(attemptId(id), model.append(attemptId(id), count, keyId), keyId);
      },
  ),
);

describe('the embedded store and a simple model', () => {
  it('agree on every answer and on what is there at the end, whatever is done in whatever order', async () => {
    const folder = await temporaryFolder();
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(step, fc.boolean()), { maxLength: 40 }), async (steps) => {
        const path = `${folder.path}/${run++}`;
        let store = await openLevelStore(path);
        const model = new Model();
        const open: Promise<void>[] = [];
        for (const [act, waits] of steps) {
          open.push(act(store, model));
          if (waits) await Promise.all(open.splice(0));
        }
        await Promise.all(open);
        await agree(store, model);
        await store.close();
        store = await openLevelStore(path);
        await agree(store, model);
        await store.close();
      }),
      { seed: 20260101, numRuns: 60 },
    );
    await folder.remove();
  });
});

async function agree(store: Store, model: Model): Promise<void> {
  const byId = (a: { keyId: string }, b: { keyId: string }): number => (a.keyId < b.keyId ? -1 : 1);
  expect(await store.devices({ limit: 100 })).toEqual([...model.devices.values()].sort(byId));
  const newest = [...model.attempts.values()].sort((a, b) => (a.attempt.id < b.attempt.id ? 1 : -1));
  expect((await store.attempts({ limit: 100 })).map(({ id, keyId }) => ({ id, keyId }))).toEqual(
    newest.map(({ attempt, keyId }) => ({ id: attempt.id, keyId })),
  );
  for (const { attempt } of newest) expect(await store.attempt(attempt.id)).toEqual(attempt);
  for (let k = 0; k <= 4; k++) {
    const keyId = someUuid(k);
    expect(await store.ownerOfDeviceId(keyId)).toBe(model.claims.get(keyId));
    const own = [...model.credentials.values()].filter((credential) => credential.keyId === keyId);
    expect(await store.credentials(keyId)).toEqual(own.sort((a, b) => a.issuedAt - b.issuedAt));
    const filed = newest.filter((one) => one.keyId === keyId).map(({ attempt }) => attempt.id);
    expect((await store.attempts({ keyId, limit: 100 })).map(({ id }) => id)).toEqual(filed);
  }
}
