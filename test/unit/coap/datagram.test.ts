import { describe, expect, it } from 'vitest';
import { decodeDatagram, encodeDatagram, encodeEmpty } from '../../../src/coap/datagram.ts';
import { optionNumber, stringsOf, uintOption, uriPath } from '../../../src/coap/options.ts';
import { fromHex, fromUtf8, toHex, utf8 } from '../../../src/core/bytes.ts';
import { limits } from '../../../src/core/limits.ts';
import { datagram, message, pathOptions, sentDatagram, vectors } from '../../support/coap.ts';

interface Figure {
  readonly figure: number;
  readonly title: string;
  readonly messages: readonly {
    readonly type: 'CON' | 'NON' | 'ACK' | 'RST';
    readonly code: number;
    readonly messageId: string;
    readonly token: string;
    readonly uriPath: readonly string[];
    readonly payload: string;
    readonly hex: string;
  }[];
}

describe('the messages of RFC 7252 appendix A', () => {
  for (const { figure, title, messages } of vectors<Figure[]>('rfc7252-appendix-a.json')) {
    it(`figure ${figure}, ${title}: bytes and fields agree both ways`, () => {
      for (const { type, code, messageId, token, uriPath: path, payload, hex } of messages) {
        const { message: decoded, ...header } = sentDatagram(fromHex(hex));
        expect(header).toEqual({ type, messageId: Number.parseInt(messageId, 16) });
        expect(decoded.code).toBe(code);
        expect(toHex(decoded.token)).toBe(token);
        expect(stringsOf(decoded.options, optionNumber.uriPath)).toEqual(path);
        expect(fromUtf8(decoded.payload)).toBe(payload);
        const content = message(code, { token: fromHex(token), options: pathOptions(...path), payload: utf8(payload) });
        expect(toHex(datagram(type, Number.parseInt(messageId, 16), content))).toBe(hex);
      }
    });
  }
});

interface Recorded {
  readonly type: 'CON' | 'NON' | 'ACK';
  readonly messageId: number;
  readonly length: number;
  readonly decoded: string;
}

describe('the recorded datagrams of the reference device', () => {
  const requests = vectors<Recorded[]>('plgd-device-udp.json').filter(({ decoded }) => !decoded.includes('2.0'));
  const withoutPayload = requests.filter(({ decoded }) => !/ Content-Format/.test(decoded));

  it('hold four requests without a payload', () => {
    expect(withoutPayload).toHaveLength(4);
  });

  for (const { type, messageId, length, decoded } of withoutPayload) {
    it(`${decoded.slice(0, 70)}: our encoding is ${length} bytes long, as theirs`, () => {
      const field = (name: string): string => new RegExp(`${name}=(\\S+)`).exec(decoded)?.[1] ?? '';
      const path = [...decoded.matchAll(/Uri-Path="([^"]+)"/g)].map(([, segment = '']) => segment);
      const options = [...pathOptions(...path), uintOption(optionNumber.accept, Number(field('Accept')))];
      if (decoded.includes('Block2')) options.push(uintOption(optionNumber.block2, Number(field('Block2'))));
      options.push(uintOption(optionNumber.ocfAcceptContentFormatVersion, 2048));
      const code = decoded.startsWith('GET') ? 1 : 2;
      const bytes = datagram(type, messageId, message(code, { token: fromHex(field('token')), options }));
      expect(bytes).toHaveLength(length);
      expect(uriPath(sentDatagram(bytes).message.options)).toEqual(path);
    });
  }
});

describe('a datagram that is malformed', () => {
  const cases: readonly (readonly [string, string, string, number | undefined])[] = [
    ['nothing', '', 'fewer than 4 bytes', undefined],
    ['three bytes', '400100', 'fewer than 4 bytes', undefined],
    ['version 0', '00010001', 'not CoAP version 1', undefined],
    ['version 2', '80010001', 'not CoAP version 1', undefined],
    ['an empty CON with a token', '4100123455', 'an empty message with content', 0x1234],
    ['an empty CON with a token length and no token', '41001234', 'an empty message with content', 0x1234],
    ['an empty ACK with a payload', '60001234ff01', 'an empty message with content', undefined],
    ['a reset with a code', '70451234', 'a reset with a code', undefined],
    ['a reserved class 1', '40201234', 'a code of a reserved class', 0x1234],
    ['a signal over UDP', '40e11234', 'a code of a reserved class', 0x1234],
    ['a token of 9 bytes', '49011234010203040506070809', 'a token longer than 8 bytes', 0x1234],
    ['a token that is cut off', '480112340102', 'a truncated token', 0x1234],
    ['a payload marker without payload', '40011234ff', 'a payload marker without a payload', 0x1234],
    ['an option delta of 15', '40011234f0', 'a reserved option delta', 0x1234],
    ['an option length of 15', '400112340f', 'a reserved option length', 0x1234],
    ['a delta extension that is cut off', '40011234d0', 'a truncated option delta', 0x1234],
    ['a two-byte delta extension that is cut off', '40011234e001', 'a truncated option delta', 0x1234],
    ['a length extension that is cut off', '400112340d', 'a truncated option length', 0x1234],
    ['a two-byte length extension that is cut off', '400112340e01', 'a truncated option length', 0x1234],
    ['a value that is cut off', '40011234b474656d', 'a truncated option value', 0x1234],
    ['an option number over 65535', '40011234e0ffff', 'an option number over 65535', 0x1234],
    ['a NON with a cut off value', '50011234b474656d', 'a truncated option value', undefined],
  ];
  for (const [name, bytes, text, reset] of cases) {
    it(`${name}: ${text}${reset === undefined ? ', dropped' : ', reset'}`, () => {
      expect(decodeDatagram(fromHex(bytes))).toEqual({ ok: false, text, reset });
    });
  }

  it('one over the message limit is refused, one at the limit is read', () => {
    const room = limits.coap.messageBytes - 5;
    const at = datagram('CON', 1, message(2, { payload: new Uint8Array(room) }));
    const over = datagram('CON', 1, message(2, { payload: new Uint8Array(room + 1) }));
    expect(at).toHaveLength(limits.coap.messageBytes);
    expect(decodeDatagram(at).ok).toBe(true);
    expect(decodeDatagram(over)).toMatchObject({ ok: false, reset: 1 });
  });

  it('more options than the limit are refused', () => {
    const many = (count: number): Uint8Array =>
      datagram('NON', 1, message(1, { options: pathOptions(...new Array<string>(count).fill('a')) }));
    expect(decodeDatagram(many(limits.coap.options)).ok).toBe(true);
    expect(decodeDatagram(many(limits.coap.options + 1)).ok).toBe(false);
  });

  it('an option longer than any may be is refused', () => {
    const long = (count: number): Uint8Array =>
      datagram('NON', 1, message(1, { options: pathOptions('a'.repeat(count)) }));
    expect(decodeDatagram(long(limits.coap.optionBytes)).ok).toBe(true);
    expect(decodeDatagram(long(limits.coap.optionBytes + 1)).ok).toBe(false);
  });
});

describe('encoding', () => {
  it('writes the extended forms of delta and length at their borders', () => {
    for (const number of [12, 13, 268, 269, 270, 65_535]) {
      for (const length of [0, 12, 13, 268, 269, 1034]) {
        const options = [{ number, value: new Uint8Array(length).fill(7) }];
        const { message: decoded } = sentDatagram(datagram('CON', 9, message(1, { options })));
        expect(decoded.options, `option ${number} of ${length} bytes`).toEqual(options);
      }
    }
  });

  it('refuses options out of order and long tokens: these are faults of ours', () => {
    const options = [uintOption(17, 1), uintOption(12, 1)];
    expect(() => encodeDatagram({ type: 'CON', messageId: 1, message: message(1, { options }) })).toThrow(
      'option 12 after option 17',
    );
    expect(() =>
      encodeDatagram({ type: 'CON', messageId: 1, message: message(1, { token: new Uint8Array(9) }) }),
    ).toThrow('a token of 9 bytes');
  });

  it('writes the empty messages in four bytes', () => {
    expect(toHex(encodeEmpty('CON', 0x1234))).toBe('40001234');
    expect(toHex(encodeEmpty('ACK', 0xffff))).toBe('6000ffff');
    expect(toHex(encodeEmpty('RST', 0))).toBe('70000000');
  });
});
