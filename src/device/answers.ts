import { describeCode } from '../coap/code.ts';
import type { IncomingResponse } from '../coap/endpoint.ts';
import { contentFormat } from '../coap/formats.ts';
import { optionNumber, uintOf } from '../coap/options.ts';
import { type CborMap, type CborValue, decodeCbor, isCborMap } from '../codec/cbor.ts';
import { utf8 } from '../core/bytes.ts';
import type { Millis } from '../core/clock.ts';
import { type Decision, decided, type Evidence, FirstbootError, type Refusal, refused } from '../core/errors.ts';
import { nilUuid, parseUuid, type Uuid } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import type { Gateway, Payload, PayloadValue } from './state.ts';

/**
 * What the device makes of a response before its content is looked at (contract, plgd-device b and d). plgd's client takes
 * codes outside of its table for success and hangs on malformed CBOR; here both are failures.
 */
export type Answer =
  | { readonly type: 'content'; readonly map: CborMap }
  /** 5.03 and 5.04: the same step may be asked for again. */
  | { readonly type: 'transient'; readonly refusal: Refusal }
  | { readonly type: 'failure'; readonly refusal: Refusal };

/** @param timeTag lets CBOR tag 0 pass in front of text, as the time step allows. */
export function readAnswer(response: IncomingResponse, codes: readonly number[], timeTag = false): Answer {
  const told: Evidence = { code: describeCode(response.code), ...diagnosticIn(response) };
  if (transientCodes.includes(response.code)) {
    return { type: 'transient', refusal: protocol(told, 'ask again') };
  }
  if (!codes.includes(response.code)) {
    return unusable(told, 'look into the service for the reason of this code');
  }
  if (response.contentFormat !== undefined && response.contentFormat !== contentFormat.ocfCbor) {
    return unusable({ contentFormat: response.contentFormat }, 'answer with Content-Format 10000');
  }
  const version = uintOf(response.options, optionNumber.ocfContentFormatVersion);
  if (version !== undefined && version < 2048) return unusable({ ocfVersion: version }, 'answer with OCF version 2048');
  if (response.payload.length > limits.device.responseBytes) {
    return unusable({ bytes: response.payload.length }, `keep answers at ${limits.device.responseBytes} bytes or less`);
  }
  // Without a Content-Format the payload does not count.
  if (response.contentFormat === undefined || response.payload.length === 0) return { type: 'content', map: {} };
  return decoded(response.payload, timeTag);
}

/** Success as plgd's client counts it. The time step takes 2.05 only. */
export const successCodes: readonly number[] = [201, 202, 203, 204, 205];

/** b1: `{"time": RFC 3339 text}`, ms since the epoch. Other keys are ignored. */
export function readTime(map: CborMap): Decision<Millis> {
  const { time } = map;
  if (typeof time !== 'string') return wrong('time', time, 'send the time as RFC 3339 text');
  const match = /^(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2})(?:\.(\d{0,9}))?([Zz]|[+-]\d{2}:\d{2})$/.exec(time);
  const [, day = '', clock = '', fraction = '', zone = ''] = match ?? [];
  const ms = fraction.slice(0, 3).padEnd(3, '0');
  const parsed = match ? Date.parse(`${day}T${clock}.${ms}${zone.toUpperCase()}`) : Number.NaN;
  return Number.isNaN(parsed) ? wrong('time', time, 'send the time as RFC 3339 text') : decided(parsed);
}

/** b2: exactly `{"devowneruuid": uuid text}`. A device cannot be its own owner: a restart would take it for unowned. */
export function readOwner(map: CborMap, deviceId: Uuid): Decision<Uuid> {
  const stranger = Object.keys(map).find((key) => key !== 'devowneruuid');
  if (stranger !== undefined) return protocolRefused({ unexpected: stranger }, 'send devowneruuid and no other key');
  const { devowneruuid } = map;
  const owner = typeof devowneruuid === 'string' ? parseUuid(devowneruuid) : undefined;
  // The nil UUID is nobody's: a device of that owner would be free for all who come without a name.
  if (owner === undefined || owner === nilUuid) {
    return wrong('devowneruuid', devowneruuid, 'send the owner as UUID text');
  }
  if (owner === deviceId) return wrong('devowneruuid', owner, 'the owner must not be the device itself');
  return decided(owner);
}

export interface CloudConfiguration {
  readonly accessToken: string;
  readonly provider: string;
  /** The first is `cis` and `sid`; no two are the same. */
  readonly gateways: readonly [Gateway, ...Gateway[]];
  readonly payload: Payload | undefined;
}

/** b3: `at`, `apn`, `cis` and `sid` are text and mandatory, `sid` is a UUID or empty; further gateways and a payload are optional. */
export function readCloud(map: CborMap): Decision<CloudConfiguration> {
  for (const key of ['at', 'apn', 'cis', 'sid']) {
    const value = map[key];
    if (typeof value !== 'string' || value.length >= limits.device.cloudTextBytes) {
      return wrong(key, value, `send ${key} as text`);
    }
  }
  const { at, apn, cis, sid } = map;
  const id = sid === '' ? '' : parseUuid(String(sid));
  if (id === undefined) return wrong('sid', sid, 'send the hub id as UUID text');
  const payload = map[payloadKey];
  if (payload !== undefined && !isPayload(payload)) {
    return protocolRefused(
      { key: payloadKey },
      `send a map of what JSON has, at most ${limits.policy.payloadBytes} bytes of it`,
    );
  }
  const first: Gateway = { uri: String(cis), id };
  return decided({
    accessToken: String(at),
    provider: String(apn),
    gateways: [first, ...furtherGateways(map['x.org.iotivity.servers'], first)],
    payload,
  });
}

/** Where a successful answer sends the device for its next steps; undefined without a redirect. */
export function readRedirect({ redirecturi }: CborMap): string | undefined {
  return typeof redirecturi === 'string' && redirecturi !== '' ? redirecturi : undefined;
}

export const protocolRefused = (evidence: Evidence, fix: string): { ok: false; refusal: Refusal } =>
  refused('device.protocol', evidence, fix);

/** The refusal of a value: its type and, for short text, what it was. */
export function wrong(key: string, value: CborValue | undefined, fix: string): { ok: false; refusal: Refusal } {
  const found =
    value === undefined
      ? 'nothing'
      : typeof value === 'string' && value.length <= 64 && !secretKeys.has(key)
        ? `"${value}"`
        : typeof value;
  return protocolRefused({ key, found }, fix);
}

const secretKeys: ReadonlySet<string> = new Set(['at', 'accesstoken', 'refreshtoken']);

const transientCodes: readonly number[] = [503, 504];

const protocol = (evidence: Evidence, fix: string): Refusal => ({ code: 'device.protocol', evidence, fix });

const unusable = (evidence: Evidence, fix: string): Answer => ({ type: 'failure', refusal: protocol(evidence, fix) });

/** What the service says of an error for people (RFC 7252 §5.5.2): payload without a Content-Format. Of it, a line of text. */
function diagnosticIn({ code, contentFormat: format, payload }: IncomingResponse): Evidence {
  if (code < 400 || format !== undefined || payload.length === 0) return {};
  const text = new TextDecoder().decode(payload.subarray(0, limits.coap.diagnosticBytes));
  return { says: text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '?') };
}

function decoded(payload: Uint8Array, timeTag: boolean): Answer {
  try {
    const map = decodeCbor(payload, { timeTag });
    return isCborMap(map) ? { type: 'content', map } : unusable({ cbor: 'not a map' }, 'answer with a CBOR map');
  } catch (error) {
    if (!(error instanceof FirstbootError)) throw error;
    return unusable({ cbor: error.code, ...error.evidence }, error.fix);
  }
}

/** firstboot's own key beside those of plgd. */
const payloadKey = 'x.firstboot.payload';

const isPayload = (value: CborValue): value is CborMap & Payload =>
  isCborMap(value) && isJson(value) && utf8(JSON.stringify(value)).length <= limits.policy.payloadBytes;

function isJson(value: CborValue): value is CborValue & PayloadValue {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return true;
  if (typeof value === 'number') return Number.isFinite(value);
  if (Array.isArray(value)) return (value as readonly CborValue[]).every(isJson);
  return isCborMap(value) && Object.values(value).every(isJson);
}

/** Bad entries and repeated ones are skipped, as plgd's client does. */
function furtherGateways(servers: CborValue | undefined, first: Gateway): Gateway[] {
  const found: Gateway[] = [first];
  for (const server of Array.isArray(servers) ? (servers as readonly CborValue[]) : []) {
    if (!isCborMap(server) || typeof server.uri !== 'string' || server.uri === '') continue;
    const id = server.id === undefined ? '' : typeof server.id === 'string' ? parseUuid(server.id) : undefined;
    if (id === undefined || found.length === limits.device.endpoints) continue;
    const { uri } = server;
    if (!found.some((known) => known.uri === uri && known.id === id)) found.push({ uri, id });
  }
  return found.slice(1);
}
