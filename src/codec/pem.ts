import { fromUtf8, toBase64 } from '../core/bytes.ts';
import { type FirstbootError, failure } from '../core/errors.ts';
import { limits } from '../core/limits.ts';

/** One `-----BEGIN label-----` block (RFC 7468). */
export interface PemBlock {
  readonly label: string;
  readonly der: Uint8Array;
}

/**
 * Reads every block of a PEM document. Lines end in LF or CRLF; base64 must be canonical.
 * @param form 'file' allows text around the blocks, as `openssl x509 -text` writes it; 'wire' allows nothing but blocks.
 * @param maxBytes of the whole document.
 * @throws FirstbootError pem.malformed with the line as evidence; also for encrypted keys, too many blocks or bytes.
 */
export function decodePem(
  document: string | Uint8Array,
  form: 'file' | 'wire' = 'file',
  maxBytes: number = limits.pem.bytes,
): PemBlock[] {
  const text = asText(document);
  if (text.length > maxBytes) throw malformed(1, `more than ${maxBytes} bytes`);
  const lines = text.split(/\r?\n/);
  const blocks: PemBlock[] = [];
  for (let at = 0; at < lines.length; at++) {
    const label = /^-----BEGIN ([A-Z0-9 ]+)-----$/.exec(clean(lines[at], form))?.[1];
    if (label === undefined) {
      if (form === 'wire' && lines[at] !== '') throw malformed(at + 1, 'text outside of a block');
      if (lines[at]?.startsWith('-----')) throw malformed(at + 1, 'a boundary that is out of place');
      continue;
    }
    const end = lines.findIndex((line, k) => k > at && line.startsWith('-----'));
    if (end < 0 || clean(lines[end], form) !== `-----END ${label}-----`) {
      throw malformed(at + 1, `a ${label} block without its end`);
    }
    if (blocks.length === limits.pem.blocks) throw malformed(at + 1, `more than ${limits.pem.blocks} blocks`);
    blocks.push({ label, der: body(lines, at, end, form) });
    at = end;
  }
  return blocks;
}

/**
 * The one block of a document that must hold exactly one, of this label.
 * @throws FirstbootError pem.malformed
 */
export function decodePemBlock(
  document: string | Uint8Array,
  label: string,
  form: 'file' | 'wire' = 'file',
): Uint8Array {
  const blocks = decodePem(document, form);
  const [block] = blocks;
  if (!block || blocks.length > 1 || block.label !== label) {
    throw malformed(1, `${blocks.map((found) => found.label).join(', ') || 'no block'} instead of one ${label}`);
  }
  return block.der;
}

/** Writes one block with 64 characters a line (RFC 7468 §2), ending in a line feed. */
export function encodePem(label: string, der: Uint8Array): string {
  const lines = toBase64(der).match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
}

/** Certificates one after another, in the given order. */
export const encodeCertificates = (chain: readonly Uint8Array[]): string =>
  chain.map((der) => encodePem('CERTIFICATE', der)).join('');

/**
 * Every certificate of a document, in its order; at least one. Blocks of another label are an error: a private key
 * in a chain file is a mistake to be told about.
 * @throws FirstbootError pem.malformed
 */
export function decodeCertificates(document: string | Uint8Array): Uint8Array[] {
  const blocks = decodePem(document);
  const stranger = blocks.find(({ label }) => label !== 'CERTIFICATE');
  if (stranger) throw malformed(1, `a ${stranger.label} block among certificates`);
  if (blocks.length === 0) throw malformed(1, 'no certificate');
  return blocks.map(({ der }) => der);
}

function body(lines: readonly string[], begin: number, end: number, form: 'file' | 'wire'): Uint8Array {
  const inner = lines.slice(begin + 1, end).map((line) => clean(line, form));
  const odd = inner.findIndex((line) => !/^[A-Za-z0-9+/]+={0,2}$/.test(line));
  if (odd >= 0) {
    const found = inner[odd]?.includes(':')
      ? 'a header: encrypted keys are not supported'
      : 'a line that is not base64';
    throw malformed(begin + 2 + odd, found);
  }
  const base64 = inner.join('');
  const der = new Uint8Array(Buffer.from(base64, 'base64'));
  // Also catches padding inside, missing padding, and bits set behind the last octet (RFC 4648 §3.5).
  if (der.length === 0 || toBase64(der) !== base64) throw malformed(begin + 2, 'base64 that is not canonical');
  return der;
}

function asText(document: string | Uint8Array): string {
  if (typeof document === 'string') return document;
  try {
    return fromUtf8(document);
  } catch {
    throw malformed(1, 'bytes that are not text (is it DER?)');
  }
}

const clean = (line: string | undefined, form: 'file' | 'wire'): string =>
  form === 'file' ? (line ?? '').trimEnd() : (line ?? '');

function malformed(line: number, found: string): FirstbootError {
  return failure('pem.malformed', { line, found }, 'send PEM text (RFC 7468)');
}
