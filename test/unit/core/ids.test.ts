import { expect, test } from 'vitest';
import { parseUuid, uuidBytes, uuidFromBytes, uuidNamespaces, uuidV4, uuidV5, uuidV7 } from '../../../src/core/ids.ts';
import { seededRandom } from '../../../src/core/random.ts';

test('an owner named "1" has the UUID that the reference service gives it', () => {
  // contract, plgd-service 1.5
  expect(uuidV5(uuidNamespaces.url, '1')).toBe('b80c8fef-a677-5340-85fb-2c162d75df03');
});

test('version 7 ids sort by time', () => {
  const random = seededRandom(1);
  const ids = [1, 2, 2 ** 40, 2 ** 41].map((now) => uuidV7(now, random));
  expect([...ids].sort()).toEqual(ids);
  expect(ids.every((id) => id[14] === '7')).toBe(true);
});

test('text and bytes of a UUID convert both ways, any case', () => {
  const id = uuidV4(seededRandom(7));
  expect(uuidFromBytes(uuidBytes(id))).toBe(id);
  expect(parseUuid(id.toUpperCase())).toBe(id);
  expect(parseUuid(`${id}0`)).toBeUndefined();
});
