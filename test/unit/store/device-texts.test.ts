import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemTimers } from '../../../src/core/clock.ts';
import { GroupCommit } from '../../../src/store/commit.ts';
import { DeviceTexts } from '../../../src/store/device-texts.ts';
import { levelMedium, openFolder, writeAll } from '../../../src/store/level-medium.ts';
import { keys, put } from '../../../src/store/medium.ts';
import type { Device } from '../../../src/store/model.ts';
import { Rows } from '../../../src/store/rows.ts';
import { someDevice, someUuid } from '../../support/store-records.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const devices = Array.from({ length: 40 }, (_, k) => someDevice(k));
const all = devices.map(({ keyId }) => keyId).sort();

let rows: Rows;
let reads: number;
let fault: Error | undefined;
let close: () => Promise<void>;
beforeEach(async () => {
  const folder = await temporaryFolder();
  const db = await openFolder(folder.path);
  const medium = levelMedium(db, folder.path);
  const commit = new GroupCommit({ timers: systemTimers, write: (ops) => writeAll(db, ops, false) });
  [reads, fault] = [0, undefined];
  const counted: typeof medium.rows = async (range) => {
    if (fault) throw fault;
    const found = await medium.rows(range);
    reads += found.length;
    return found;
  };
  rows = new Rows({ ...medium, rows: counted }, commit);
  await store(devices);
  close = async () => {
    await commit.close();
    await db.close();
    await folder.remove();
  };
});
afterEach(() => close());

const store = (some: readonly Device[]) =>
  rows.write(
    some.map((device) => put(keys.device(device.keyId), JSON.stringify(device))),
    false,
  );
const called = (subject: string): Device => ({
  ...someDevice(3),
  manufacturer: { subject, serial: undefined, certificate: undefined },
});

test('devices are read once, however often they are looked for, and what is written later is not read at all', async () => {
  const texts = new DeviceTexts(rows);
  expect(await texts.find({ text: 'cn=device', limit: 99 })).toEqual(all);
  expect(reads).toBe(devices.length);
  texts.written([called('CN=other'), someDevice(50)]);
  expect(await texts.find({ text: 'other', limit: 99 })).toEqual([someUuid(3)]);
  expect(await texts.find({ text: 'device 50', limit: 99 })).toEqual([someUuid(50)]);
  expect(reads).toBe(devices.length);
});

test('what does not fit into memory is read again, and found all the same', async () => {
  const texts = new DeviceTexts(rows, 500);
  for (const time of [1, 2]) {
    expect(await texts.find({ text: 'cn=device', limit: 99 }), `time ${time}`).toEqual(all);
  }
  expect(reads).toBeGreaterThan(devices.length);
  expect(reads).toBeLessThan(2 * devices.length);
});

test('a search that is over early has not read everything', async () => {
  expect(await new DeviceTexts(rows).find({ text: 'cn=device', limit: 3 })).toEqual(all.slice(0, 3));
  expect(reads).toBeLessThan(devices.length);
});

test('after a write that failed it counts what is there', async () => {
  const texts = new DeviceTexts(rows);
  await texts.find({ text: 'x', limit: 99 });
  await store([called('CN=there')]);
  texts.doubted([someDevice(3)]);
  expect(await texts.find({ text: 'there', limit: 99 })).toEqual([someUuid(3)]);
});

test('a search that could not read fails, and the next one reads', async () => {
  const texts = new DeviceTexts(rows);
  fault = new Error('the disk is away');
  await expect(texts.find({ text: 'cn=device', limit: 99 })).rejects.toThrow('the disk is away');
  fault = undefined;
  expect(await texts.find({ text: 'cn=device', limit: 99 })).toEqual(all);
});
