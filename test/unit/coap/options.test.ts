import { describe, expect, it } from 'vitest';
import {
  checkOptions,
  decodeUint,
  encodeUint,
  findOption,
  isNoCacheKey,
  opaqueOption,
  optionTable,
  signalOptionTable,
  stringOption,
  uintOf,
  uintOption,
  uriPath,
  uriQuery,
} from '../../../src/coap/options.ts';
import { fromHex, toHex } from '../../../src/core/bytes.ts';
import { message, pathOptions } from '../../support/coap.ts';

const request = (...options: ReturnType<typeof uintOption>[]) => checkOptions(message(1, { options }), 'request');
const response = (...options: ReturnType<typeof uintOption>[]) => checkOptions(message(205, { options }), 'response');

describe('the option table', () => {
  it('is in ascending order, with critical and unsafe as the numbers say', () => {
    const numbers = optionTable.map(({ number }) => number);
    expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
    for (const { number, critical, unsafe, min, max } of optionTable) {
      expect(critical).toBe(number % 2 === 1);
      expect(unsafe).toBe((number & 2) === 2);
      expect(min).toBeLessThanOrEqual(max);
    }
  });

  it('knows the signalling options of each code apart', () => {
    const named = Object.entries(signalOptionTable).map(([code, table]) => [code, table.map(({ name }) => name)]);
    expect(named).toEqual([
      ['701', ['Max-Message-Size', 'Block-Wise-Transfer']],
      ['702', ['Custody']],
      ['703', ['Custody']],
      ['704', ['Alternative-Address', 'Hold-Off']],
      ['705', ['Bad-CSM-Option']],
    ]);
  });

  it('tells which options are not part of the cache key', () => {
    expect(optionTable.filter(({ number }) => isNoCacheKey(number)).map(({ name }) => name)).toEqual([
      'Size2',
      'Size1',
      'Echo',
    ]);
  });
});

describe('checking options', () => {
  it('lets the options of the reference device through: both OCF versions are known', () => {
    const options = [
      ...pathOptions('a'),
      uintOption(12, 10000),
      uintOption(17, 10000),
      uintOption(2049, 2048),
      uintOption(2053, 2048),
    ];
    expect(request(...options)).toEqual({ ok: true, options });
  });

  const faults: readonly (readonly [string, ReturnType<typeof request>, number, string])[] = [
    ['an unknown critical option', request(uintOption(9, 1)), 9, 'option 9 is not understood'],
    [
      'a critical option that is too long',
      request(stringOption(11, 'a'.repeat(256))),
      11,
      'Uri-Path is 256 bytes long, not 0 to 255',
    ],
    ['a critical option that is too short', request(stringOption(3, '')), 3, 'Uri-Host is 0 bytes long, not 1 to 255'],
    ['a critical option given twice', request(uintOption(17, 50), uintOption(17, 60)), 17, 'Accept is given twice'],
    ['a path that is not UTF-8', request(opaqueOption(11, fromHex('c328'))), 11, 'Uri-Path is not UTF-8'],
    ['a conditional request', request(opaqueOption(1, fromHex('01'))), 1, 'If-Match is not supported'],
    ['a request option in a response', response(uintOption(17, 60)), 17, 'Accept has no meaning in a response'],
    [
      'an unknown critical option in a response',
      response(uintOption(65_001, 1)),
      65_001,
      'option 65001 is not understood',
    ],
  ];
  for (const [name, checked, number, text] of faults) {
    it(`${name} is the fault`, () => {
      expect(checked).toEqual({ ok: false, fault: { number, text } });
    });
  }

  it('the first fault counts', () => {
    expect(request(uintOption(9, 1), uintOption(13, 1))).toMatchObject({ fault: { number: 9 } });
  });

  it('elective options that are unknown, ill-sized or repeated are left out', () => {
    const kept = [uintOption(12, 60), uintOption(60, 5)];
    const checked = request(
      opaqueOption(4, fromHex('010203040506070809')),
      uintOption(6, 0),
      uintOption(12, 60),
      uintOption(12, 50),
      uintOption(60, 5),
      uintOption(258, 1),
      uintOption(65_000, 1),
    );
    expect(checked).toEqual({ ok: true, options: [uintOption(6, 0), ...kept] });
  });

  it('signalling options are checked by their own code', () => {
    const csm = message(701, { options: [uintOption(2, 1152), opaqueOption(4, fromHex(''))] });
    expect(checkOptions(csm, 'signal')).toMatchObject({ ok: true, options: csm.options });
    expect(checkOptions(message(701, { options: [uintOption(3, 1)] }), 'signal')).toMatchObject({
      fault: { number: 3 },
    });
    expect(checkOptions(message(702, { options: [uintOption(4, 1)] }), 'signal')).toEqual({ ok: true, options: [] });
    expect(checkOptions(message(709, { options: [uintOption(1, 1)] }), 'signal')).toMatchObject({
      fault: { number: 1 },
    });
  });
});

describe('reading and writing values', () => {
  it('uints have no leading zeros, zero has no bytes', () => {
    const known: readonly (readonly [number, string])[] = [
      [0, ''],
      [1, '01'],
      [255, 'ff'],
      [256, '0100'],
      [10000, '2710'],
      [65_536, '010000'],
      [0xffff_ffff, 'ffffffff'],
    ];
    for (const [value, hex] of known) {
      expect(toHex(encodeUint(value))).toBe(hex);
      expect(decodeUint(fromHex(hex))).toBe(value);
    }
    expect(decodeUint(fromHex('00002710'))).toBe(10000);
    for (const bad of [-1, 1.5, 2 ** 32, Number.NaN]) expect(() => encodeUint(bad)).toThrow(RangeError);
  });

  it('finds what is there and nothing else', () => {
    const options = [
      ...pathOptions('api', 'v1', ''),
      uintOption(12, 0),
      stringOption(15, 'rt=oic.wk.rdpub'),
      stringOption(15, 'ü'),
    ];
    expect(uriPath(options)).toEqual(['api', 'v1', '']);
    expect(uriQuery(options)).toEqual(['rt=oic.wk.rdpub', 'ü']);
    expect(uintOf(options, 12)).toBe(0);
    expect(uintOf(options, 17)).toBeUndefined();
    expect(findOption(options, 13)).toBeUndefined();
  });
});
