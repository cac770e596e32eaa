import type { IncomingRequest, OutgoingResponse } from '../../coap/endpoint.ts';
import { contentFormat, negotiate } from '../../coap/formats.ts';
import { observeOf } from '../../coap/observation.ts';
import { findOption, optionNumber, uintOption } from '../../coap/options.ts';
import { errorResponse, faultResponse } from '../../coap/router.ts';
import { type CborMap, type CborValue, decodeCbor, encodeCbor, isCborMap } from '../../codec/cbor.ts';
import { equalBytes, noBytes, utf8 } from '../../core/bytes.ts';
import { type Decision, decided, FirstbootError, refused } from '../../core/errors.ts';
import { type Caller, isAllowed, type Subject } from '../access.ts';
import type { Link } from '../requests.ts';
import { acl2Resource } from './acl2.ts';
import { credResource } from './cred.ts';
import { deviceResource } from './device.ts';
import { discoveryResource } from './discovery.ts';
import { doxmResource } from './doxm.ts';
import { dpsResource } from './dps.ts';
import { lightResource } from './light.ts';
import { platformResource } from './platform.ts';
import type { DeviceResource, Interface, Light, ResourceDevice, ResourceHost, Update, View } from './resource.ts';
import { timeResource } from './time.ts';

/** Answers what the device has no resource for; undefined: nothing there (4.04). Access has been checked. */
export type RequestHandler = (request: IncomingRequest, subject: Subject) => OutgoingResponse | undefined;

/** Where answers and notifications go: a session. */
export interface Channel {
  respond(id: number, response: OutgoingResponse): void;
  notify(id: number, response: OutgoingResponse): void;
}

/** The resources of one device, for all of its sessions: those to its services and those that others open. */
export class DeviceResources implements ResourceDevice {
  endpoints: readonly string[] = [];
  readonly host: ResourceHost;
  readonly light: Light = { state: false, power: 0, watching: new Set() };
  private readonly other: RequestHandler;

  constructor(host: ResourceHost, other: RequestHandler = () => undefined) {
    this.host = host;
    this.other = other;
  }

  /** Somebody's session. The visitor is to be told of its requests, of observations that end, and of its own end. */
  visit(caller: Caller, channel: Channel): Visitor {
    return new Visitor(this, caller, channel);
  }

  /** The answer to a request, and what is to be done after it. Access is looked at again each time. */
  answer(request: IncomingRequest, caller: Caller): Answer {
    if (request.fault) return { response: faultResponse(request.fault) };
    try {
      const answer = this.serve(request, caller);
      return answer.ok ? answer.value : { response: errorResponse(answer.refusal) };
    } catch (error) {
      return { response: errorResponse(error) };
    }
  }

  private serve(request: IncomingRequest, caller: Caller): Decision<Answer> {
    const { state } = this.host;
    const resource = resourceAt(request.path);
    const target = resource ?? { href: hrefOf(request.path), isPublic: false };
    if (!isAllowed(state.acl, caller, request.method, target, state.owner)) {
      return refused('request.access', { href: target.href.slice(0, 200) }, 'have an access control entry provisioned');
    }
    if (!resource) {
      const response = this.other(request, caller.subject);
      return response
        ? decided({ response })
        : refused('request.unknown-path', { href: target.href.slice(0, 200) }, 'see /oic/res');
    }
    const chosen = interfaceOf(resource, request.query);
    if (!chosen.ok) return chosen;
    const view: View = { interface: chosen.value, query: request.query, caller, device: this };
    const format = negotiate(request.accept);
    if (format === undefined) return refused('request.accept', {}, 'ask for CBOR');
    if (request.method === 'GET') return decided({ response: rendered(resource.get(view), request, format) });
    if (request.method !== 'POST' || !resource.post) {
      return refused('request.method', { method: request.method }, resource.post ? 'use GET or POST' : 'use GET');
    }
    const body = readBody(request);
    if (!body.ok) return body;
    const update = resource.post(body.value, view);
    return update.ok ? decided({ response: { code: 204 }, afterwards: update.value }) : update;
  }
}

interface Answer {
  readonly response: OutgoingResponse;
  readonly afterwards?: Update;
}

/** One session's dealings with the resources. */
export class Visitor {
  private readonly resources: DeviceResources;
  private readonly caller: Caller;
  private readonly channel: Channel;
  /** By the id of the request that began it. */
  private readonly observing = new Map<number, Observing>();

  constructor(resources: DeviceResources, caller: Caller, channel: Channel) {
    this.resources = resources;
    this.caller = caller;
    this.channel = channel;
  }

  request(id: number, request: IncomingRequest): void {
    const { response, afterwards } = this.resources.answer(request, this.caller);
    const observe = observeOf(request) === 'register' && response.code === 205 && this.observe(id, request, response);
    this.channel.respond(id, observe ? { ...response, observe } : response);
    afterwards?.();
  }

  /** An observation has ended on the session's side. */
  unobserved(id: number): void {
    this.observing.get(id)?.stop();
    this.observing.delete(id);
  }

  /** The session is over. */
  close(): void {
    for (const id of [...this.observing.keys()]) this.unobserved(id);
  }

  /** Before the answer goes out: that it is one too many may be told at once. */
  private observe(id: number, request: IncomingRequest, response: OutgoingResponse): boolean {
    const stop = resourceAt(request.path)?.watch?.(() => this.changed(id, request), this.resources);
    if (stop) this.observing.set(id, { stop, told: response.payload ?? noBytes });
    return stop !== undefined;
  }

  /** What the observer would get now; an error, also one of access, is the last it hears. */
  private changed(id: number, request: IncomingRequest): void {
    const observing = this.observing.get(id);
    const { response } = this.resources.answer(request, this.caller);
    const { code, payload = noBytes } = response;
    // Of changes that come in one go only the last is seen: it is told once.
    if (!observing || (code === 205 && equalBytes(payload, observing.told))) return;
    observing.told = payload;
    this.channel.notify(id, response);
    if (code !== 205) this.unobserved(id);
  }
}

interface Observing {
  readonly stop: () => void;
  /** The state that the observer knows. */
  told: Uint8Array;
}

const table: readonly DeviceResource[] = [
  discoveryResource(() => table),
  deviceResource,
  platformResource,
  timeResource,
  doxmResource,
  credResource,
  acl2Resource,
  dpsResource,
  lightResource,
];

/** What a device publishes at its cloud unless it is told otherwise. */
export const publishedLinks: readonly Link[] = table.flatMap(({ href, types, interfaces, instance }) =>
  instance === undefined ? [] : [{ href, types, interfaces, instance }],
);

const byHref: ReadonlyMap<string, DeviceResource> = new Map(table.map((resource) => [resource.href, resource]));

const resourceAt = (path: readonly string[]): DeviceResource | undefined =>
  path.some((segment) => segment.includes('/')) ? undefined : byHref.get(hrefOf(path));

const hrefOf = (path: readonly string[]): string => `/${path.join('/')}`;

/** The interface that the query asks for, or the resource's default (OCF Core §7.6.2). */
function interfaceOf({ interfaces, href }: DeviceResource, query: readonly string[]): Decision<Interface> {
  const asked = query.find((item) => item.startsWith('if='))?.slice('if='.length);
  const found = asked === undefined ? interfaces[0] : interfaces.find((each) => each === asked);
  return found ? decided(found) : refused('request.malformed', { href }, `use one of ${interfaces.join(', ')}`);
}

function readBody({ payload, contentFormat: format }: IncomingRequest): Decision<CborMap> {
  if (format !== undefined && format !== contentFormat.ocfCbor && format !== contentFormat.cbor) {
    return refused('request.content-format', { format }, 'send CBOR');
  }
  try {
    const body = decodeCbor(payload);
    return isCborMap(body) ? decided(body) : refused('request.malformed', { found: typeof body }, 'send a map');
  } catch (error) {
    if (!(error instanceof FirstbootError)) throw error;
    return { ok: false, refusal: error };
  }
}

function rendered(body: CborValue, { options }: IncomingRequest, format: number): OutgoingResponse {
  if (format === contentFormat.json) {
    return { code: 205, payload: utf8(JSON.stringify(body)), contentFormat: format };
  }
  // OCF-Content-Format-Version is critical by its number: only who speaks of versions gets one.
  const versioned = findOption(options, optionNumber.ocfAcceptContentFormatVersion) !== undefined;
  return {
    code: 205,
    payload: encodeCbor(body),
    contentFormat: format,
    options: versioned && format === contentFormat.ocfCbor ? [ocfVersion] : [],
  };
}

const ocfVersion = uintOption(optionNumber.ocfContentFormatVersion, 2048);
