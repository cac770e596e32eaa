import { parseCoapUri } from '../coap/uri.ts';
import { fromUtf8 } from '../core/bytes.ts';
import { type Decision, decided, type Evidence, refused } from '../core/errors.ts';
import type { Fingerprint } from './context.ts';

/** What a network's DHCP server tells about the provisioning service. */
export interface DhcpOption {
  /** URI of the service. */
  readonly endpoint?: string;
  readonly fingerprint?: Fingerprint;
}

/**
 * Reads the content of DHCP option 43 (RFC 2132 §8.4: code, length, data) as plgd's client does (contract, plgd-device d):
 * 200 the endpoint's URI, 201 a certificate's fingerprint, 202 the digest's name. Any other code makes the whole option
 * invalid, and so does a fingerprint whose length is not its digest's.
 */
export function readDhcpOption(bytes: Uint8Array): Decision<DhcpOption> {
  const fields = new Map<number, Uint8Array>();
  for (let at = 0; at < bytes.length; ) {
    const code = bytes[at] ?? 0;
    const length = bytes[at + 1];
    if (!knownCodes.includes(code)) return invalid({ code, at }, 'send the codes 200, 201 and 202 only');
    if (length === undefined || at + 2 + length > bytes.length) {
      return invalid({ code, at, left: Math.max(0, bytes.length - at - 2) }, 'send as many bytes as the length says');
    }
    if (fields.has(code)) return invalid({ code, at, found: 'twice' }, 'send each code once');
    fields.set(code, bytes.subarray(at + 2, at + 2 + length));
    at += 2 + length;
  }
  const endpoint = readEndpoint(fields.get(codes.endpoint));
  if (!endpoint.ok) return endpoint;
  const fingerprint = readFingerprint(fields.get(codes.fingerprint), fields.get(codes.digest));
  if (!fingerprint.ok) return fingerprint;
  if (endpoint.value === undefined && fingerprint.value === undefined) {
    return invalid({ bytes: bytes.length }, 'send an endpoint (200) or a fingerprint (201, 202)');
  }
  return decided({
    ...(endpoint.value !== undefined && { endpoint: endpoint.value }),
    ...(fingerprint.value && { fingerprint: fingerprint.value }),
  });
}

/** Bytes of an option in the spellings of dhclient's files: `c8:1b:63`, `1:a:3`, or packed hex. Undefined: none of them. */
export function parseVendorOption(text: string): Uint8Array | undefined {
  const trimmed = text.trim();
  if (/^([0-9a-fA-F]{2})+$/.test(trimmed)) return new Uint8Array(Buffer.from(trimmed, 'hex'));
  if (!/^[0-9a-fA-F]{1,2}(:[0-9a-fA-F]{1,2})*$/.test(trimmed)) return undefined;
  return Uint8Array.from(trimmed.split(':'), (byte) => Number.parseInt(byte, 16));
}

/** The content of option 43 in a dhclient leases file: the last one counts, for leases are appended. Undefined: there is none. */
export function vendorOptionOf(leases: string): Uint8Array | undefined {
  const lines = leases.matchAll(/^\s*option\s+vendor-encapsulated-options\s+([0-9a-fA-F:]+)\s*;/gm);
  const last = [...lines].at(-1)?.[1];
  return last === undefined ? undefined : parseVendorOption(last);
}

const codes = { endpoint: 200, fingerprint: 201, digest: 202 } as const;
const knownCodes: readonly number[] = Object.values(codes);

const digestBytes = { SHA256: 32, SHA384: 48 } as const;

function readEndpoint(bytes: Uint8Array | undefined): Decision<string | undefined> {
  if (bytes === undefined) return decided(undefined);
  const uri = textOf(bytes);
  const parsed = uri === undefined ? undefined : parseCoapUri(uri);
  if (uri === undefined || !parsed?.ok) {
    const found = uri === undefined ? 'bytes that are no text' : uri.slice(0, 80);
    return invalid({ code: codes.endpoint, found }, 'send coaps://host:port or coaps+tcp://host:port');
  }
  return decided(uri);
}

function readFingerprint(
  value: Uint8Array | undefined,
  name: Uint8Array | undefined,
): Decision<Fingerprint | undefined> {
  if (value === undefined && name === undefined) return decided(undefined);
  const digest = name && textOf(name);
  if (digest !== 'SHA256' && digest !== 'SHA384') {
    return invalid(
      { code: codes.digest, found: digest?.slice(0, 20) ?? 'nothing' },
      'name the digest SHA256 or SHA384',
    );
  }
  if (value?.length !== digestBytes[digest]) {
    const evidence = { code: codes.fingerprint, digest, bytes: value?.length ?? 0 };
    return invalid(evidence, `send the ${digestBytes[digest]} bytes of the digest`);
  }
  return decided({ digest, value: value.slice() });
}

function textOf(bytes: Uint8Array): string | undefined {
  try {
    const text = fromUtf8(bytes);
    // Some servers send the closing zero of a C string.
    return text.endsWith('\0') ? text.slice(0, -1) : text;
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

const invalid = (evidence: Evidence, fix: string): { ok: false; refusal: ReturnType<typeof refused>['refusal'] } =>
  refused('device.protocol', { option: 43, ...evidence }, fix);
