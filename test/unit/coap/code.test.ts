import { describe, expect, it } from 'vitest';
import { codeFromByte, codeOf, codeToByte, describeCode, isSuccess, kindOf, methodOf } from '../../../src/coap/code.ts';
import { mediaType, negotiate } from '../../../src/coap/formats.ts';

describe('codes', () => {
  it('are class and detail, on the wire three and five bits', () => {
    const known: readonly (readonly [number, number, string])[] = [
      [0, 0x00, 'Empty'],
      [1, 0x01, 'GET'],
      [7, 0x07, 'iPATCH'],
      [205, 0x45, '2.05 Content'],
      [231, 0x5f, '2.31 Continue'],
      [404, 0x84, '4.04 Not Found'],
      [429, 0x9d, '4.29 Too Many Requests'],
      [503, 0xa3, '5.03 Service Unavailable'],
      [701, 0xe1, '7.01 CSM'],
      [602, 0xc2, '6.02'],
    ];
    for (const [value, byte, name] of known) {
      expect(codeToByte(value)).toBe(byte);
      expect(codeFromByte(byte)).toBe(value);
      expect(describeCode(value)).toBe(name);
    }
    for (let byte = 0; byte < 256; byte++) expect(codeToByte(codeFromByte(byte))).toBe(byte);
  });

  it('are requests, responses, signals or reserved', () => {
    const kinds = [0, 1, 31, 131, 205, 300, 404, 505, 600, 702].map(kindOf);
    expect(kinds).toEqual([
      'empty',
      'request',
      'request',
      'reserved',
      'response',
      'reserved',
      'response',
      'response',
      'reserved',
      'signal',
    ]);
    expect([199, 200, 231, 300, 400].map(isSuccess)).toEqual([false, true, true, false, false]);
  });

  it('of methods go both ways', () => {
    for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'FETCH', 'PATCH', 'iPATCH'] as const) {
      expect(methodOf(codeOf(method))).toBe(method);
    }
    expect(methodOf(0)).toBeUndefined();
    expect(methodOf(8)).toBeUndefined();
  });
});

describe('content negotiation', () => {
  it('gives what is asked for, OCF CBOR when nothing is, and nothing for what is not offered', () => {
    expect([undefined, 10000, 60, 50, 0, 40].map((accept) => negotiate(accept))).toEqual([
      10000,
      10000,
      60,
      50,
      undefined,
      undefined,
    ]);
    expect(negotiate(undefined, [])).toBeUndefined();
    expect(negotiate(0, [0])).toBe(0);
  });

  it('knows media types by name', () => {
    expect([10000, 60, 50, 9999].map(mediaType)).toEqual([
      'application/vnd.ocf+cbor',
      'application/cbor',
      'application/json',
      '9999',
    ]);
  });
});
