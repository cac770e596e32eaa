import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { days, minutes } from '../../src/core/clock.ts';
import { limits } from '../../src/core/limits.ts';
import { auditFault, auditStart } from '../../src/store/audit.ts';
import { deviceHasText } from '../../src/store/device-texts.ts';
import { openLevelStore } from '../../src/store/level.ts';
import type { AccessEntry, Attempt, AuditEntry, Credential, Device } from '../../src/store/model.ts';
import { accessKey, type DeviceFacet, type Store, type StoreChanges } from '../../src/store/store.ts';
import {
  attemptId,
  closed,
  entry,
  opened,
  someCredential,
  someDevice,
  someUuid,
  startOfRecords,
} from '../support/store-records.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

/** A store in a few lines: what every implementation must amount to. */
class Model {
  readonly devices = new Map<string, Device>();
  readonly claims = new Map<string, string>();
  readonly credentials = new Map<string, Credential>();
  /** Whom each is counted for, by serial. */
  readonly owners = new Map<string, string | undefined>();
  readonly access = new Map<string, AccessEntry>();
  readonly actions: string[] = [];
  /** Seqs of lines that an event tells of. */
  readonly told = new Set<number>();
  readonly attempts = new Map<string, { keyId: string | undefined; attempt: Attempt }>();
  readonly closed = new Map<string, Extract<Attempt['entries'][number], { type: 'closed' }>>();

  putDevice(device: Device): Device | undefined {
    if ((this.devices.get(device.keyId)?.revision ?? 0) !== device.revision) return undefined;
    const next = { ...device, revision: device.revision + 1 };
    const own = [...this.credentials.values()].filter(({ keyId }) => keyId === device.keyId);
    // Who comes on record is not counted for what was added before.
    if (this.moves(device)) for (const { serial } of own) this.owners.set(serial, facetOf.owner(device));
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
    this.owners.set(credential.serial, this.ownerOf(credential.keyId));
    return true;
  }

  /** Whether it goes to another owner with this. */
  moves(device: Device): boolean {
    const ownerId = this.ownerOf(device.keyId);
    return ownerId !== undefined && ownerId !== facetOf.owner(device);
  }

  private ownerOf(keyId: string): string | undefined {
    const device = this.devices.get(keyId);
    return device && facetOf.owner(device);
  }

  commit(changes: Changes): boolean {
    const { devices, newCredentials, credentials, access, deletedAccess, audit } = changes;
    const fits =
      devices.every(({ keyId, revision }) => (this.devices.get(keyId)?.revision ?? 0) === revision) &&
      newCredentials.every(({ serial }) => !this.credentials.has(serial)) &&
      credentials.every(({ serial, revoked }) => {
        const known = this.credentials.get(serial);
        const isFinal = known?.revoked !== undefined && known.revoked.reason !== 'certificateHold';
        return known && (!isFinal || (revoked && revoked.reason !== 'certificateHold'));
      });
    if (!fits) return false;
    for (const device of devices) this.putDevice(device);
    for (const credential of newCredentials) this.addCredential(credential);
    for (const credential of credentials) this.credentials.set(credential.serial, credential);
    for (const one of access) this.access.set(accessKey(one.list, one.device), one);
    for (const one of deletedAccess) this.access.delete(accessKey(one.list, one.device));
    this.actions.push(audit.action);
    return true;
  }

  append(id: string, count: number, keyId: string | undefined): Attempt['entries'] {
    const old = this.attempts.get(id);
    const at = old?.attempt.entries.length ?? 0;
    const added = Array.from({ length: count }, (_, k) => {
      if (at + k === 0) return opened(0);
      return (at + k) % 4 === 3 ? closedIn(at + k) : entry(at + k, 'x');
    });
    const entries = [...(old?.attempt.entries ?? []), ...added];
    this.attempts.set(id, { keyId: old?.keyId ?? keyId, attempt: { id, entries } });
    const last = added.at(-1);
    if (last?.type === 'closed') this.closed.set(id, last);
    return added;
  }

  /** Attempts that were opened before the first `count` milliseconds are over. */
  prune(count: number): void {
    for (let k = 0; k < count; k++) {
      this.attempts.delete(attemptId(k));
      this.closed.delete(attemptId(k));
    }
  }
}

/** A verdict and a group that differ from one time to another. */
const closedIn = (at: number): ReturnType<typeof closed> =>
  at % 8 === 3
    ? closed(at)
    : { at, type: 'closed', verdict: 'renewed', bytesIn: 0, bytesOut: 0, groupId: someUuid(at) };

type Changes = Required<
  Pick<StoreChanges, 'devices' | 'newCredentials' | 'credentials' | 'access' | 'deletedAccess' | 'audit'>
>;

interface Step {
  /** Devices that it writes. */
  readonly devices?: readonly Device[];
  /** Store and model decide before it waits for anything; but for devices that go to another owner. */
  readonly act: (store: Store, model: Model) => Promise<void>;
}

/** What the store says, and what it should say. */
const same = async (told: Promise<unknown>, expected: unknown): Promise<void> => expect(await told).toEqual(expected);

const few = fc.integer({ min: 0, max: 4 });

const groupId = someUuid(77);

/** What the indexes and counters go by. */
const kind: fc.Arbitrary<Partial<Device>> = fc.record({
  state: fc.constantFrom('active', 'pending', 'disabled'),
  groupId: fc.constantFrom(someUuid(71), someUuid(72)),
  hubId: fc.constantFrom(someUuid(73), undefined),
  assignedOwner: fc.constantFrom({ id: someUuid(74), name: 'x' }, undefined),
  alarms: fc.constantFrom([], [{ at: 1, kind: 'two-places', evidence: {} }]),
  lastSeenAt: fc.option(
    fc.nat(3).map((minute) => startOfRecords + minutes(minute)),
    { nil: undefined },
  ),
  createdAt: fc.nat(3),
  lastPeer: fc.constantFrom('elsewhere', undefined),
});

const listed: fc.Arbitrary<AccessEntry> = fc
  .tuple(fc.constantFrom('allow', 'deny'), fc.constantFrom('a', 'a*', '*', '*a', 'b*', '!*"'), fc.nat(9))
  .map(([list, value, addedAt]) => ({
    groupId,
    list,
    device: { by: 'subject', value },
    note: undefined,
    addedAt,
  }));

const reasons = ['certificateHold', 'superseded', undefined] as const;

const changes: fc.Arbitrary<Changes> = fc
  .record({
    device: fc.option(fc.tuple(few, fc.integer({ min: 0, max: 3 }), kind), { nil: undefined }),
    added: fc.option(fc.nat(9), { nil: undefined }),
    changed: fc.option(fc.tuple(fc.nat(9), fc.constantFrom(...reasons)), { nil: undefined }),
    access: fc.array(listed, { maxLength: 3 }),
    deletedAccess: fc.array(listed, { maxLength: 2 }),
    action: fc.string(),
  })
  .map(({ device, added, changed, access, deletedAccess, action }) => ({
    devices: device ? [someDevice(device[0], { ...device[2], revision: device[1] })] : [],
    newCredentials: added === undefined ? [] : [credentialOf(added, added % 5, undefined)],
    credentials: changed ? [credentialOf(changed[0], changed[0] % 5, changed[1])] : [],
    access,
    deletedAccess,
    audit: { at: 1, actor: { kind: 'operator', name: 'kim', from: 'host' }, action, target: 't', detail: {} },
  }));

const credentialOf = (serial: number, key: number, reason: (typeof reasons)[number]): Credential =>
  someCredential(`a${serial}`, {
    keyId: someUuid(key),
    issuedAt: serial,
    notAfter: startOfRecords + days(serial % 3) + serial,
    ...(reason && { revoked: { at: 1, reason } }),
  });

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(few, fc.integer({ min: 0, max: 3 }), kind).map(([k, revision, facts]): Step => {
    const device = someDevice(k, { ...facts, revision });
    return { devices: [device], act: (store, model) => same(store.putDevice(device), model.putDevice(device)) };
  }),
  fc.tuple(few, few).map(([k, key]): Step => {
    const [id, keyId] = [someUuid(k), someUuid(key)];
    return { act: (store, model) => same(store.claimDeviceId(id, keyId), model.claim(id, keyId)) };
  }),
  fc.tuple(fc.nat(9), few).map(([serial, key]): Step => {
    const credential = credentialOf(serial, key, undefined);
    return { act: (store, model) => same(store.addCredential(credential), model.addCredential(credential)) };
  }),
  changes.map(
    (some): Step => ({
      devices: some.devices,
      act: (store, model) => same(store.commit(some), model.commit(some)),
    }),
  ),
  fc.integer({ min: 1, max: 6 }).map(
    (seq): Step => ({
      act: async (store, model) => {
        // What is not there cannot be told of.
        if (seq > model.actions.length) return;
        model.told.add(seq);
        await store.appendEvents([{ id: `1-${seq}`, at: 1, type: 'x', ownerId: undefined, data: {} }], [seq]);
      },
    }),
  ),
  fc.tuple(few, fc.integer({ min: 1, max: 3 }), fc.option(few, { nil: undefined })).map(
    ([id, count, key]): Step => ({
      act: async (store, model) => {
        const keyId = key === undefined ? undefined : someUuid(key);
        await store.appendAttempt(attemptId(id), model.append(attemptId(id), count, keyId), keyId);
      },
    }),
  ),
);

describe('the embedded store and a simple model', () => {
  it('agree on every answer and on what is there at the end, whatever is done in whatever order', async () => {
    const folder = await temporaryFolder();
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(step, fc.boolean()), { maxLength: 40 }), few, async (steps, old) => {
        const path = `${folder.path}/${run++}`;
        let store = await openLevelStore(path);
        const model = new Model();
        const open: Promise<void>[] = [];
        for (const [{ devices = [], act }, waits] of steps) {
          const moves = devices.some((device) => model.moves(device));
          if (moves) await Promise.all(open.splice(0));
          open.push(act(store, model));
          if (moves || waits) await Promise.all(open.splice(0));
        }
        await Promise.all(open);
        await agree(store, model);
        await store.prune(startOfRecords + old + limits.store.attemptAge);
        model.prune(old);
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
  const devices = [...model.devices.values()].sort(byId);
  expect(await store.devices({ limit: 100 })).toEqual(devices);
  await agreeOnDevices(store, devices);
  await agreeOnExpiry(store, model);
  const untold = await store.untoldAudit({ limit: 100 });
  expect(untold.map(({ entry: { seq, action } }) => [seq, action])).toEqual(
    model.actions.map((action, k) => [k + 1, action]).filter((_, k) => !model.told.has(k + 1)),
  );
  const live = [...model.credentials.values()].sort((a, b) => (a.serial < b.serial ? -1 : 1));
  expect(await store.allCredentials({ limit: 100 })).toEqual(live);
  expect(await store.revoked('a1b2', 0)).toEqual(live.filter(({ revoked }) => revoked));
  await agreeOnAccess(store, [...model.access.values()]);
  const lines = await store.audit({ limit: 100 });
  expect(lines.map(({ action }) => action)).toEqual(model.actions);
  lines.reduce<Pick<AuditEntry, 'seq' | 'hash'>>((before, line) => {
    expect(auditFault(before, line)).toBeUndefined();
    return line;
  }, auditStart);
  const newest = [...model.attempts.values()].sort((a, b) => (a.attempt.id < b.attempt.id ? 1 : -1));
  expect((await store.attempts({ limit: 100 })).map(({ id, keyId }) => ({ id, keyId }))).toEqual(
    newest.map(({ attempt, keyId }) => ({ id: attempt.id, keyId })),
  );
  for (const { attempt } of newest) expect(await store.attempt(attempt.id)).toEqual(attempt);
  for (const verdict of ['refused', 'renewed'] as const) {
    const own = newest.filter(({ attempt }) => model.closed.get(attempt.id)?.verdict === verdict);
    const found = await store.attemptsBy({ by: 'verdict', value: verdict, limit: 100 });
    expect(found.map(({ id }) => id)).toEqual(own.map(({ attempt }) => attempt.id));
    for (const { id, groupId: group, verdict: told } of found) {
      expect([told, group]).toEqual([verdict, model.closed.get(id)?.groupId]);
      if (group === undefined) continue;
      expect((await store.attemptsBy({ by: 'group', value: group, limit: 100 })).map((one) => one.id)).toContain(id);
    }
  }
  for (let k = 0; k <= 4; k++) {
    const keyId = someUuid(k);
    expect(await store.ownerOfDeviceId(keyId)).toBe(model.claims.get(keyId));
    const own = [...model.credentials.values()].filter((credential) => credential.keyId === keyId);
    expect(await store.credentials(keyId)).toEqual(own.sort((a, b) => a.issuedAt - b.issuedAt));
    const filed = newest.filter((one) => one.keyId === keyId).map(({ attempt }) => attempt.id);
    expect((await store.attempts({ keyId, limit: 100 })).map(({ id }) => id)).toEqual(filed);
  }
}

async function agreeOnDevices(store: Store, devices: readonly Device[]): Promise<void> {
  for (const [by, of] of Object.entries(facetOf) as [DeviceFacet, (device: Device) => string | undefined][]) {
    for (const value of new Set(['active', 'pending', 'disabled', ...devices.flatMap((one) => of(one) ?? [])])) {
      const own = devices.filter((device) => of(device) === value);
      expect(await store.devicesBy({ by, value, limit: 100 })).toEqual(own);
    }
  }
  for (const text of ['device 1', 'CN=', 'elsewhere', '5']) {
    const own = devices.filter((device) => deviceHasText(device, text.toLowerCase())).map(({ keyId }) => keyId);
    expect(await store.keyIdsByText({ text, limit: 100 })).toEqual(own);
  }
  const counts = await store.deviceCounts();
  expect(counts.reduce((sum, { count }) => sum + count, 0)).toBe(devices.length);
  for (const { count, ...kindOf } of counts) {
    const own = devices.filter(
      (one) =>
        one.groupId === kindOf.groupId &&
        facetOf.owner(one) === kindOf.ownerId &&
        one.state === kindOf.state &&
        one.hubId === kindOf.hubId &&
        one.alarms.length > 0 === kindOf.alarms,
    );
    expect(own).toHaveLength(count);
    expect(count).toBeGreaterThan(0);
  }
  const newest = (time: (device: Device) => number) =>
    devices.toSorted((a, b) => time(b) - time(a) || (a.keyId < b.keyId ? 1 : -1));
  const byTime = async (by: 'seen' | 'created') =>
    (await store.devicesByTime({ by, limit: 100 })).map(({ device }) => device);
  expect(await byTime('created')).toEqual(newest(({ createdAt }) => createdAt));
  const seen = newest(({ lastSeenAt }) => lastSeenAt ?? 0).filter(({ lastSeenAt }) => lastSeenAt !== undefined);
  expect(await byTime('seen')).toEqual(seen);
}

const facetOf = {
  owner: ({ assignedOwner, ownerId }: Device) => assignedOwner?.id ?? ownerId,
  group: (device: Device) => device.groupId,
  state: (device: Device) => device.state,
  hub: (device: Device) => device.hubId,
  alarms: ({ alarms }: Device) => (alarms.length > 0 ? 'open' : undefined),
} as const;

async function agreeOnExpiry(store: Store, { credentials, owners }: Model): Promise<void> {
  const all = [...credentials.values()];
  const alive = all.filter(({ revoked }) => revoked === undefined);
  const inOrder = alive.toSorted((a, b) => a.notAfter - b.notAfter || (a.serial < b.serial ? -1 : 1));
  const listed = await store.credentialsByEnd({ since: 0, limit: 100 });
  expect(listed.map(({ credential }) => credential)).toEqual(inOrder);
  for (const revoked of [false, true]) {
    const expected = new Map<string, number>();
    for (const { notAfter, serial } of all.filter((one) => (one.revoked !== undefined) === revoked)) {
      const place = `${Math.floor(notAfter / days(1)) * days(1)} ${owners.get(serial)}`;
      expected.set(place, (expected.get(place) ?? 0) + 1);
    }
    const counts = await store.expiryCounts({ since: 0, until: startOfRecords + days(9), revoked });
    const counted = counts.map(({ day, ownerId, count }) => [`${day} ${ownerId}`, count] as const);
    expect(counted.toSorted()).toEqual([...expected].toSorted());
  }
}

async function agreeOnAccess(store: Store, entries: readonly AccessEntry[]): Promise<void> {
  const key = ({ list, device }: AccessEntry): string => accessKey(list, device);
  const inOrder = entries.toSorted((a, b) => (key(a) < key(b) ? -1 : 1));
  expect(await store.access({ groupId, limit: 100 })).toEqual(inOrder);
  for (const list of ['allow', 'deny'] as const) {
    const own = inOrder.filter((one) => one.list === list);
    expect(await store.hasAccess(groupId, list)).toBe(own.length > 0);
    for (const subject of ['', 'a', 'aba', 'ba', '!x"', 'c']) {
      const fitting = own.filter(({ device }) => fits(device.value, subject));
      const exact = fitting.find(({ device }) => device.value === subject);
      const found = await store.findAccess(groupId, list, { keyId: someUuid(1), serial: undefined, subject });
      expect(found).toEqual(exact ?? fitting[0]);
    }
  }
}

const fits = (pattern: string, text: string): boolean =>
  new RegExp(`^${pattern.replaceAll('*', '.*')}$`, 's').test(text);
