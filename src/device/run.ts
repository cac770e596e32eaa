import type { IncomingResponse } from '../coap/endpoint.ts';
import type { Millis } from '../core/clock.ts';
import type { Refusal } from '../core/errors.ts';
import type { ExchangeFailure, SessionPurpose } from './actions.ts';
import { readAnswer, successCodes } from './answers.ts';
import { applyAnswer, isOtherHub, redirectedOwnership } from './apply.ts';
import type { DeviceContext } from './context.ts';
import { stepRequest } from './requests.ts';
import { RetryCounter } from './retry.ts';
import type { DeviceState } from './state.ts';
import { failureFlags, type LastError, lastErrors, progressFlags } from './status.ts';
import { type RunMode, type Step, stepFlags, steps } from './steps.ts';

/** After this many transient failures in a row, a run starts over from the time. */
const transientFailures = 3;

/** What a run does not decide alone. */
export interface RunHost {
  done(mode: RunMode, now: Millis): void;
  /** The run has led the device to another hub than the one it is signed up at. `before`: its state at the start. */
  hubLeft(before: DeviceState, now: Millis): void;
}

/**
 * One provisioning run after another: asks for each step in order, checks the answer, stores what it gave, and tries again
 * after a failure, for ever (contract, plgd-device b and d). One request is outstanding at a time. A renewal is a run of
 * the credentials step alone.
 */
export class ProvisioningRun {
  readonly retry: RetryCounter;
  private readonly context: DeviceContext;
  private readonly host: RunHost;
  private before: DeviceState;
  private mode: RunMode = 'provision';
  private step: Step | undefined;
  private session: RunSession | undefined;
  private exchange: number | undefined;
  private due: { readonly at: Millis; readonly what: 'answer' | 'retry' } | undefined;
  private transients = 0;
  private startOver = false;

  constructor(context: DeviceContext, host: RunHost) {
    this.context = context;
    this.host = host;
    this.before = context.state;
    this.retry = new RetryCounter(context.settings.retry, context.deps.random);
  }

  get running(): boolean {
    return this.step !== undefined;
  }

  begin(step: Step, mode: RunMode, now: Millis): void {
    this.stop();
    this.retry.reset();
    this.step = step;
    this.mode = mode;
    this.before = this.context.state;
    this.enter(step, now);
  }

  stop(): void {
    this.leave();
    this.step = undefined;
    this.due = undefined;
    this.transients = 0;
    this.startOver = false;
  }

  connected(session: number, now: Millis): boolean {
    if (session !== this.session?.id) return false;
    this.session.ready = true;
    if (this.step !== undefined) this.ask(this.step, this.session, now);
    return true;
  }

  /** A session that ends between two steps, or in one, or before its handshake is through. */
  closed(session: number, reason: string, now: Millis): boolean {
    if (session !== this.session?.id) return false;
    this.session.ended = true;
    if (reason === 'handshake-timeout') {
      this.fail({ result: 'timeout', refusal: noAnswer(reason), error: lastErrors.ok }, now);
    } else {
      this.fail({ result: 'failure', refusal: lostSession(reason), error: lastErrors.response }, now);
    }
    return true;
  }

  /** Answers to anything but the outstanding request are late or duplicates: they change nothing. */
  response(exchange: number, response: IncomingResponse, now: Millis): boolean {
    if (exchange !== this.exchange || this.step === undefined) return false;
    this.exchange = undefined;
    this.due = undefined;
    const { step } = this;
    const answer = readAnswer(response, step === 'time' ? [205] : successCodes, step === 'time');
    if (answer.type !== 'content') {
      const error = response.code >= 300 ? lastErrors.response : stepFlags[step].error;
      this.fail({ result: answer.type, refusal: answer.refusal, error }, now);
      return true;
    }
    const { state, settings } = this.context;
    const applied = applyAnswer(step, answer.map, state, {
      now,
      expiring: settings.expiring,
      mode: this.mode,
      key: this.context.ownKey,
    });
    if (!applied.ok) {
      const elsewhere = step === 'ownership' ? redirectedOwnership(answer.map, state) : undefined;
      if (elsewhere) this.context.save(elsewhere);
      this.fail({ result: 'failure', refusal: applied.refusal, error: stepFlags[step].error }, now);
      return true;
    }
    this.context.save(applied.value.state);
    if (step === 'cloud') this.leaveHub(now);
    this.succeed(step, applied.value.redirected, now);
    return true;
  }

  failed(exchange: number, reason: ExchangeFailure, now: Millis): boolean {
    if (exchange !== this.exchange) return false;
    this.exchange = undefined;
    const result = reason === 'timeout' ? 'timeout' : 'failure';
    this.fail({ result, refusal: noAnswer(reason), error: lastErrors.response }, now);
    return true;
  }

  nextTimeout(): Millis | undefined {
    return this.due?.at;
  }

  handleTimeout(now: Millis): void {
    if (!this.due || now < this.due.at || this.step === undefined) return;
    const { what } = this.due;
    this.due = undefined;
    if (what === 'answer') {
      this.fail({ result: 'timeout', refusal: noAnswer('timeout'), error: lastErrors.ok }, now);
      return;
    }
    if (this.retry.advance()) this.selectNextEndpoint();
    if (this.startOver) {
      this.startOver = false;
      this.step = 'time';
      this.context.restartProgress(progressFlags.initialized);
    }
    this.enter(this.step, now);
  }

  private enter(step: Step, now: Millis): void {
    const { context } = this;
    const flag = this.mode === 'renew' ? progressFlags.renewCredentials : stepFlags[step].get;
    context.setProgress((context.status.progress | flag) & ~failureFlags, lastErrors.ok);
    const purpose = this.mode === 'renew' ? 'renew' : step === 'time' ? 'time' : 'provision';
    if (this.session?.ready && this.session.purpose === purpose) {
      this.ask(step, this.session, now);
    } else {
      this.open(purpose, now);
    }
  }

  private open(purpose: SessionPurpose, now: Millis): void {
    this.leave();
    const { context } = this;
    const endpoint = context.state.endpoints[context.state.selected];
    if (!endpoint) return;
    const session = { id: context.nextId(), purpose, ready: false, ended: false };
    this.session = session;
    this.due = { at: now + this.retry.timeout, what: 'answer' };
    context.emit({
      type: 'open',
      session: session.id,
      purpose,
      uri: endpoint.uri,
      identity: context.settings.manufacturer,
      trust: context.serviceTrust(purpose === 'time' ? 'time' : 'other'),
      expected: { kind: 'service', cloudAnchors: context.cloudAnchors },
      clockOffset: context.state.clockOffset ?? 0,
    });
  }

  private ask(step: Step, session: RunSession, now: Millis): void {
    const { context } = this;
    const { state, deps } = context;
    this.exchange = context.nextId();
    this.due = { at: now + this.retry.timeout, what: 'answer' };
    const csr = (): string => deps.createCsr(context.ownKey, state.deviceId);
    const request = stepRequest(step, state, csr, this.retry.timeout);
    context.emit({ type: 'request', session: session.id, exchange: this.exchange, request });
  }

  private succeed(step: Step, redirected: boolean, now: Millis): void {
    const { context } = this;
    const { get, has } = stepFlags[step];
    this.retry.reset();
    this.transients = 0;
    const finished = progressFlags.renewCredentials | get | failureFlags;
    context.setProgress((context.status.progress & ~finished) | has, lastErrors.ok);
    context.reportStep({ step, session: this.session?.id, result: 'done' });
    const next = this.mode === 'renew' ? undefined : steps[steps.indexOf(step) + 1];
    if (next === undefined || step === 'time' || redirected) this.leave();
    this.step = next;
    if (next === undefined) {
      context.setAlarm('ProvisioningFailed', false);
      this.host.done(this.mode, now);
    } else {
      this.enter(next, now);
    }
  }

  private fail(fault: Fault, now: Millis): void {
    const { context, step } = this;
    if (step === undefined) return;
    const { result, refusal } = fault;
    const session = this.session?.id;
    const transient = result !== 'failure';
    if (transient) this.transients++;
    if (!transient || this.transients >= transientFailures) {
      this.transients = 0;
      this.startOver = this.mode === 'provision';
      context.setAlarm('ProvisioningFailed', true);
    }
    if (this.mode === 'provision') {
      const { progress } = context.status;
      const flags = transient
        ? progress | progressFlags.transientFailure
        : (progress | progressFlags.failure) & ~stepFlags[step].has;
      context.setProgress(flags, transient ? lastErrors.ok : fault.error);
    } else {
      context.setProgress(context.status.progress, transient ? lastErrors.ok : fault.error);
    }
    context.reportStep({ step, session, result, refusal });
    this.leave();
    this.due = { at: now + this.retry.delay(result === 'timeout' ? 'timeout' : 'failure'), what: 'retry' };
  }

  private leaveHub(now: Millis): void {
    const { before, context } = this;
    this.before = context.state;
    if (before.cloud?.registration && isOtherHub(before, context.state)) this.host.hubLeft(before, now);
  }

  private selectNextEndpoint(): void {
    const { state } = this.context;
    if (state.endpoints.length < 2) return;
    this.context.save({ ...state, selected: (state.selected + 1) % state.endpoints.length });
  }

  private leave(): void {
    if (this.session && !this.session.ended) this.context.emit({ type: 'close', session: this.session.id });
    this.session = undefined;
    this.exchange = undefined;
  }
}

interface RunSession {
  readonly id: number;
  readonly purpose: SessionPurpose;
  ready: boolean;
  /** The other side closed it. */
  ended: boolean;
}

interface Fault {
  readonly result: 'timeout' | 'transient' | 'failure';
  readonly refusal: Refusal;
  readonly error: LastError;
}

const noAnswer = (reason: string): Refusal => ({
  code: 'device.unreachable',
  evidence: { reason },
  fix: 'see whether the service can be reached',
});

/** @param reason as session ends are worded: `unreachable: ...`, `refused: ...`, or one word */
function lostSession(reason: string): Refusal {
  const [end = '', ...text] = reason.split(': ');
  const found = text.join(': ');
  switch (end) {
    case 'unreachable':
      return {
        code: 'device.unreachable',
        evidence: { found },
        fix: 'start the service there, or check host and port',
      };
    case 'refused': {
      const fix = found.includes('alert')
        ? 'the service refused: its record of the attempt says why'
        : 'the device refused: give it the CA of this very service (dpsca.pem)';
      return { code: 'device.handshake', evidence: { found }, fix };
    }
    default:
      return { code: 'device.protocol', evidence: { closed: reason }, fix: 'keep the session open' };
  }
}
