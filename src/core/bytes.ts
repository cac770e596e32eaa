/** Byte-string helpers. All of them copy unless they say that they share. */

export const noBytes: Uint8Array = new Uint8Array(0);

export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0;
}

export const toHex = (bytes: Uint8Array): string => share(bytes).toString('hex');

/** Parses hexadecimal text; throws a TypeError on anything that is not an even run of hex digits. */
export function fromHex(text: string): Uint8Array {
  if (!/^([0-9a-fA-F]{2})*$/.test(text)) throw new TypeError(`not hexadecimal: "${text.slice(0, 40)}"`);
  return new Uint8Array(Buffer.from(text, 'hex'));
}

export const toBase64 = (bytes: Uint8Array): string => share(bytes).toString('base64');

/** What toBase64 has written. */
export const fromBase64 = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64'));

export const utf8 = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'utf8'));

const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Decodes UTF-8 and throws a TypeError on an invalid sequence. */
export const fromUtf8 = (bytes: Uint8Array): string => strictDecoder.decode(bytes);

/** A Buffer over the same memory. */
export function share(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
