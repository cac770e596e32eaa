import { describe, expect, it } from 'vitest';
import { DerReader } from '../../../src/codec/der.ts';
import { contextTag, tags } from '../../../src/codec/der-tags.ts';
import {
  derBitString,
  derBoolean,
  derContext,
  derElement,
  derInteger,
  derNamedBits,
  derOctetString,
  derOid,
  derSequence,
  derSetOf,
  derTime,
  derUnsigned,
  derUtf8String,
} from '../../../src/codec/der-writer.ts';
import { encodeOid, oids } from '../../../src/codec/oid.ts';
import { fromHex, toHex } from '../../../src/core/bytes.ts';
import { FirstbootError } from '../../../src/core/errors.ts';

const read = (hex: string): DerReader => DerReader.over(fromHex(hex));

describe('the DER reader', () => {
  it.each<[string, string, (reader: DerReader) => unknown, string]>([
    ['an indefinite length', '30800000', (r) => r.sequence('x'), 'an indefinite length (BER)'],
    ['a long form for a short length', '308105', (r) => r.sequence('x'), 'a length that is not minimal'],
    ['a leading zero in the length', '3082007f', (r) => r.sequence('x'), 'a length that is not minimal'],
    ['a length of four octets', '308401000000', (r) => r.sequence('x'), 'a length beyond the end'],
    ['a length beyond the end', '300201', (r) => r.sequence('x'), 'a length beyond the end'],
    ['a tag alone', '30', (r) => r.sequence('x'), 'a length beyond the end'],
    ['nothing', '', (r) => r.sequence('x'), 'nothing'],
    ['a high tag number', '1f8100', (r) => r.any('x'), 'a tag number above 30'],
    ['another type', '0500', (r) => r.integer('x'), 'tag 0x05 instead of 0x02'],
    ['an INTEGER padded with zero', '02020001', (r) => r.integer('x'), 'an INTEGER that is not minimal'],
    ['an INTEGER padded with ones', '0202ff80', (r) => r.integer('x'), 'an INTEGER that is not minimal'],
    ['an empty INTEGER', '0200', (r) => r.integer('x'), 'an empty INTEGER'],
    [
      'a large INTEGER where a small one belongs',
      '02050100000000',
      (r) => r.smallInteger('x'),
      'an integer out of range',
    ],
    [
      'a negative INTEGER where a small one belongs',
      '0204ffffffff',
      (r) => r.smallInteger('x'),
      'an INTEGER that is not minimal',
    ],
    ['a BOOLEAN of 01', '010101', (r) => r.boolean('x'), 'a bad BOOLEAN'],
    ['a long BOOLEAN', '0102ffff', (r) => r.boolean('x'), 'a bad BOOLEAN'],
    ['an empty BIT STRING', '0300', (r) => r.octetAligned('x'), 'a bad BIT STRING'],
    ['a BIT STRING of 8 unused bits', '030208ff', (r) => r.octetAligned('x'), 'a bad BIT STRING'],
    ['unused bits of no octets', '030101', (r) => r.namedBits('x'), 'a bad BIT STRING'],
    ['unused bits in a key', '030201fe', (r) => r.octetAligned('x'), 'unused bits'],
    ['unused bits that are set', '030201ff', (r) => r.namedBits('x'), 'unused bits that are set'],
    ['NULL with content', '050100', (r) => r.null('x'), 'NULL with content'],
    ['an empty object identifier', '0600', (r) => r.oid('x'), 'a bad object identifier'],
    ['a cut off object identifier', '060281', (r) => r.oid('x'), 'a length beyond the end'],
    ['an arc without its end', '06022a86', (r) => r.oid('x'), 'a bad object identifier'],
    ['a padded arc', '06032a8001', (r) => r.oid('x'), 'a bad object identifier'],
    ['UTF8String that is not', '0c02c328', (r) => r.text('x'), 'no valid text under tag 0x0c'],
    ['an asterisk in PrintableString', '13012a', (r) => r.text('x'), 'no valid text under tag 0x13'],
    ['Latin-1 in IA5String', '1601e9', (r) => r.text('x'), 'no valid text under tag 0x16'],
    ['half a BMPString character', '1e0100', (r) => r.text('x'), 'no valid text under tag 0x1e'],
    ['a SET OF out of order', '3106020102020101', (r) => r.setOf('x', (i) => i.integer('y')), 'a SET OF out of order'],
    ['a constructed string', '2403040100', (r) => r.opaque('x'), 'a constructed string (BER)'],
    ['a bad INTEGER in what is not read', '300402020001', (r) => r.opaque('x'), 'an INTEGER that is not minimal'],
    ['a bad BOOLEAN in what is not read', '3003010101', (r) => r.opaque('x'), 'a bad BOOLEAN'],
    ['a primitive sequence', '1000', (r) => r.opaque('x'), 'a primitive sequence or set'],
  ])('refuses %s', (_, hex, use, found) => {
    expect(errorOf(() => use(read(hex)))).toMatchObject({ code: 'der.malformed', evidence: { what: 'x', found } });
  });

  it('says where in the document the fault is, also inside', () => {
    const reader = read('300a30080603550403010101');
    const inner = reader.sequence('outer').sequence('inner');
    expect(inner.oid('type')).toBe(oids.commonName);
    expect(errorOf(() => inner.boolean('flag')).evidence).toEqual({ at: 9, what: 'flag', found: 'a bad BOOLEAN' });
  });

  it('refuses what is left over', () => {
    const reader = read('0201010500');
    reader.integer('x');
    expect(errorOf(() => reader.end('x')).evidence).toMatchObject({ at: 3, found: '2 bytes too many' });
  });

  it('bounds depth and size', () => {
    const deep = (levels: number): Uint8Array => {
      let document: Uint8Array = derSequence();
      for (let k = 1; k < levels; k++) document = derSequence(document);
      return document;
    };
    expect(DerReader.over(deep(16)).opaque('x').tag).toBe(tags.sequence);
    expect(errorOf(() => DerReader.over(deep(17)).opaque('x')).message).toContain('more than 16 levels');
    expect(errorOf(() => DerReader.over(new Uint8Array(16 * 1024 + 1))).message).toContain(
      '16385 bytes, more than 16384',
    );
  });

  it('takes an element by an implicit tag, and the octets of an empty SET OF', () => {
    expect(read('a000').setOf('x', () => 1, contextTag(0, 'constructed'))).toEqual([]);
    expect(toHex(read('800105').element(contextTag(0, 'primitive'), 'x').content)).toBe('05');
  });

  it.each([
    ['0c03c3a961', 'éa'],
    ['1303412042', 'A B'],
    ['160161', 'a'],
    ['1401e9', 'é'],
    ['1e0400e9d83d', 'é\ud83d'],
    ['120131', '1'],
  ])('reads the text %s', (hex, text) => {
    expect(read(hex).text('x')).toBe(text);
  });
});

describe('times', () => {
  const time = (tag: number, text: string): number =>
    DerReader.over(derElement(tag, new TextEncoder().encode(text))).time('x');

  it('reads UTCTime from 1950 to 2049 and GeneralizedTime of any year', () => {
    expect(time(tags.utcTime, '491231235959Z')).toBe(Date.parse('2049-12-31T23:59:59Z'));
    expect(time(tags.utcTime, '500101000000Z')).toBe(Date.parse('1950-01-01T00:00:00Z'));
    expect(time(tags.generalizedTime, '99991231235959Z')).toBe(Date.parse('9999-12-31T23:59:59Z'));
    expect(time(tags.generalizedTime, '00010101000000Z')).toBe(Date.parse('0001-01-01T00:00:00Z'));
    expect(time(tags.utcTime, '240229120000Z')).toBe(Date.parse('2024-02-29T12:00:00Z'));
  });

  it.each([
    [tags.utcTime, '2601011200Z'],
    [tags.utcTime, '260101120000+0100'],
    [tags.utcTime, '260101120000'],
    [tags.utcTime, '260229120000Z'],
    [tags.utcTime, '261301120000Z'],
    [tags.utcTime, '260100120000Z'],
    [tags.utcTime, '260101240000Z'],
    [tags.utcTime, '260101126000Z'],
    [tags.utcTime, '2601011200 0Z'],
    [tags.generalizedTime, '20260101120000.5Z'],
    [tags.generalizedTime, '260101120000Z'],
    [tags.octetString, '260101120000Z'],
  ])('refuses tag %i with %s', (tag, text) => {
    expect(errorOf(() => time(tag, text)).message).toContain('Z form');
  });

  it('writes UTCTime through 2049, GeneralizedTime after it, and whole seconds', () => {
    expect(toHex(derTime(Date.parse('2049-12-31T23:59:59.999Z')))).toBe(`170d${ascii('491231235959Z')}`);
    expect(toHex(derTime(Date.parse('2050-01-01T00:00:00Z')))).toBe(`180f${ascii('20500101000000Z')}`);
    expect(toHex(derTime(Date.parse('1949-12-31T23:59:59Z')))).toBe(`180f${ascii('19491231235959Z')}`);
    expect(() => derTime(Number.NaN)).toThrow(RangeError);
  });
});

describe('the DER writer', () => {
  it('uses the shortest length at every boundary', () => {
    const header = (length: number): string => toHex(derOctetString(new Uint8Array(length))).slice(0, 10);
    expect(header(0)).toBe('0400');
    expect(header(127).slice(0, 4)).toBe('047f');
    expect(header(128).slice(0, 6)).toBe('048180');
    expect(header(255).slice(0, 6)).toBe('0481ff');
    expect(header(256).slice(0, 8)).toBe('04820100');
    expect(header(65_536)).toBe('0483010000');
  });

  it('writes what X.690 demands of each type', () => {
    expect(toHex(derUnsigned(fromHex('000080')))).toBe('02020080');
    expect(toHex(derUnsigned(fromHex('')))).toBe('020100');
    expect(toHex(derInteger(0))).toBe('020100');
    expect(toHex(derInteger(0x7fff_ffff))).toBe('02047fffffff');
    expect(toHex(derBoolean(true))).toBe('0101ff');
    expect(toHex(derBitString(fromHex('a0')))).toBe('030200a0');
    // keyUsage digitalSignature + keyAgreement, as openssl writes it
    expect(toHex(derNamedBits([0, 4]))).toBe('03020388');
    expect(toHex(derNamedBits([8, 0]))).toBe('0303078080');
    expect(toHex(derNamedBits([]))).toBe('030100');
    expect(toHex(derSetOf(derInteger(2), derInteger(1)))).toBe('3106020101020102');
    expect(toHex(derContext(0, derUtf8String('é')))).toBe('a0040c02c3a9');
  });

  it.each([
    ['1.3.6.1.4.1.44924.1.6', '060a2b0601040182de7c0106'],
    ['2.5.4.3', '0603550403'],
    ['2.999.3', '0603883703'],
    ['0.9.2342.19200300.100.1.25', '060a0992268993f22c640119'],
  ])('writes and reads the object identifier %s', (dotted, hex) => {
    expect(toHex(derOid(dotted))).toBe(hex);
    expect(read(hex).oid('x')).toBe(dotted);
  });

  it.each(['', '1', '3.1', '1.40', '1.2.', '1.2.x', '1..2'])('refuses %j as an object identifier', (dotted) => {
    expect(() => encodeOid(dotted)).toThrow(TypeError);
  });
});

const ascii = (text: string): string => Buffer.from(text).toString('hex');

function errorOf(use: () => unknown): FirstbootError {
  try {
    use();
  } catch (error) {
    if (error instanceof FirstbootError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}
