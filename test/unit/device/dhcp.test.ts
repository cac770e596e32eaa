import { describe, expect, it } from 'vitest';
import { concatBytes, fromHex, utf8 } from '../../../src/core/bytes.ts';
import { parseVendorOption, readDhcpOption, vendorOptionOf } from '../../../src/device/dhcp.ts';

const uri = 'coaps+tcp://127.0.0.1:20030';
const print = new Uint8Array(32).map((_, at) => at);
const tlv = (code: number, data: Uint8Array): Uint8Array => concatBytes(new Uint8Array([code, data.length]), data);
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const colons = (bytes: Uint8Array): string => (hexOf(bytes).match(/../g) ?? []).join(':');

/** The vector that the reference device has taken (contract, plgd-device d). */
const known = `c8:1b:${colons(utf8(uri))}:c9:20:${colons(print)}:ca:06:53:48:41:32:35:36`;

describe('DHCP option 43', () => {
  it('is read as the reference device does', () => {
    const bytes = parseVendorOption(known);
    expect(bytes && readDhcpOption(bytes)).toEqual({
      ok: true,
      value: { endpoint: uri, fingerprint: { digest: 'SHA256', value: print } },
    });
  });

  it('may name an endpoint alone, or a fingerprint alone, in any order', () => {
    expect(readDhcpOption(tlv(200, utf8(uri)))).toEqual({ ok: true, value: { endpoint: uri } });
    const long = new Uint8Array(48).fill(1);
    expect(readDhcpOption(concatBytes(tlv(202, utf8('SHA384')), tlv(201, long)))).toEqual({
      ok: true,
      value: { fingerprint: { digest: 'SHA384', value: long } },
    });
  });

  it('may end its texts with a zero', () => {
    expect(readDhcpOption(tlv(200, utf8(`${uri}\0`)))).toEqual({ ok: true, value: { endpoint: uri } });
  });

  const good = tlv(200, utf8(uri));
  it.each<[string, Uint8Array]>([
    ['no bytes', new Uint8Array()],
    ['any other code', concatBytes(good, tlv(203, utf8('x')))],
    ['padding', concatBytes(good, new Uint8Array([0]))],
    ['the end code of other options', concatBytes(good, new Uint8Array([255]))],
    ['a code without a length', concatBytes(good, new Uint8Array([201]))],
    ['a length over the end', new Uint8Array([200, 5, 0x63])],
    ['a code twice', concatBytes(good, good)],
    ['an endpoint that is no URI', tlv(200, utf8('https://127.0.0.1'))],
    ['an endpoint that is no text', tlv(200, fromHex('ff00ff'))],
    ['an empty endpoint', tlv(200, new Uint8Array())],
    ['a fingerprint without its digest', tlv(201, print)],
    ['a digest without a fingerprint', tlv(202, utf8('SHA256'))],
    ['a digest that is not allowed', concatBytes(tlv(201, new Uint8Array(20)), tlv(202, utf8('SHA1')))],
    ['a digest in other letters', concatBytes(tlv(201, print), tlv(202, utf8('sha256')))],
    ['a fingerprint of another length', concatBytes(tlv(201, print.subarray(1)), tlv(202, utf8('SHA256')))],
    ['a fingerprint of the other digest', concatBytes(tlv(201, print), tlv(202, utf8('SHA384')))],
  ])('with %s is invalid as a whole, with a reason', (_what, bytes) => {
    expect(readDhcpOption(bytes)).toMatchObject({
      ok: false,
      refusal: { code: 'device.protocol', evidence: { option: 43 }, fix: expect.stringMatching(/./) },
    });
  });
});

describe('the spellings of a leases file', () => {
  it.each([
    ['c8:1b:63', 'c81b63'],
    ['C8:1B:63', 'c81b63'],
    ['01:a:3', '010a03'],
    ['c81b63', 'c81b63'],
    [' c8 ', 'c8'],
    ['7', '07'],
  ])('%s', (text, hex) => {
    expect(hexOf(parseVendorOption(text) ?? new Uint8Array())).toBe(hex);
  });

  it.each(['', 'xyz', 'c8:', ':c8', 'c8::1b', 'c81', '100:1', '"text"', 'c8 1b'])('"%s" is none', (text) => {
    expect(parseVendorOption(text)).toBeUndefined();
  });
});

describe('a leases file', () => {
  const lease = (option: string): string => `lease {
  interface "eth0";
  fixed-address 10.0.0.7;
  option subnet-mask 255.255.255.0;
${option}  renew 6 2026/11/21 10:00:00;
}
`;

  it('gives the option of its newest lease', () => {
    const leases =
      lease('  option vendor-encapsulated-options 1:2:3;\n') +
      lease(`  option vendor-encapsulated-options ${known};\n`);
    expect(vendorOptionOf(leases)).toEqual(parseVendorOption(known));
    expect(vendorOptionOf(leases + lease(''))).toEqual(parseVendorOption(known));
  });

  it('without the option gives none', () => {
    expect(vendorOptionOf('')).toBeUndefined();
    expect(vendorOptionOf(lease(''))).toBeUndefined();
    expect(vendorOptionOf(lease('  option vendor-encapsulated-options "text";\n'))).toBeUndefined();
  });
});
