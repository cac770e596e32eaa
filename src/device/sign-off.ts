import type { IncomingResponse, OutgoingRequest } from '../coap/endpoint.ts';
import type { Millis } from '../core/clock.ts';
import type { Refusal } from '../core/errors.ts';
import type { CloudStep, ExchangeFailure } from './actions.ts';
import { readAnswer, successCodes } from './answers.ts';
import type { DeviceContext } from './context.ts';
import { canSignOff, cloudRequests, fitsQuery } from './requests.ts';
import { type DeviceState, type Registration, selectedGateway } from './state.ts';

export interface Leaving {
  /** The device as its cloud knows it: id, key, credentials, gateway and registration. */
  readonly state: DeviceState;
  /** A session on which it is signed in there; it is closed in the end. Without one, a session is opened. */
  readonly session: number | undefined;
  /** Everything is over after so many ms. */
  readonly within: Millis;
  /** Called once, however it went. */
  readonly done: (told: boolean) => void;
}

/**
 * Tells a cloud that the device leaves it: DELETE /oic/sec/account (contract, plgd-device b6). Best effort and bounded in
 * time. A token too long for the query is left out, and on a new session the device then signs in first.
 */
export class SignOff {
  private readonly context: DeviceContext;
  private leaving: Leaving | undefined;
  private session: { readonly id: number; signedIn: boolean; ended: boolean } | undefined;
  private exchange: { readonly id: number; readonly step: CloudStep } | undefined;
  private deadline: Millis | undefined;

  constructor(context: DeviceContext) {
    this.context = context;
  }

  begin(leaving: Leaving, now: Millis): void {
    this.stop();
    const { state, session, within } = leaving;
    const gateway = state.cloud && selectedGateway(state.cloud);
    const registration = state.cloud?.registration;
    if (!registration || !canSignOff(registration) || !state.credentials || !gateway) {
      if (session !== undefined) this.context.emit({ type: 'close', session });
      leaving.done(false);
      return;
    }
    this.leaving = leaving;
    this.deadline = now + within;
    if (session !== undefined) {
      this.session = { id: session, signedIn: true, ended: false };
      this.ask('sign-off', now);
      return;
    }
    this.session = { id: this.context.nextId(), signedIn: false, ended: false };
    this.context.openHub(this.session.id, 'sign-off', gateway, state.credentials);
  }

  /** Gives up without a word to `done`. */
  stop(): void {
    if (this.session && !this.session.ended) this.context.emit({ type: 'close', session: this.session.id });
    this.session = undefined;
    this.exchange = undefined;
    this.leaving = undefined;
    this.deadline = undefined;
  }

  connected(session: number, now: Millis): boolean {
    if (session !== this.session?.id) return false;
    const registration = this.leaving?.state.cloud?.registration;
    this.ask(registration && fitsQuery(registration) ? 'sign-off' : 'sign-in', now);
    return true;
  }

  closed(session: number, reason: string): boolean {
    if (session !== this.session?.id) return false;
    this.session.ended = true;
    this.end(unanswered(reason));
    return true;
  }

  response(exchange: number, response: IncomingResponse, now: Millis): boolean {
    if (exchange !== this.exchange?.id || !this.session) return false;
    const answer = readAnswer(response, successCodes);
    if (answer.type !== 'content') {
      this.end(answer.refusal);
    } else if (this.exchange.step === 'sign-in') {
      this.session.signedIn = true;
      this.ask('sign-off', now);
    } else {
      this.end(undefined);
    }
    return true;
  }

  failed(exchange: number, reason: ExchangeFailure): boolean {
    if (exchange !== this.exchange?.id) return false;
    this.end(unanswered(reason));
    return true;
  }

  nextTimeout(): Millis | undefined {
    return this.deadline;
  }

  handleTimeout(now: Millis): void {
    if (this.deadline !== undefined && now >= this.deadline) this.end(unanswered('timeout'));
  }

  private ask(step: 'sign-in' | 'sign-off', now: Millis): void {
    const registration = this.leaving?.state.cloud?.registration;
    if (!registration || !this.session || !this.leaving) return;
    this.exchange = { id: this.context.nextId(), step };
    const timeout = Math.max(1, (this.deadline ?? now) - now);
    const request = this.requestOf(step, this.leaving.state, registration, timeout);
    this.context.emit({ type: 'request', session: this.session.id, exchange: this.exchange.id, request });
  }

  private requestOf(
    step: 'sign-in' | 'sign-off',
    { deviceId }: DeviceState,
    registration: Registration,
    timeout: Millis,
  ): OutgoingRequest {
    return step === 'sign-in'
      ? cloudRequests.signIn(deviceId, registration, timeout)
      : cloudRequests.signOff(deviceId, registration, fitsQuery(registration), timeout);
  }

  private end(refusal: Refusal | undefined): void {
    const { leaving, session } = this;
    if (!leaving) return;
    const result = refusal ? 'failure' : 'done';
    this.context.reportStep({ step: 'sign-off', session: session?.id, result, ...(refusal && { refusal }) });
    this.stop();
    leaving.done(refusal === undefined);
  }
}

const unanswered = (reason: string): Refusal => ({
  code: 'device.unreachable',
  evidence: { reason },
  fix: 'remove the device at its cloud by hand',
});
