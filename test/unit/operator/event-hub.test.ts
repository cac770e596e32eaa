import { afterEach, beforeEach, expect, test } from 'vitest';
import { encodePem } from '../../../src/codec/pem.ts';
import { systemTimers } from '../../../src/core/clock.ts';
import { failure } from '../../../src/core/errors.ts';
import { limits } from '../../../src/core/limits.ts';
import type { Log } from '../../../src/core/log.ts';
import { createDevelopmentPki } from '../../../src/development.ts';
import { EventHub } from '../../../src/operator/event-hub.ts';
import type { EventReader } from '../../../src/operator/event-reader.ts';
import { parseCertificate } from '../../../src/pki/certificate.ts';
import { openLevelStore } from '../../../src/store/level.ts';
import type { Store } from '../../../src/store/store.ts';
import { someDevice, someUuid } from '../../support/store-records.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let store: Store;
let hub: EventHub;
const said: string[] = [];
const note = (_: unknown, text: string): void => void said.push(text);
const log: Log = { debug: note, info: note, warn: note, error: note };

const open = async (held?: number): Promise<void> => {
  store = await openLevelStore(folder.path, { synced: false });
  hub = new EventHub({ store, timers: systemTimers, log, ...(held !== undefined && { held }) });
};
const close = async (): Promise<void> => {
  await hub.close();
  await store.close();
};

beforeEach(async () => {
  folder = await temporaryFolder();
  said.length = 0;
  await open();
});

afterEach(async () => {
  await close();
  await folder.remove();
});

/** The next `count` events, as `id type`. */
async function take(reader: EventReader, count: number): Promise<readonly string[]> {
  const found: string[] = [];
  while (found.length < count) {
    const reading = await reader.next();
    if (reading.kind === 'events') found.push(...reading.events.map(({ id, type }) => `${id} ${type}`));
    else return [...found, reading.kind === 'lost' ? `lost ${reading.oldest}` : reading.why];
  }
  return found;
}

const tellMany = (count: number, type = 'a'): void => {
  for (let k = 0; k < count; k++) hub.tell(type, { k });
};

test('events are numbered without gaps, and a reader gets what is stored and what happens with no seam', async () => {
  tellMany(700);
  const late = hub.since('1-690');
  const all = hub.since('');
  setTimeout(() => tellMany(50, 'b'), 5);
  expect(await take(late, 60)).toEqual([
    ...Array.from({ length: 10 }, (_, k) => `1-${691 + k} a`),
    ...Array.from({ length: 50 }, (_, k) => `1-${701 + k} b`),
  ]);
  expect((await take(all, 750)).map((line) => line.split(' ')[0])).toEqual(
    Array.from({ length: 750 }, (_, k) => `1-${k + 1}`),
  );
});

test('a reader goes on over a restart: the next epoch follows, and events that were told last are stored', async () => {
  tellMany(3);
  await close();
  await open();
  hub.tell('c', {});
  expect(await take(hub.since('1-2'), 2)).toEqual(['1-3 a', '2-1 c']);
  expect(hub.last).toBe('2-1');
  expect(await take(hub.since(''), 4)).toEqual(['1-1 a', '1-2 a', '1-3 a', '2-1 c']);
});

test('a reader without a place hears what happens from then on', async () => {
  tellMany(2);
  const reader = hub.since(undefined);
  hub.tell('b', {});
  expect(await take(reader, 1)).toEqual(['1-3 b']);
});

test('owners hear of their own, and types are asked for whole or by how they begin', async () => {
  const [mine, other] = [someUuid(1), someUuid(2)];
  const own = hub.since('', { ownerId: mine });
  const devices = hub.since('', { types: ['device', 'attempt.closed'] });
  hub.tell('device.pending', {}, mine);
  hub.tell('device.pending', {}, other);
  hub.tell('devices', {});
  hub.tell('attempt.closed', {});
  hub.tell('attempt.closedness', {}, mine);
  expect(await take(own, 2)).toEqual(['1-1 device.pending', '1-5 attempt.closedness']);
  expect(await take(devices, 3)).toEqual(['1-1 device.pending', '1-2 device.pending', '1-4 attempt.closed']);
});

test('whoever asks for what is not kept any more is told so, with the oldest that is', async () => {
  tellMany(3);
  await close();
  await open();
  tellMany(5);
  for (const strange of ['2-6', '7-1']) {
    expect(await take(hub.since(strange), 2)).toEqual(['lost 1-1']);
    const reader = hub.since(strange);
    await reader.next();
    expect((await take(reader, 8))[0]).toBe('1-1 a');
  }
  expect(() => hub.since('tomorrow')).toThrow(RangeError);
});

test('whoever comes back to an epoch whose last events made room is told so, and whoever had them all is not', async () => {
  await close();
  await open();
  const store3 = { ...store, removedEvent: async () => '1-3' };
  hub = new EventHub({ store: store3, timers: systemTimers, log });
  tellMany(2);
  expect(await take(hub.since('1-2'), 1)).toEqual(['lost 2-1']);
  expect(await take(hub.since('1-3'), 2)).toEqual(['2-1 a', '2-2 a']);
  expect(await take(hub.since(''), 2)).toEqual(['2-1 a', '2-2 a']);
  await hub.settled();
});

test('events are read backwards from the last one or in front of any, at hand or stored, with no seam', async () => {
  await close();
  await open(100);
  tellMany(90);
  await hub.settled();
  tellMany(60);
  const back = async (before: string | undefined, limit: number) =>
    (await hub.back(before, limit)).map(({ id }) => Number(id.slice(2)));
  expect(await back(undefined, 2)).toEqual([150, 149]);
  expect(await back('2-149', 2)).toEqual([148, 147]);
  const all: number[] = [];
  for (let before: string | undefined; ; ) {
    const page = await back(before, 40);
    if (page.length === 0) break;
    all.push(...page);
    before = `2-${page.at(-1)}`;
  }
  expect(all).toEqual(Array.from({ length: 150 }, (_, k) => 150 - k));
  for (const strange of ['2-999', '7-1']) expect(await back(strange, 1)).toEqual([150]);
  expect(await back('2-1', 9)).toEqual([]);
  await expect(hub.back('tomorrow', 1)).rejects.toThrow(RangeError);
});

test('while the store is away events are told from memory; those that fall out of it are lost, and that is said', async () => {
  await close();
  await open(100);
  let away = true;
  const append = store.appendEvents;
  const events: Store['appendEvents'] = async (lot) => {
    if (away) throw failure('service.store', {}, 'wait');
    return append(lot);
  };
  hub = new EventHub({ store: { ...store, appendEvents: events }, timers: systemTimers, log, held: 100 });
  const live = hub.since(undefined);
  const gone = hub.since(undefined);
  tellMany(60);
  expect(await take(live, 60)).toHaveLength(60);
  tellMany(90);
  expect(await take(live, 90)).toHaveLength(90);
  await expect.poll(() => said).toContain('events could not be written, trying again');
  away = false;
  await expect
    .poll(async () => (await store.events({ limit: 999 })).map(({ id }) => id))
    .toEqual(Array.from({ length: 100 }, (_, k) => `2-${51 + k}`));
  expect(said).toContain('events are lost: the store has been away for too long');
  expect(await take(gone, 1)).toEqual(['lost 2-51']);
  expect((await take(gone, 100))[0]).toBe('2-51 a');
});

test('a reader that has kept up and then falls too far behind is let go; a patient one comes back from the store', async () => {
  await close();
  await open(limits.api.eventBacklog);
  const { eventBacklog } = limits.api;
  const slow = hub.since(undefined);
  const patient = hub.since(undefined, { patient: true });
  const first = [slow.next(), patient.next()];
  tellMany(eventBacklog);
  for (const reading of await Promise.all(first)) expect(reading.kind).toBe('events');
  hub.tell('b', {});
  // What has fallen out of memory before it was written would be lost.
  await expect.poll(async () => (await store.events({ limit: 9999 })).at(-1)?.id).toBe(hub.last);
  expect((await slow.next()).kind).toBe('events');
  tellMany(eventBacklog);
  expect(await slow.next()).toEqual({ kind: 'end', why: 'slow' });
  const rest = 2 * eventBacklog + 1 - limits.events.page;
  const numbers = (await take(patient, rest)).map((line) => Number(line.split(' ')[0]?.slice(2)));
  expect(numbers).toEqual(Array.from({ length: rest }, (_, k) => k + 1 + limits.events.page));
});

test('lines of the audit log are told when they are written, to the owner whose things alone they are about', async () => {
  await close();
  let listener: EventHub | undefined;
  store = await openLevelStore(folder.path, { synced: false, onAudit: (line) => listener?.audited(line) });
  hub = new EventHub({ store, timers: systemTimers, log });
  listener = hub;
  const actor = { kind: 'operator', name: 'kim', from: 'here' } as const;
  const about = (action: string) => ({ at: 5, actor, action, target: 'device x', detail: { why: 'so' } });
  const device = someDevice(1);
  await store.commit({ devices: [device], audit: about('device.approve') });
  await store.commit({ devices: [device], audit: about('device.refused') });
  await store.commit({
    devices: [someDevice(2, { ownerId: someUuid(8) }), someDevice(3)],
    audit: about('group.approve'),
  });
  const reading = await hub.since('').next();
  expect(reading).toMatchObject({
    kind: 'events',
    events: [
      {
        id: '2-1',
        at: 5,
        type: 'device.approve',
        ownerId: device.ownerId,
        data: { seq: 1, target: 'device x', actor: { name: 'kim' }, detail: { why: 'so' } },
      },
      { type: 'group.approve', ownerId: undefined, data: { seq: 2 } },
      // A lot is one line, and each of its devices is told to its owner.
      {
        type: 'device.approve',
        ownerId: someUuid(8),
        data: { seq: 2, target: `device ${someDevice(2).keyId}`, actor: { name: 'kim' }, detail: { to: 'active' } },
      },
      { type: 'device.approve', ownerId: someDevice(3).ownerId, data: { seq: 2, detail: { why: 'so', to: 'active' } } },
    ],
  });
});

test('a refused stranger is told of by the subject of its own certificate, at each stage and at its end', async () => {
  const [device] = createDevelopmentPki().devices;
  const certificates = (device?.chain ?? []).map((der) => encodePem('CERTIFICATE', der));
  const refusal = { code: 'attest.unknown-issuer', evidence: {}, fix: '' } as const;
  const attempt = '01a20057-8d0f-7000-8000-000000000001';
  hub.entryListener(attempt, { at: 1, type: 'chain', certificates }, undefined);
  const facts = { subject: 'CN=the intermediate' };
  hub.entryListener(attempt, { at: 2, type: 'stage', stage: 'attest', result: 'refused', facts, refusal }, undefined);
  const closed = { at: 3, type: 'closed', verdict: 'refused', refusal, bytesIn: 0, bytesOut: 0 } as const;
  hub.entryListener(attempt, closed, undefined);
  hub.entryListener(attempt, closed, undefined);
  const subject = parseCertificate(device?.chain[0] ?? new Uint8Array()).subject.text;
  const reading = await hub.since('').next();
  if (reading.kind !== 'events') throw new Error('there are no events');
  // What is closed is forgotten.
  expect(reading.events.map(({ data }) => data.subject)).toEqual([subject, subject, undefined]);
});
