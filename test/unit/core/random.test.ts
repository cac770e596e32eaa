import { describe, expect, it } from 'vitest';
import { toHex } from '../../../src/core/bytes.ts';
import { systemRandom } from '../../../src/core/random.ts';

describe('the machine generator', () => {
  it('gives as many bytes as asked for, in memory of their own, and never the same twice', () => {
    const seen = new Set<string>();
    for (let k = 0; k < 3000; k++) {
      const bytes = systemRandom.bytes(16);
      expect(bytes).toHaveLength(16);
      expect(bytes.buffer.byteLength).toBe(16);
      seen.add(toHex(bytes));
    }
    expect(seen.size).toBe(3000);
  });

  it.each([0, 1, 1023, 1024, 1025, 5000])('gives %i bytes, none of them left out', (count) => {
    systemRandom.bytes(7);
    const bytes = systemRandom.bytes(count);
    expect(bytes).toHaveLength(count);
    // 64 zero bytes in a row would be a part that was never filled.
    expect(toHex(bytes)).not.toContain('00'.repeat(64));
  });
});
