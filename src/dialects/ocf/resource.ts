import type { IncomingRequest } from '../../coap/endpoint.ts';
import { contentFormat, mediaType } from '../../coap/formats.ts';
import { type CborMap, type CborValue, decodeCbor, isCborMap } from '../../codec/cbor.ts';
import type { Millis } from '../../core/clock.ts';
import { type Decision, decided, FirstbootError, refused } from '../../core/errors.ts';
import type { ProvisioningSession, Step } from '../../provision/contract.ts';

/** One resource of plgd's provisioning protocol: reads its request, asks the session, renders the answer. */
export interface OcfResource {
  readonly path: string;
  readonly method: 'GET' | 'POST';
  /** What the device gets by it. */
  readonly step: Step;
  answer(session: ProvisioningSession, request: IncomingRequest, now: Millis): Promise<Outcome>;
}

/** A resource outside of plgd's protocol: bytes as they are, and no step of provisioning. */
export interface OctetResource {
  readonly path: string;
  readonly method: 'GET';
  readonly contentFormat: number;
  octets(session: ProvisioningSession, now: Millis): Promise<Decision<Uint8Array>>;
}

/** `unread`: the request could not be read, and the session does not know of it yet. */
export type Outcome = Decision<Rendering> | { readonly ok: false; readonly unread: Unread };

type Unread = Extract<Decision<never>, { ok: false }>['refusal'];

/** The answer's map; bytes have another form in JSON. Keys in the order of the reference service. */
export type Rendering = (form: 'cbor' | 'json') => CborMap;

/**
 * The map in a request's payload: CBOR, definite or indefinite, unknown keys and all (contract, plgd-service 1.3).
 * @param format 'required': the Content-Format option must be there; 'optional': without one it is CBOR.
 */
export function readMap(request: IncomingRequest, format: 'required' | 'optional'): Decision<CborMap> {
  const given = request.contentFormat;
  const known = given === contentFormat.ocfCbor || given === contentFormat.cbor;
  if (!known && !(given === undefined && format === 'optional')) {
    return refused(
      'request.content-format',
      { contentFormat: given === undefined ? 'none' : mediaType(given) },
      'send CBOR with Content-Format 10000 or 60',
    );
  }
  if (request.payload.length === 0) return refused('request.malformed', { payload: 'empty' }, 'send a CBOR map');
  try {
    const value = decodeCbor(request.payload);
    if (isCborMap(value)) return decided(value);
    return refused('request.malformed', { payload: kindOf(value) }, 'send a CBOR map');
  } catch (error) {
    if (!(error instanceof FirstbootError)) throw error;
    const { code, evidence, fix } = error;
    return { ok: false, refusal: { code, evidence, fix } };
  }
}

/** The text under `key`; '' when it is missing or null. A byte string is no text. */
export function readText(map: CborMap, key: string): Decision<string> {
  const value = map[key] ?? '';
  if (typeof value === 'string') return decided(value);
  return refused('request.malformed', { key, found: kindOf(value) }, `send ${key} as a text string`);
}

/** The map under `key`; undefined when it is missing or null. */
export function readInnerMap(map: CborMap, key: string): Decision<CborMap | undefined> {
  const value = map[key] ?? undefined;
  if (value === undefined || isCborMap(value)) return decided(value);
  return refused('request.malformed', { key, found: kindOf(value) }, `send ${key} as a map`);
}

export const unread = ({ refusal }: Extract<Decision<unknown>, { ok: false }>): Outcome => ({
  ok: false,
  unread: refusal,
});

function kindOf(value: CborValue): string {
  if (value instanceof Uint8Array) return 'a byte string';
  if (Array.isArray(value)) return 'an array';
  return value === null ? 'null' : typeof value;
}
