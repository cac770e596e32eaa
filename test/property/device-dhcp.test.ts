import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatBytes, utf8 } from '../../src/core/bytes.ts';
import { parseVendorOption, readDhcpOption, vendorOptionOf } from '../../src/device/dhcp.ts';

const tlv = (code: number, data: Uint8Array): Uint8Array => concatBytes(new Uint8Array([code, data.length]), data);

describe('DHCP option 43', () => {
  it('never throws, and refuses with a reason, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const read = readDhcpOption(bytes);
        expect(read.ok || read.refusal.fix.length > 0).toBe(true);
      }),
      { seed: 1, numRuns: 500 },
    );
  });

  it('never throws on fields of its own codes, and takes only what is right', () => {
    const field = fc
      .tuple(
        fc.constantFrom(200, 201, 202),
        fc.oneof(
          fc.uint8Array({ maxLength: 60 }),
          fc.constantFrom(utf8('coaps://a:1'), utf8('SHA256'), utf8('SHA384'), new Uint8Array(32), new Uint8Array(48)),
        ),
      )
      .map(([code, data]) => tlv(code, data));
    fc.assert(
      fc.property(fc.array(field, { maxLength: 4 }), (fields) => {
        const read = readDhcpOption(concatBytes(...fields));
        if (!read.ok) return;
        const { endpoint, fingerprint } = read.value;
        expect(endpoint !== undefined || fingerprint !== undefined).toBe(true);
        if (fingerprint) expect(fingerprint.value.length).toBe(fingerprint.digest === 'SHA256' ? 32 : 48);
        if (endpoint !== undefined) expect(endpoint).toMatch(/^coaps(\+tcp)?:\/\//);
      }),
      { seed: 1, numRuns: 500 },
    );
  });

  it('comes back from each of its spellings, alone and in a leases file', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 80 }), (bytes) => {
        const pairs = [...bytes].map((byte) => byte.toString(16));
        const spellings = [
          pairs.map((pair) => pair.padStart(2, '0')).join(':'),
          pairs.join(':'),
          Buffer.from(bytes).toString('hex'),
        ];
        for (const spelling of spellings) {
          expect(parseVendorOption(spelling)).toEqual(bytes);
          expect(vendorOptionOf(`lease {\n  option vendor-encapsulated-options ${spelling};\n}\n`)).toEqual(bytes);
        }
      }),
      { seed: 1, numRuns: 200 },
    );
  });

  it('is looked for in any text without a throw', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 200 }), (text) => {
        parseVendorOption(text);
        vendorOptionOf(text);
      }),
      { seed: 1, numRuns: 300 },
    );
  });
});
