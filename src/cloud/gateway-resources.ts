import type { IncomingRequest, Method } from '../coap/endpoint.ts';
import { contentFormat } from '../coap/formats.ts';
import { type CborMap, type CborValue, decodeCbor, isCborMap } from '../codec/cbor.ts';
import { isoTime, type Millis } from '../core/clock.ts';
import { type Decision, decided, FirstbootError, refused } from '../core/errors.ts';
import { parseUuid, type Uuid } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import { Secret } from '../core/secret.ts';
import type { GatewayDevices, PublishedLink } from './gateway-devices.ts';
import type { GatewayGrant, GatewayTokens } from './gateway-tokens.ts';

/** What happens at the gateway, as it happens. */
export type GatewayEvent =
  | { readonly type: GatewayEventName; readonly deviceId: Uuid; readonly owner: string; readonly at: Millis }
  | { readonly type: 'published'; readonly deviceId: Uuid; readonly hrefs: readonly string[]; readonly at: Millis }
  | { readonly type: 'confirmed'; readonly deviceId: Uuid; readonly at: Millis };

type GatewayEventName = 'signed-up' | 'online' | 'offline' | 'refreshed' | 'signed-off';

/** What the gateway knows of one session. */
export interface SessionState {
  /** From the identity certificate; what bodies say only has to agree. */
  readonly deviceId: Uuid;
  /** SHA-256 of that certificate, hex. */
  readonly certificate: string;
  closed: boolean;
  /** The token the device signed in with; undefined: it has not, or has signed out. */
  signedIn: Secret<string> | undefined;
}

/** One request's surroundings. */
export interface Visit {
  readonly state: SessionState;
  readonly now: Millis;
  readonly tokens: GatewayTokens;
  readonly provider: string | undefined;
  readonly devices: GatewayDevices;
  readonly tell: (event: GatewayEvent) => void;
  readonly online: (owner: string, accessToken: Secret<string>) => void;
  readonly offline: () => void;
  /** The device shows itself again: a good moment to confirm what could not be confirmed. */
  readonly arrived: () => void;
}

export interface Answer {
  readonly code: 202 | 204 | 205;
  readonly body?: CborMap;
}

type Handler = (visit: Visit, request: IncomingRequest) => Promise<Decision<Answer>>;

/** Routes a request to its resource. @throws FirstbootError on faults that pass */
export async function visit(here: Visit, request: IncomingRequest): Promise<Decision<Answer>> {
  const path = `/${request.path.join('/')}`;
  const resource = resources.get(path);
  if (!resource) return refused('request.unknown-path', { path: path.slice(0, 100) }, '');
  const handler = resource[request.method];
  if (!handler) return refused('request.method', { path, method: request.method }, '');
  return handler(here, request);
}

const signUp: Handler = async ({ state, now, tokens, provider, devices, tell }, request) => {
  const body = readBody(request, state);
  if (!body.ok) return body;
  const { deviceId } = state;
  const named = body.value.authprovider;
  if (provider !== undefined && named !== provider) {
    const evidence = { authprovider: typeof named === 'string' ? named.slice(0, 60) : 'none', expected: provider };
    return refused('cloud.token', evidence, "make the hub's provider name the gateway's");
  }
  // `authcode` is the older name of the same thing (plgd-service 1.10).
  const token = text(body.value, 'accesstoken') || text(body.value, 'authcode');
  const granted = await tokens.exchange(token, deviceId, now);
  if (!granted.ok) return granted;
  const { owner } = granted.value.subject;
  devices.signUp(deviceId);
  devices.change(deviceId, { owner, signedUpAt: now });
  tell({ type: 'signed-up', deviceId, owner, at: now });
  const { accesstoken, refreshtoken, expiresin } = grantBody(granted.value, now);
  return decided({ code: 204, body: { accesstoken, refreshtoken, uid: owner, expiresin, redirecturi: '' } });
};

const signInOrOut: Handler = async ({ state, now, tokens, devices, online, offline }, request) => {
  const body = readBody(request, state);
  if (!body.ok) return body;
  if (body.value.login === false && state.signedIn) {
    offline();
    return decided({ code: 204, body: {} });
  }
  if (devices.hasSignedOff(state.deviceId)) return refused('cloud.token', { reason: 'signed off' }, 'sign up again');
  const token = text(body.value, 'accesstoken');
  const verified = await tokens.verify(token, state.deviceId, now);
  if (!verified.ok) return verified;
  const { owner, expiresAt } = verified.value;
  const uid = text(body.value, 'uid');
  if (uid !== owner) return refused('cloud.token', { uid: uid.slice(0, 60) }, 'use the uid that sign-up gave');
  if (body.value.login === false) return decided({ code: 204, body: {} });
  online(owner, new Secret(token));
  return decided({ code: 204, body: { expiresin: secondsLeft(expiresAt, now) } });
};

const refresh: Handler = async ({ state, now, tokens, devices, tell }, request) => {
  const body = readBody(request, state);
  if (!body.ok) return body;
  if (devices.hasSignedOff(state.deviceId)) return refused('cloud.token', { reason: 'signed off' }, 'sign up again');
  const granted = await tokens.refresh(text(body.value, 'refreshtoken'), state.deviceId, now);
  if (!granted.ok) return granted;
  const { owner } = granted.value.subject;
  const uid = text(body.value, 'uid');
  if (uid !== owner) return refused('cloud.token', { uid: uid.slice(0, 60) }, 'use the uid that sign-up gave');
  tell({ type: 'refreshed', deviceId: state.deviceId, owner, at: now });
  return decided({ code: 204, body: grantBody(granted.value, now) });
};

const signOff: Handler = async ({ state, now, tokens, devices, tell, offline }, request) => {
  const { deviceId } = state;
  const query = readQuery(request);
  const di = query.get('di');
  if (di !== null && parseUuid(di) !== deviceId) return otherDevice(di, deviceId);
  // A long token does not fit into a Uri-Query (RFC 7252 §5.10): a device then signs in first and leaves it out.
  const token = query.get('accesstoken');
  if (token !== null || !state.signedIn) {
    const verified = await tokens.verify(token ?? '', deviceId, now);
    if (!verified.ok) return verified;
  }
  const owner = devices.get(deviceId)?.owner ?? '';
  offline();
  devices.signOff(deviceId, now);
  tell({ type: 'signed-off', deviceId, owner, at: now });
  return decided({ code: 202 });
};

const publish: Handler = async ({ state, now, devices, tell, arrived }, request) => {
  const body = readBody(request, state);
  if (!body.ok) return body;
  if (!state.signedIn) return refused('cloud.not-signed-in', {}, 'sign in on this session');
  if (request.payload.length > limits.cloud.publishBytes) {
    return refused('request.too-large', { bytes: request.payload.length }, 'publish fewer resources at a time');
  }
  const given = body.value.links;
  const links = Array.isArray(given) ? given.filter(isLink) : [];
  if (!Array.isArray(given) || links.length !== given.length) {
    return refused('request.malformed', { key: 'links' }, 'send links as an array of maps, each with an href');
  }
  const merged = new Map(devices.get(state.deviceId)?.links.map((link) => [link.href, link]));
  const published = links.map((link) => {
    const numbered = { ...link, ins: instanceOf(link, merged) };
    merged.set(link.href, numbered);
    return numbered;
  });
  if (merged.size > limits.cloud.links) {
    return refused('request.too-large', { links: merged.size, limit: limits.cloud.links }, 'publish fewer resources');
  }
  devices.change(state.deviceId, { links: [...merged.values()] });
  arrived();
  const hrefs = published.map(({ href }) => href);
  tell({ type: 'published', deviceId: state.deviceId, hrefs, at: now });
  const ttl = typeof body.value.ttl === 'number' ? body.value.ttl : 0;
  return decided({ code: 204, body: { di: state.deviceId, links: published, ttl, lt: ttl } });
};

const unpublish: Handler = async ({ state, devices }, request) => {
  if (!state.signedIn) return refused('cloud.not-signed-in', {}, 'sign in on this session');
  const query = readQuery(request);
  const di = query.get('di');
  if (di !== null && parseUuid(di) !== state.deviceId) return otherDevice(di, state.deviceId);
  const instances = new Set(query.getAll('ins').map(Number));
  const links = devices.get(state.deviceId)?.links ?? [];
  // Without instance numbers everything goes.
  devices.change(state.deviceId, { links: links.filter(({ ins }) => instances.size > 0 && !instances.has(ins)) });
  return decided({ code: 202 });
};

const time: Handler = async ({ now }) => decided({ code: 205, body: { time: isoTime(now) } });

const resources: ReadonlyMap<string, Readonly<Partial<Record<Method, Handler>>>> = new Map([
  ['/oic/sec/account', { POST: signUp, DELETE: signOff }],
  ['/oic/sec/session', { POST: signInOrOut }],
  ['/oic/sec/tokenrefresh', { POST: refresh }],
  ['/oic/rd', { POST: publish, DELETE: unpublish }],
  ['/x.plgd.dev/time', { GET: time }],
]);

function grantBody({ accessToken, refreshToken, expiresAt }: GatewayGrant, now: Millis) {
  return {
    accesstoken: accessToken.reveal(),
    refreshtoken: refreshToken.reveal(),
    expiresin: secondsLeft(expiresAt, now),
  };
}

/** -1: for ever. */
const secondsLeft = (end: Millis | undefined, now: Millis): number =>
  end === undefined ? -1 : Math.max(1, Math.floor((end - now) / 1000));

/** The map in the payload; its `di`, when there is one, is the session's device. */
function readBody(request: IncomingRequest, { deviceId }: SessionState): Decision<CborMap> {
  const format = request.contentFormat ?? contentFormat.ocfCbor;
  if (format !== contentFormat.ocfCbor && format !== contentFormat.cbor) {
    return refused('request.content-format', { contentFormat: format }, 'send CBOR with Content-Format 10000 or 60');
  }
  let body: CborValue;
  try {
    body = decodeCbor(request.payload);
  } catch (error) {
    if (!(error instanceof FirstbootError)) throw error;
    return refused(error.code, error.evidence, error.fix);
  }
  if (!isCborMap(body)) return refused('request.malformed', { payload: 'no map' }, 'send a CBOR map');
  const di = body.di ?? '';
  if (di === '' || (typeof di === 'string' && parseUuid(di) === deviceId)) return decided(body);
  return otherDevice(typeof di === 'string' ? di : 'no text', deviceId);
}

const otherDevice = (di: string, deviceId: Uuid): ReturnType<typeof refused> =>
  refused('cloud.device-id', { di: di.slice(0, 60), certificate: deviceId }, 'name the device of the certificate');

const text = (map: CborMap, key: string): string => {
  const value = map[key];
  return typeof value === 'string' ? value : '';
};

/** `key=value` items; a `+` is a plus sign here, so URLSearchParams must not read them. */
function readQuery(request: IncomingRequest): { get(key: string): string | null; getAll(key: string): string[] } {
  const pairs = request.query.map((item): [string, string] => {
    const equals = item.indexOf('=');
    return equals < 0 ? [item, ''] : [item.slice(0, equals), item.slice(equals + 1)];
  });
  const getAll = (key: string): string[] => pairs.filter(([name]) => name === key).map(([, value]) => value);
  return { get: (key) => getAll(key)[0] ?? null, getAll };
}

const isLink = (value: CborValue): value is CborMap & { readonly href: string } =>
  isCborMap(value) && typeof value.href === 'string' && value.href.startsWith('/');

/** The link's own number, the one it had, or a new one. */
function instanceOf(link: CborMap & { readonly href: string }, known: ReadonlyMap<string, PublishedLink>): number {
  if (typeof link.ins === 'number') return link.ins;
  const before = known.get(link.href)?.ins;
  return before ?? Math.max(0, ...[...known.values()].map(({ ins }) => ins)) + 1;
}
