import { createPrivateKey } from 'node:crypto';
import type { IncomingResponse, OutgoingRequest } from '../../src/coap/endpoint.ts';
import { contentFormat } from '../../src/coap/formats.ts';
import type { CoapOption } from '../../src/coap/message.ts';
import { type CborMap, decodeCbor, encodeCbor, isCborMap } from '../../src/codec/cbor.ts';
import { encodePem } from '../../src/codec/pem.ts';
import { earlier, ManualTimers, type Millis, minutes } from '../../src/core/clock.ts';
import { limits } from '../../src/core/limits.ts';
import { seededRandom } from '../../src/core/random.ts';
import type { DeviceAction, OpenAction, SessionPurpose, StepOutcome } from '../../src/device/actions.ts';
import type { DeviceDeps, DeviceSettings } from '../../src/device/context.ts';
import { DeviceMachine, factoryNew } from '../../src/device/machine.ts';
import { defaultCloudRetry } from '../../src/device/options.ts';
import { documentedRetry } from '../../src/device/retry.ts';
import type { RunReason, StartDecision } from '../../src/device/start-gate.ts';
import { type DeviceState, selectedGateway } from '../../src/device/state.ts';
import { createCsr, readCsrText } from '../../src/pki/csr.ts';
import { uuidSubject } from '../../src/pki/name.ts';
import { createKey, credentialsOf, issue, serviceTime } from './device-credentials.ts';

export { createKey, credentialsOf, issue, publicKeyOf, serviceTime } from './device-credentials.ts';

export const ownerId = '5c4b3a29-1807-4f6e-8d5c-4b3a29180700';
export const hubId = '11111111-2222-4333-8444-555555555555';
export const gatewayUri = 'coaps+tcp://gateway.example:5684';

/** The names of what is asked for, on one service or the other. */
export type Asked =
  | 'time'
  | 'ownership'
  | 'cloud'
  | 'credentials'
  | 'acls'
  | 'sign-up'
  | 'sign-in'
  | 'token-refresh'
  | 'publish'
  | 'sign-off';

/** What becomes of one request. */
export type Behaviour =
  | 'answer'
  /** The request gets no answer. */
  | 'silence'
  /** The session is closed instead. */
  | 'close'
  /** The answer comes two times. */
  | 'twice'
  | { readonly code: number }
  | { readonly map: CborMap }
  /** `contentFormat` 'none' leaves the option out; `code` defaults to that of a good answer. */
  | {
      readonly payload: Uint8Array;
      readonly contentFormat?: number | 'none';
      readonly code?: number;
      readonly options?: readonly CoapOption[];
    }
  | { readonly after: Millis };

export interface BenchOptions {
  readonly behave?: (asked: Asked, earlier: number, request: OutgoingRequest) => Behaviour;
  readonly connect?: (open: OpenAction, earlier: number) => 'up' | 'refused' | 'silence';
  readonly pongs?: () => boolean;
  readonly settings?: Partial<DeviceSettings>;
  readonly state?: DeviceState;
  /** The device's own clock at the start. Default: 1970. */
  readonly clock?: Millis;
  /** Life of the identity certificates that are issued. */
  readonly lifetime?: Millis;
  /** Asked before each run. */
  readonly beforeRun?: (reason: RunReason, machine: DeviceMachine) => StartDecision;
  /** The owner and the hub that the service gives, by how often it was asked before. */
  readonly owner?: (earlier: number) => string;
  readonly hub?: (earlier: number) => { readonly uri: string; readonly id: string };
  /** Further gateways of the cloud configuration. */
  readonly gateways?: readonly { readonly uri: string; readonly id: string }[];
}

/** At which hub a device was when it got an identity certificate. */
const issuedFor = new Map<string, string>();

/** Whether credentials and access control list of a state are for the hub that is selected, and for its owner. */
export function isConsistent({ cloud, credentials, acl, owner }: DeviceState): boolean {
  const hub = cloud && selectedGateway(cloud)?.id;
  const subjects = acl?.map(({ subject }) => ('uuid' in subject ? subject.uuid : ''));
  return (
    hub !== undefined &&
    issuedFor.get(credentials?.identity ?? '') === hub &&
    JSON.stringify(subjects) === JSON.stringify([owner, hub])
  );
}

/** A device's machine alone on a stepped clock, with a service and a gateway that answer from a script. */
export class DeviceBench {
  readonly machine: DeviceMachine;
  readonly timers: ManualTimers;
  readonly opened: OpenAction[] = [];
  readonly asked: { readonly name: Asked; readonly at: Millis; readonly request: OutgoingRequest }[] = [];
  readonly progress: number[] = [];
  readonly errors: number[] = [];
  readonly cloud: number[] = [];
  readonly outcomes: StepOutcome[] = [];
  readonly saved: DeviceState[] = [];
  /** As told: the alarm, and whether it was raised. */
  readonly alarms: string[] = [];
  readonly reasons: RunReason[] = [];
  readonly open = new Map<number, SessionPurpose>();
  pings = 0;
  private readonly options: BenchOptions;
  private readonly start: Millis;

  constructor(options: BenchOptions = {}) {
    this.options = options;
    this.start = options.clock ?? 0;
    this.timers = new ManualTimers(this.start);
    const { beforeRun } = options;
    const hook = (reason: RunReason): StartDecision => {
      this.reasons.push(reason);
      return beforeRun?.(reason, this.machine) ?? 'apply';
    };
    this.machine = new DeviceMachine(
      options.state ?? freshState(),
      { ...benchSettings, ...options.settings },
      { ...benchDeps, beforeRun: hook },
    );
  }

  get now(): Millis {
    return this.timers.now();
  }

  get names(): Asked[] {
    return this.asked.map(({ name }) => name);
  }

  count(name: Asked): number {
    return this.asked.filter((asked) => asked.name === name).length;
  }

  /** Time, ownership, cloud, credentials, acls: how often each was asked for. */
  get totals(): number[] {
    return (['time', 'ownership', 'cloud', 'credentials', 'acls'] as const).map((name) => this.count(name));
  }

  /** Gives the machine an input and performs what it wants. */
  act(what: (machine: DeviceMachine, now: Millis) => void): this {
    what(this.machine, this.now);
    this.settle();
    return this;
  }

  boot(): this {
    return this.act((machine, now) => machine.start(now));
  }

  /** Steps the clock until `done` holds; false when it does not within `within` ms. */
  run(done: () => boolean, within: Millis = minutes(60)): boolean {
    const limit = this.now + within;
    for (this.settle(); !done(); this.settle()) {
      const next = earlier(this.timers.next(), this.machine.nextTimeout());
      if (next === undefined || next > limit) {
        this.timers.advanceTo(limit);
        return false;
      }
      this.timers.advanceTo(Math.max(next, this.now));
      this.settle();
      if ((this.machine.nextTimeout() ?? Number.POSITIVE_INFINITY) <= this.now) this.machine.handleTimeout(this.now);
    }
    return true;
  }

  wait(ms: Millis): void {
    this.run(() => false, ms);
  }

  runOnline(within?: Millis): boolean {
    return this.run(() => this.machine.online, within);
  }

  /** The other side ends the newest session. */
  hangUp(): this {
    const session = this.opened.at(-1)?.session ?? 0;
    this.open.delete(session);
    return this.act((machine, now) => machine.closed(session, 'close-notify', now));
  }

  /** The answer that a good service gives to a request. */
  answerTo(name: Asked, request: OutgoingRequest): CborMap {
    switch (name) {
      case 'time':
        return { time: new Date(serviceTime + this.now - this.start).toISOString() };
      case 'ownership':
        return { devowneruuid: this.options.owner?.(this.count(name)) ?? ownerId };
      case 'cloud': {
        const hub = this.options.hub?.(this.count(name)) ?? { uri: gatewayUri, id: hubId };
        return {
          at: 'token',
          apn: 'plgd',
          cis: hub.uri,
          sid: hub.id,
          ...(this.options.gateways
            ? { 'x.org.iotivity.servers': this.options.gateways.map((gateway) => ({ ...gateway })) }
            : {}),
        };
      }
      case 'credentials':
        return this.credentialsFor(request);
      case 'acls':
        return {
          aclist2: [this.machine.state.owner ?? ownerId, this.hub].map((uuid) => ({
            permission: 31,
            subject: { uuid },
            resources: [{ wc: '*' }],
            tag: 'dps',
          })),
        };
      case 'sign-up':
      case 'token-refresh':
        return { accesstoken: `token-${this.asked.length}`, refreshtoken: 'refresh', uid: 'user', expiresin: -1 };
      case 'sign-in':
        return { expiresin: -1 };
      case 'publish':
      case 'sign-off':
        return {};
    }
  }

  /** The hub of the gateway that the device has selected. */
  get hub(): string {
    const { cloud } = this.machine.state;
    return (cloud && selectedGateway(cloud)?.id) || hubId;
  }

  private settle(): void {
    for (let actions = this.machine.takeActions(); actions.length > 0; actions = this.machine.takeActions()) {
      for (const action of actions) this.perform(action);
    }
  }

  private perform(action: DeviceAction): void {
    switch (action.type) {
      case 'open':
        this.connect(action);
        break;
      case 'request':
        this.serve(action.session, action.exchange, action.request);
        break;
      case 'ping':
        this.pings++;
        if (this.options.pongs?.() ?? true) this.later(10, action.session, () => this.machine.pong(action.exchange));
        break;
      case 'close':
        this.open.delete(action.session);
        break;
      case 'persist':
        this.saved.push(action.state);
        break;
      case 'status':
        this.progress.push(action.status.progress);
        this.errors.push(action.status.lastError);
        break;
      case 'cloud-status':
        this.cloud.push(action.flags);
        break;
      case 'alarm':
        this.alarms.push(`${action.alarm} ${action.set}`);
        break;
      case 'step':
        this.outcomes.push(action.report);
        break;
      case 'log':
        break;
    }
  }

  private connect(action: OpenAction): void {
    const verdict = this.options.connect?.(action, this.opened.length) ?? 'up';
    this.opened.push(action);
    this.open.set(action.session, action.purpose);
    if (verdict === 'up') this.later(20, action.session, () => this.machine.connected(action.session, this.now));
    if (verdict === 'refused') this.end(action.session);
  }

  private serve(session: number, exchange: number, request: OutgoingRequest): void {
    const name = nameOf(request);
    const behaviour = this.options.behave?.(name, this.count(name), request) ?? 'answer';
    const response =
      behaviour === 'silence' || behaviour === 'close' ? undefined : this.responseTo(name, request, behaviour);
    this.asked.push({ name, at: this.now, request });
    if (behaviour === 'close') this.end(session);
    if (!response) return;
    const after = typeof behaviour === 'object' && 'after' in behaviour ? behaviour.after : 10;
    const deliver = (): void => this.machine.response(exchange, response, this.now);
    // Not bound to the session: late answers must not hurt either.
    this.timers.schedule(this.now + after, deliver);
    if (behaviour === 'twice') this.timers.schedule(this.now + after + 1, deliver);
  }

  private responseTo(name: Asked, request: OutgoingRequest, behaviour: Behaviour): IncomingResponse {
    const code = request.method === 'GET' ? 205 : request.method === 'DELETE' ? 202 : 204;
    if (typeof behaviour === 'object' && 'payload' in behaviour) {
      const { payload, contentFormat: format = contentFormat.ocfCbor, options = [] } = behaviour;
      return { ...response(behaviour.code ?? code, payload, format === 'none' ? undefined : format), options };
    }
    if (typeof behaviour === 'object' && 'code' in behaviour) return response(behaviour.code);
    const map = typeof behaviour === 'object' && 'map' in behaviour ? behaviour.map : this.answerTo(name, request);
    return response(code, encodeCbor(map), contentFormat.ocfCbor);
  }

  private end(session: number): void {
    this.later(10, session, () => {
      this.open.delete(session);
      this.machine.closed(session, 'close-notify', this.now);
    });
  }

  private later(ms: Millis, session: number, what: () => void): void {
    this.timers.schedule(this.now + ms, () => {
      if (this.open.has(session)) what();
    });
  }

  private credentialsFor(request: OutgoingRequest): CborMap {
    const body = decodeCbor(request.payload ?? new Uint8Array());
    if (!isCborMap(body) || !isCborMap(body.csr)) throw new Error('no certificate request in the credentials request');
    const csr = readCsrText(String(body.csr.data));
    if (!csr.ok) throw new Error(csr.refusal.fix);
    const time = serviceTime + this.now - this.start;
    const { certificate } = issue(String(body.di), csr.value.publicKey, time, this.options.lifetime);
    issuedFor.set(certificate, this.hub);
    return credentialsOf(String(body.di), certificate);
  }
}

export const benchDeps: DeviceDeps = {
  random: seededRandom(7),
  createKey,
  createCsr: (privateKey, deviceId) =>
    encodePem('CERTIFICATE REQUEST', createCsr({ privateKey, subject: uuidSubject(deviceId) })),
};

export const benchSettings: DeviceSettings = {
  name: 'bench',
  endpoints: [{ uri: 'coaps://service.example:20030' }],
  manufacturer: { chain: [], privateKey: createPrivateKey(createKey()) },
  service: 'skip',
  retry: documentedRetry,
  expiring: limits.device.expiring,
  cloudChecks: 30,
  cloudRetry: defaultCloudRetry,
  links: [],
  connect: true,
};

export const freshState = (): DeviceState => factoryNew(benchSettings.endpoints, benchDeps);

const response = (code: number, payload: Uint8Array = new Uint8Array(), format?: number): IncomingResponse => ({
  code,
  payload,
  contentFormat: format,
  options: [],
});

const paths: Readonly<Record<string, Asked>> = {
  'x.plgd.dev/time': 'time',
  'api/v1/provisioning/ownership': 'ownership',
  'api/v1/provisioning/cloud-configuration': 'cloud',
  'api/v1/provisioning/credentials': 'credentials',
  'api/v1/provisioning/acls': 'acls',
  'oic/sec/account': 'sign-up',
  'oic/sec/session': 'sign-in',
  'oic/sec/tokenrefresh': 'token-refresh',
  'oic/rd': 'publish',
};

function nameOf(request: OutgoingRequest): Asked {
  if (request.method === 'DELETE') return 'sign-off';
  const name = paths[request.path.join('/')];
  if (!name) throw new Error(`the device asked for ${request.path.join('/')}`);
  return name;
}
