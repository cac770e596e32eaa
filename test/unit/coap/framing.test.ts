import { describe, expect, it } from 'vitest';
import { codeOf, describeCode } from '../../../src/coap/code.ts';
import { encodeFrame, Framer, frameLength } from '../../../src/coap/framing.ts';
import { checkOptions, optionName, stringsOf, uintOf, uriPath } from '../../../src/coap/options.ts';
import { concatBytes, fromHex, toHex } from '../../../src/core/bytes.ts';
import { message, sentMessage, someBytes, vectors } from '../../support/coap.ts';

interface Frames {
  readonly frames: readonly {
    readonly source: string;
    readonly hex: string;
    readonly code: number;
    readonly token: string;
  }[];
}

describe('the frames of RFC 8323', () => {
  for (const { source, hex, code, token } of vectors<Frames>('rfc8323.json').frames) {
    it(source, () => {
      expect(sentMessage(fromHex(hex))).toEqual(message(code, { token: fromHex(token) }));
      expect(toHex(encodeFrame(message(code, { token: fromHex(token) })))).toBe(hex);
    });
  }
});

interface Recorded {
  readonly session: string;
  readonly from: 'device' | 'stub';
  readonly hex: string;
  readonly decoded: string;
}

describe('the recorded messages of the reference device over TCP', () => {
  for (const { session, from, hex, decoded } of vectors<Recorded[]>('plgd-device-tcp.json')) {
    it(`${session} ${from}: ${decoded.slice(0, 80)}`, () => {
      const read = sentMessage(fromHex(hex));
      expect(toHex(encodeFrame(read))).toBe(hex);
      const [code = '', token = ''] = decoded.split(' ');
      expect(toHex(read.token)).toBe(token.replace('token=', ''));
      if (code === '7.01') {
        expect(read.code).toBe(701);
        expect(uintOf(read.options, 2)).toBe(1_179_648);
        return;
      }
      expect(describeCode(read.code).split(' ')[0]).toBe(code);
      expect(checkOptions(read, from === 'device' ? 'request' : 'response')).toEqual({
        ok: true,
        options: read.options,
      });
      const named = [...decoded.matchAll(/ ([A-Z][\w-]+)=("([^"]*)"|\d+)/g)].map(([, name, raw, text]) => [
        name,
        text ?? raw,
      ]);
      const ours = read.options.map(({ number }) => optionName(number));
      expect(ours).toEqual(named.map(([name]) => name));
      for (const [name, value] of named) {
        const number = read.options.find((option) => optionName(option.number) === name)?.number ?? -1;
        const values = name?.startsWith('Uri-')
          ? stringsOf(read.options, number)
          : [String(uintOf(read.options, number))];
        expect(values).toContain(value);
      }
    });
  }

  it('the first request is the time, byte by byte as the contract quotes it', () => {
    const bytes = fromHex('d80b015b4e58eeded0964fba782e706c67642e6465760474696d65622710e206e30800');
    const read = sentMessage(bytes);
    expect(read.code).toBe(codeOf('GET'));
    expect(uriPath(read.options)).toEqual(['x.plgd.dev', 'time']);
    expect(uintOf(read.options, 17)).toBe(10000);
    expect(uintOf(read.options, 2049)).toBe(2048);
  });
});

describe('the length field', () => {
  const forms: readonly (readonly [number, string])[] = [
    [0, '00'],
    [12, 'c0'],
    [13, 'd000'],
    [268, 'd0ff'],
    [269, 'e00000'],
    [65_804, 'e0ffff'],
    [65_805, 'f000000000'],
    [70_000, 'f000001063'],
  ];
  for (const [length, start] of forms) {
    it(`of ${length} bytes is written ${start}`, () => {
      const payload = new Uint8Array(Math.max(0, length - 1));
      const bytes = encodeFrame(message(length === 0 ? 0 : 205, { payload }));
      expect(toHex(bytes.subarray(0, start.length / 2))).toBe(start);
      expect(frameLength(message(205, { payload }))).toBe(bytes.length);
      const framer = new Framer(100_000);
      framer.push(bytes);
      expect(framer.next()).toMatchObject({ type: 'message', message: { payload } });
      expect(framer.buffered).toBe(0);
    });
  }
});

describe('cutting a stream', () => {
  const messages = [0, 1, 12, 13, 300, 2000].map((size) =>
    message(205, { token: fromHex('0102030405060708'), payload: someBytes(size) }),
  );
  const stream = concatBytes(...messages.map(encodeFrame));

  it('gives the same messages whatever the size of the pieces', () => {
    for (const size of [1, 2, 3, 7, 100, 1000, stream.length]) {
      const framer = new Framer(4096);
      const found = [];
      for (let at = 0; at < stream.length; at += size) {
        framer.push(stream.subarray(at, at + size));
        for (let frame = framer.next(); frame; frame = framer.next()) found.push(frame);
      }
      expect(found, `pieces of ${size}`).toEqual(messages.map((each) => ({ type: 'message', message: each })));
      expect(framer.buffered).toBe(0);
    }
  });

  it('messages that were cut stay as they are when more arrives', () => {
    const framer = new Framer(4096);
    const piece = stream.slice();
    framer.push(piece);
    const first = framer.next();
    framer.push(stream.slice().fill(0xee));
    expect(first).toEqual({ type: 'message', message: messages[0] });
  });

  it('a message over the limit is refused before its body has come', () => {
    const framer = new Framer(1000);
    framer.push(fromHex('f0ffffffff'));
    expect(framer.next()).toEqual({ type: 'too-large', bytes: 6 + 0xffff_ffff + 65_805 });
    framer.push(someBytes(100));
    expect(framer.next()).toBeUndefined();
    expect(framer.buffered).toBe(0);
  });

  it('a message of exactly the limit is read', () => {
    const fits = encodeFrame(message(205, { payload: someBytes(992) }));
    const framer = new Framer(fits.length);
    framer.push(fits);
    expect(framer.next()?.type).toBe('message');
    const tight = new Framer(fits.length - 1);
    tight.push(fits);
    expect(tight.next()).toEqual({ type: 'too-large', bytes: fits.length });
  });

  it('nothing is read after a malformed message', () => {
    for (const bad of ['0945', '10450f', '2045f001', '1045ff']) {
      const framer = new Framer(1000);
      framer.push(fromHex(bad));
      expect(framer.next(), bad).toMatchObject({ type: 'malformed' });
      framer.push(stream);
      expect(framer.next(), bad).toBeUndefined();
    }
  });
});
