import { failure } from '../core/errors.ts';
import { limits } from '../core/limits.ts';

/**
 * A body as text in the pieces it comes in; a character that is cut in two is put together again.
 * @throws FirstbootError request.too-large beyond limits.api.importBytes, request.malformed when it is not UTF-8
 */
export async function* requestText(
  body: AsyncIterable<Uint8Array>,
  seen: (piece: Uint8Array) => void,
): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let size = 0;
  for await (const piece of body) {
    size += piece.length;
    if (size > limits.api.importBytes) throw tooLarge();
    seen(piece);
    const text = decoded(() => decoder.decode(piece, { stream: true }), size);
    if (text !== '') yield text;
  }
  const rest = decoded(() => decoder.decode(), size);
  if (rest !== '') yield rest;
}

/** @throws FirstbootError request.too-large when the Content-Length says so already */
export function requireLength(header: string | undefined, most: number): void {
  if (header !== undefined && Number(header) > most) throw tooLarge(most);
}

const tooLarge = (most: number = limits.api.importBytes) =>
  failure('request.too-large', { most }, `send at most ${most} bytes at a time`);

function decoded(read: () => string, before: number): string {
  try {
    return read();
  } catch (error) {
    throw failure('request.malformed', { at: 'body', before }, 'send UTF-8', error);
  }
}
