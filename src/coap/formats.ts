/** Content formats (RFC 7252 §12.3 and its registry) that firstboot reads, writes or names. */
export const contentFormat = {
  text: 0,
  linkFormat: 40,
  octets: 42,
  json: 50,
  cbor: 60,
  /** What OCF devices speak; also the answer to a request that names no format (contract, plgd-service 1.3). */
  ocfCbor: 10000,
} as const;

const mediaTypes: Readonly<Record<number, string>> = {
  0: 'text/plain; charset=utf-8',
  40: 'application/link-format',
  42: 'application/octet-stream',
  50: 'application/json',
  60: 'application/cbor',
  10000: 'application/vnd.ocf+cbor',
};

/** The media type of a content format, or its number as text when it has no name here. */
export const mediaType = (format: number): string => mediaTypes[format] ?? String(format);

/** What the dialects offer, best first: OCF's CBOR, plain CBOR, JSON with the same keys. */
const offeredFormats: readonly number[] = [contentFormat.ocfCbor, contentFormat.cbor, contentFormat.json];

/**
 * The content format of the answer to a request with this Accept option (RFC 7252 §5.10.4): the one asked for, the first
 * one offered when none was asked for, or undefined when what was asked for is not offered.
 */
export function negotiate(accept: number | undefined, offered: readonly number[] = offeredFormats): number | undefined {
  if (accept === undefined) return offered[0];
  return offered.includes(accept) ? accept : undefined;
}
