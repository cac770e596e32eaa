import type { IncomingResponse, OutgoingRequest } from '../coap/endpoint.ts';
import { parseCoapUri } from '../coap/uri.ts';
import { earlier, type Millis, seconds } from '../core/clock.ts';
import type { Refusal } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { randomFraction } from '../core/random.ts';
import type { CloudStep, ExchangeFailure } from './actions.ts';
import { readAnswer, readRedirect, successCodes } from './answers.ts';
import { atAddress, atGateway, isOtherHub } from './apply.ts';
import { readExpiry, readRegistration, refreshDelay } from './cloud-answers.ts';
import type { DeviceContext } from './context.ts';
import { GatewayPatience, nextGateway } from './gateway-patience.ts';
import { PingWatch } from './ping.ts';
import { cloudRequests } from './requests.ts';
import { type CloudState, type Registration, selectedGateway } from './state.ts';
import { cloudFlags, type LastError, lastErrors } from './status.ts';

/** What the cloud's part of the machine cannot decide alone. */
export interface CloudHost {
  /** The gateway selected now belongs to another hub: credentials and access control list must be fetched again. */
  hubChanged(now: Millis): void;
  /** No gateway of the configuration lets the device in. */
  gatewaysExhausted(now: Millis): void;
}

/**
 * The device at its cloud: sign-up, sign-in, publishing, pings and token refresh on one session, and the way to another
 * gateway when it takes too long or was tried too often (contract, plgd-device b6 and d).
 */
export class CloudMachine {
  private readonly context: DeviceContext;
  private readonly host: CloudHost;
  private readonly pings: PingWatch;
  private readonly patience: GatewayPatience;
  private session: { readonly id: number; ready: boolean } | undefined;
  private exchange: { readonly id: number; readonly step: CloudStep } | undefined;
  private due: { readonly at: Millis; readonly what: 'connect' | 'sign-in' | 'answer' } | undefined;
  private refreshAt: Millis | undefined;
  /** The sign-in that runs uses a token that was just refreshed. */
  private refreshed = false;

  constructor(context: DeviceContext, host: CloudHost) {
    this.context = context;
    this.host = host;
    this.pings = new PingWatch(context, (now) => this.tryLater('the gateway does not answer pings', now));
    this.patience = new GatewayPatience(context);
  }

  /** It is there, or on its way. */
  get active(): boolean {
    return this.session !== undefined || this.due !== undefined;
  }

  get online(): boolean {
    return (this.context.cloudFlags & cloudFlags.loggedIn) !== 0;
  }

  /** Starts over with the cloud of the state; an open session is closed. */
  start(now: Millis): void {
    this.stop();
    const registered = this.context.state.cloud?.registration ? cloudFlags.registered : 0;
    this.context.setCloudFlags(cloudFlags.initialized | registered);
    this.patience.begin(now);
    this.due = { at: now + this.pause(), what: 'connect' };
  }

  stop(): void {
    this.leave();
    this.due = undefined;
    this.patience.rest();
    this.context.setCloudFlags(0);
  }

  /** Stops, but leaves the session open on which the device is signed in, for somebody else to close. */
  release(): number | undefined {
    const session = this.online ? this.session?.id : undefined;
    if (session !== undefined) this.session = undefined;
    this.stop();
    return session;
  }

  connected(session: number, now: Millis): void {
    if (session !== this.session?.id) return;
    this.session.ready = true;
    if (this.cloud?.registration) this.signIn(this.cloud.registration, now);
    else this.signUp(now);
  }

  closed(session: number, reason: string, now: Millis): void {
    if (session !== this.session?.id) return;
    this.session = undefined;
    this.tryLater(`the session with the gateway ended: ${reason}`, now);
  }

  response(exchange: number, response: IncomingResponse, now: Millis): void {
    if (exchange !== this.exchange?.id) return;
    const { step } = this.exchange;
    this.exchange = undefined;
    this.due = undefined;
    const answer = readAnswer(response, successCodes);
    if (answer.type !== 'content') {
      this.refused(step, answer.refusal, response.code, now);
      return;
    }
    const { map } = answer;
    const time = this.context.time(now);
    switch (step) {
      case 'sign-up':
      case 'token-refresh': {
        const known = step === 'token-refresh' ? this.cloud?.registration?.userId : undefined;
        const registration = readRegistration(map, time, known);
        if (!registration.ok) this.refused(step, registration.refusal, response.code, now);
        else this.registered(step, registration.value, readRedirect(map), now);
        return;
      }
      case 'sign-in': {
        const expiry = readExpiry(map);
        if (!expiry.ok) this.refused(step, expiry.refusal, response.code, now);
        else this.signedIn(expiry.value, now);
        return;
      }
      case 'publish':
        this.report(step);
    }
  }

  failed(exchange: number, reason: ExchangeFailure, now: Millis): void {
    // A ping that failed on the way counts as missed when its time is up.
    if (exchange !== this.exchange?.id) return;
    const { step } = this.exchange;
    this.exchange = undefined;
    this.refused(
      step,
      { code: 'device.protocol', evidence: { reason }, fix: 'see whether the gateway answers' },
      0,
      now,
    );
  }

  pong(exchange: number): void {
    this.pings.pong(exchange);
  }

  nextTimeout(): Millis | undefined {
    const due = [this.due?.at, this.patience.end, this.refreshAt, this.pings.nextTimeout()];
    return due.reduce(earlier);
  }

  handleTimeout(now: Millis): void {
    if (this.due && now >= this.due.at) this.proceed(this.due.what, now);
    this.pings.handleTimeout(now);
    if (this.refreshAt !== undefined && now >= this.refreshAt) this.refresh(now);
    const { end } = this.patience;
    if (end !== undefined && now >= end) this.leaveGateway(now);
  }

  private get cloud(): CloudState | undefined {
    return this.context.state.cloud;
  }

  private proceed(what: 'connect' | 'sign-in' | 'answer', now: Millis): void {
    this.due = undefined;
    const registration = this.cloud?.registration;
    if (what === 'connect') this.connect(now);
    else if (what === 'sign-in' && registration) this.signIn(registration, now);
    else this.tryLater('the gateway does not answer', now);
  }

  private connect(now: Millis): void {
    const { context } = this;
    const { credentials } = context.state;
    const gateway = this.cloud && selectedGateway(this.cloud);
    if (!credentials || !gateway) return;
    if (!parseCoapUri(gateway.uri).ok) {
      this.setLastError(lastErrors.startCloud);
      this.tryLater(`nothing can be opened at the gateway's address "${gateway.uri}"`, now);
      return;
    }
    const id = context.nextId();
    this.session = { id, ready: false };
    this.due = { at: now + limits.device.cloudRequest, what: 'answer' };
    context.openHub(id, 'cloud', gateway, credentials);
  }

  private signUp(now: Millis): void {
    if (!this.cloud) return;
    const { deviceId } = this.context.state;
    const { provider, accessToken } = this.cloud;
    this.ask('sign-up', cloudRequests.signUp(deviceId, provider, accessToken, limits.device.cloudRequest), now);
  }

  private signIn(registration: Registration, now: Millis): void {
    const { deviceId } = this.context.state;
    this.ask('sign-in', cloudRequests.signIn(deviceId, registration, limits.device.cloudRequest), now);
  }

  private refresh(now: Millis): void {
    this.refreshAt = undefined;
    const { cloud } = this;
    if (!cloud?.registration) return;
    this.context.setCloudFlags(this.context.cloudFlags | cloudFlags.tokenExpiry);
    const { deviceId } = this.context.state;
    const timeout = limits.device.cloudRequest;
    this.ask('token-refresh', cloudRequests.refresh(deviceId, cloud.registration, cloud.provider, timeout), now);
  }

  private ask(step: CloudStep, request: OutgoingRequest, now: Millis): void {
    if (!this.session?.ready) return;
    this.exchange = { id: this.context.nextId(), step };
    // Publishing may go unanswered: the device is signed in all the same.
    this.due = step === 'publish' ? undefined : { at: now + limits.device.cloudRequest, what: 'answer' };
    this.context.emit({ type: 'request', session: this.session.id, exchange: this.exchange.id, request });
  }

  private registered(
    step: 'sign-up' | 'token-refresh',
    registration: Registration,
    redirect: string | undefined,
    now: Millis,
  ): void {
    const { context, cloud } = this;
    if (!cloud) return;
    const elsewhere = step === 'sign-up' && isElsewhere(redirect, cloud);
    const place = elsewhere ? atAddress(cloud, redirect) : cloud;
    context.save({ ...context.state, cloud: { ...place, registration } });
    this.report(step);
    const flags = context.cloudFlags & ~(cloudFlags.tokenExpiry | cloudFlags.failure);
    if (step === 'token-refresh') {
      this.refreshed = true;
      context.setCloudFlags(flags | cloudFlags.refreshedToken);
      this.signIn(registration, now);
    } else {
      context.setCloudFlags(flags | cloudFlags.registered);
      if (elsewhere) this.leave();
      this.due = { at: now + this.pause(), what: elsewhere ? 'connect' : 'sign-in' };
    }
  }

  private signedIn(expiresIn: Millis | undefined, now: Millis): void {
    const { context } = this;
    this.report('sign-in');
    this.refreshed = false;
    this.patience.rest();
    if (this.session) this.pings.start(this.session.id, now);
    this.refreshAt = expiresIn === undefined ? undefined : now + refreshDelay(expiresIn);
    context.setCloudFlags(cloudFlags.initialized | cloudFlags.registered | cloudFlags.loggedIn);
    const { deviceId } = context.state;
    const { name, links } = context.settings;
    if (links.length > 0)
      this.ask('publish', cloudRequests.publish(deviceId, name, links, limits.device.cloudRequest), now);
  }

  private refused(step: CloudStep, refusal: Refusal, code: number, now: Millis): void {
    this.report(step, refusal);
    if (step === 'publish') return;
    if (step === 'sign-in' && code === 401 && !this.refreshed) {
      this.refresh(now);
      return;
    }
    // A fresh token that is refused, or no fresh token: only signing up anew can help.
    if ((step === 'sign-in' && code === 401) || (step === 'token-refresh' && code >= 400 && code < 500)) {
      this.forgetRegistration();
    }
    this.tryLater(`the gateway refused ${step}`, now);
  }

  /** The tokens are dead: sign up anew with the token of the provisioning. */
  private forgetRegistration(): void {
    const { context, cloud } = this;
    if (!cloud) return;
    const { registration: _registration, ...rest } = cloud;
    context.save({ ...context.state, cloud: rest });
  }

  private tryLater(reason: string, now: Millis): void {
    const { context } = this;
    context.log('warn', reason);
    this.leave();
    const registered = this.cloud?.registration ? cloudFlags.registered : 0;
    const loggedOut = this.online ? cloudFlags.loggedOut : 0;
    context.setCloudFlags(cloudFlags.initialized | cloudFlags.failure | registered | loggedOut);
    const wait = this.patience.afterFailure(this.cloud, now);
    if (wait === undefined) this.leaveGateway(now);
    else this.due = { at: now + wait, what: 'connect' };
  }

  /** Not signed in after so many checks or tries: the next gateway, or none is left. */
  private leaveGateway(now: Millis): void {
    const { context, cloud } = this;
    this.patience.rest();
    if (!cloud) return;
    const next = nextGateway(cloud, context.settings.cloudChecks);
    const gateway = next === undefined ? undefined : cloud.gateways[next];
    if (next === undefined || !gateway) {
      context.log('warn', 'no gateway lets the device in: provisioning again');
      this.host.gatewaysExhausted(now);
      return;
    }
    context.log('warn', `trying the next gateway ${gateway.uri}`);
    const before = context.state;
    context.save(atGateway(before, next));
    if (isOtherHub(before, context.state)) this.host.hubChanged(now);
    else this.start(now);
  }

  private leave(): void {
    if (this.session) this.context.emit({ type: 'close', session: this.session.id });
    this.session = undefined;
    this.exchange = undefined;
    this.refreshAt = undefined;
    this.pings.stop();
    this.refreshed = false;
  }

  private report(step: CloudStep, refusal?: Refusal): void {
    const session = this.session?.id;
    const result = refusal ? 'failure' : 'done';
    if (!refusal && this.context.status.lastError === lastErrors.startCloud) this.setLastError(lastErrors.ok);
    this.context.reportStep({ step, session, result, ...(refusal ? { refusal } : {}) });
  }

  private setLastError(error: LastError): void {
    this.context.setProgress(this.context.status.progress, error);
  }

  /** Sign-up and sign-in each wait 1 to 2 s, so that a fleet does not come all at once. */
  private pause(): Millis {
    return seconds(1) + Math.floor(randomFraction(this.context.deps.random) * seconds(1));
  }
}

/** Sign-up may send the device to another address of its hub (`redirecturi`). */
const isElsewhere = (uri: string | undefined, cloud: CloudState): uri is string =>
  uri !== undefined && uri !== selectedGateway(cloud)?.uri && parseCoapUri(uri).ok;
