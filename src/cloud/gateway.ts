import type { IncomingRequest, OutgoingResponse } from '../coap/endpoint.ts';
import { contentFormat, negotiate } from '../coap/formats.ts';
import { findOption, optionNumber, uintOption } from '../coap/options.ts';
import { type CborMap, encodeCbor } from '../codec/cbor.ts';
import { noBytes, utf8 } from '../core/bytes.ts';
import type { Millis } from '../core/clock.ts';
import { type ErrorCode, errorTable, FirstbootError } from '../core/errors.ts';
import type { Uuid } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import { type Log, silentLog } from '../core/log.ts';
import type { Secret } from '../core/secret.ts';
import { fingerprint } from '../pki/certificate.ts';
import { type GatewayDevice, GatewayDevices } from './gateway-devices.ts';
import { identityOf } from './gateway-identity.ts';
import { type Answer, type GatewayEvent, type SessionState, type Visit, visit } from './gateway-resources.ts';
import type { ConfirmArrival, GatewayTokens } from './gateway-tokens.ts';

export interface GatewayDeps {
  readonly tokens: GatewayTokens;
  /** Told once a device has signed in; asked again at its next request when it could not be told. */
  readonly confirm?: ConfirmArrival;
  /** `apn`: when given, a device that signs up with another provider name is refused. */
  readonly provider?: string;
  readonly onEvent?: (event: GatewayEvent) => void;
  readonly log?: Log;
}

/** A secure session as the edge sees it; the object itself is the key. Its chain has been verified. */
export interface GatewaySession {
  /** The peer's leaf certificate, DER. */
  readonly certificate: Uint8Array | undefined;
}

export interface Gateway {
  /** Answers one request. Does not reject. */
  handle(session: GatewaySession, request: IncomingRequest, now: Millis): Promise<OutgoingResponse>;
  /** The session is over: its device is offline. Must be called once for every session that was handled. */
  closed(session: GatewaySession, now: Millis): void;
  devices(): readonly GatewayDevice[];
  /** Waits for confirmations under way. */
  settled(): Promise<void>;
}

/**
 * A small cloud, without sockets: what plgd's devices need of a CoAP gateway (contract, plgd-device b6 and
 * plgd-service 1.10). For demos, tests and firmware work; it keeps its devices in memory.
 */
export function createGateway(deps: GatewayDeps): Gateway {
  return new SmallCloud(deps);
}

class SmallCloud implements Gateway {
  private readonly deps: GatewayDeps;
  private readonly log: Log;
  private readonly known = new GatewayDevices();
  private readonly sessions = new Map<GatewaySession, SessionState>();
  private readonly confirming = new Map<Uuid, Promise<void>>();

  constructor(deps: GatewayDeps) {
    this.deps = deps;
    this.log = deps.log ?? silentLog;
  }

  async handle(session: GatewaySession, request: IncomingRequest, now: Millis): Promise<OutgoingResponse> {
    if (request.fault) return { code: request.fault.code, payload: utf8(request.fault.text) };
    const format = negotiate(request.accept, [contentFormat.ocfCbor, contentFormat.cbor]);
    if (format === undefined) return diagnostic('request.accept');
    try {
      const state = this.open(session, now);
      if (typeof state === 'string') return diagnostic(state);
      const answer = await visit(this.visitOf(state, now), request);
      if (!answer.ok) {
        const { code, evidence } = answer.refusal;
        this.log.info({ deviceId: state.deviceId, code, ...evidence }, errorTable[code].text);
        return diagnostic(code);
      }
      return rendered(answer.value, request, format);
    } catch (error) {
      // A fault of ours or of the authorization server passes: the device repeats the step.
      if (error instanceof FirstbootError) {
        this.log.warn({ code: error.code, ...error.evidence }, error.message);
        return diagnostic(error.code);
      }
      this.log.error({ error }, 'an unexpected error of the gateway');
      return diagnostic('service.internal');
    }
  }

  closed(session: GatewaySession, now: Millis): void {
    const state = this.sessions.get(session);
    if (!state) return;
    this.sessions.delete(session);
    state.closed = true;
    this.offline(state, now);
  }

  devices(): readonly GatewayDevice[] {
    return this.known.list();
  }

  async settled(): Promise<void> {
    while (this.confirming.size > 0) await Promise.all(this.confirming.values());
  }

  private open(session: GatewaySession, now: Millis): SessionState | ErrorCode {
    const known = this.sessions.get(session);
    if (known) return known;
    if (this.sessions.size >= limits.cloud.gatewaySessions) return 'service.busy';
    const identity = identityOf(session.certificate, now);
    if (!identity.ok) {
      this.log.info({ ...identity.refusal.evidence }, errorTable[identity.refusal.code].text);
      return identity.refusal.code;
    }
    const certificate = fingerprint(session.certificate ?? noBytes);
    const state: SessionState = { deviceId: identity.value, certificate, closed: false, signedIn: undefined };
    this.sessions.set(session, state);
    return state;
  }

  private visitOf(state: SessionState, now: Millis): Visit {
    return {
      state,
      now,
      tokens: this.deps.tokens,
      provider: this.deps.provider,
      devices: this.known,
      tell: (event) => this.deps.onEvent?.(event),
      online: (owner, accessToken) => this.online(state, owner, accessToken, now),
      offline: () => this.offline(state, now),
      arrived: () => this.confirmSoon(state, now),
    };
  }

  private online(state: SessionState, owner: string, accessToken: Secret<string>, now: Millis): void {
    const { deviceId, certificate } = state;
    if (state.closed) return;
    // A device whose old session has not been noticed to be dead comes by a new one: the old one signs nobody out.
    for (const other of this.sessions.values()) {
      if (other.deviceId === deviceId && other !== state) other.signedIn = undefined;
    }
    const before = this.known.get(deviceId);
    const wasOnline = before?.online ?? false;
    state.signedIn = accessToken;
    // Provisioned anew, it arrives anew: its service may have begun anew with it.
    const confirmed = before?.confirmed === true && before.certificate === certificate;
    this.known.change(deviceId, { owner, online: true, signedInAt: now, certificate, confirmed });
    if (!wasOnline) this.deps.onEvent?.({ type: 'online', deviceId, owner, at: now });
    this.confirmSoon(state, now);
  }

  private offline(state: SessionState, now: Millis): void {
    const device = this.known.get(state.deviceId);
    if (!state.signedIn || !device) return;
    state.signedIn = undefined;
    this.known.change(state.deviceId, { online: false });
    this.deps.onEvent?.({ type: 'offline', deviceId: state.deviceId, owner: device.owner, at: now });
  }

  /** The device does not wait for this: it has arrived, whether or not the service can hear it now. */
  private confirmSoon({ deviceId, signedIn }: SessionState, now: Millis): void {
    const { confirm } = this.deps;
    if (!confirm || !signedIn || this.confirming.has(deviceId) || this.known.get(deviceId)?.confirmed) return;
    const told = confirm(deviceId, signedIn, now)
      .then((decision) => {
        if (!decision.ok)
          return this.log.warn({ deviceId, code: decision.refusal.code }, 'an arrival was not accepted');
        if (this.known.get(deviceId)) this.known.change(deviceId, { confirmed: true });
        this.deps.onEvent?.({ type: 'confirmed', deviceId, at: now });
      })
      .catch((error: unknown) => this.log.warn({ deviceId, error }, 'an arrival could not be confirmed'))
      .finally(() => this.confirming.delete(deviceId));
    this.confirming.set(deviceId, told);
  }
}

function rendered({ code, body }: Answer, request: IncomingRequest, format: number): OutgoingResponse {
  if (body === undefined) return { code };
  // OCF-Content-Format-Version is critical by its number: only who speaks of versions gets one.
  const versioned = findOption(request.options, optionNumber.ocfAcceptContentFormatVersion) !== undefined;
  const options = versioned && format === contentFormat.ocfCbor ? [ocfVersion] : [];
  return { code, payload: encodeCbor(fitting(body)), contentFormat: format, options };
}

const ocfVersion = uintOption(optionNumber.ocfContentFormatVersion, 2048);

/** A device drops an answer over 8 KiB (plgd-device b): then the published links come back without their details. */
function fitting(body: CborMap): CborMap {
  const { links } = body;
  if (!Array.isArray(links) || encodeCbor(body).length <= limits.device.responseBytes) return body;
  return { ...body, links: links.map(({ href, ins }: CborMap) => ({ href: href ?? '', ins: ins ?? 0 })) };
}

/** Code and public text. No Content-Format: the device would close the session on it (plgd-device b). */
function diagnostic(code: ErrorCode): OutgoingResponse {
  const { coap, text } = errorTable[code];
  return { code: coap, payload: utf8(`${code}: ${text}`) };
}
