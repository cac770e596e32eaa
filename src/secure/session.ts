import type { Millis } from '../core/clock.ts';
import { limits } from '../core/limits.ts';
import { alertName } from './alerts.ts';
import type { Association, AssociationEnd, AssociationEvent } from './association.ts';
import { describeHello } from './hello.ts';
import {
  itemKind,
  type NativeEngine,
  type NativeItem,
  nativeState,
  type Outcome,
  type SessionHandle,
  type Sign,
} from './native.ts';
import { doHere, enterPool, leavePool } from './pool.ts';

/** What an association takes from its context. */
export interface SessionSettings {
  readonly role: 'client' | 'server';
  readonly datagram: boolean;
  readonly threads: boolean | 'when-busy';
  readonly handshakeTimeout: Millis;
  /** For a context whose private key is elsewhere. */
  readonly sign: Sign | undefined;
}

/** A received stream may wait for its reader up to this; the owner should have paused its socket long before. */
const streamBacklog = 4 * limits.secure.queuedBytes;

/** When OpenSSL's clock says that a retransmission is not due yet although ours does: try again after this. */
const flightRetry: Millis = 20;

/**
 * The association over one native session: decides who may touch it (this thread or a pool job), holds back what cannot
 * be worked on now, and keeps the schedule on the caller's clock.
 */
export class NativeAssociation implements Association {
  readonly role: 'client' | 'server';
  onProgress: (() => void) | undefined;
  private readonly engine: NativeEngine;
  private readonly settings: SessionSettings;
  /** Undefined once it has ended and the engine's memory is freed. */
  private handle: SessionHandle | undefined;
  private phase: 'handshake' | 'psk-lookup' | 'open' | 'peer-closed' | 'ended' = 'handshake';
  private onPool = false;
  private now: Millis;
  private output: Uint8Array[] = [];
  private events: AssociationEvent[] = [];
  private closedTaken = false;
  /** Messages given to `send` before the handshake was through. */
  private early: Uint8Array[] = [];
  private earlyBytes = 0;
  /** Received, not given to the engine yet. */
  private waiting: Uint8Array[] = [];
  private waitingBytes = 0;
  /** Given to the engine, which stopped reading at the budget. */
  private heldBytes = 0;
  private held = false;
  private untakenBytes = 0;
  private readonly handshakeDeadline: Millis;
  private flightDeadline: Millis | undefined;
  private timerStarts = 0;
  private repeatedFlights = 0;
  private version: string | undefined;
  private heardApplication = false;
  private heardFatal = false;

  constructor(engine: NativeEngine, handle: SessionHandle, settings: SessionSettings, now: Millis) {
    this.engine = engine;
    this.handle = handle;
    this.settings = settings;
    this.role = settings.role;
    this.now = now;
    this.handshakeDeadline = now + settings.handshakeTimeout;
    this.step();
  }

  get backlog(): number {
    return this.waitingBytes + this.heldBytes + this.untakenBytes;
  }

  get busy(): boolean {
    return this.onPool && this.handle !== undefined;
  }

  get retransmissions(): number {
    return this.repeatedFlights;
  }

  receive(bytes: Uint8Array, now: Millis): void {
    if (!this.handle || this.phase === 'peer-closed' || bytes.length === 0) return;
    this.now = now;
    if (this.blocked) {
      this.hold(bytes);
      return;
    }
    this.engine.feed(this.handle, bytes);
    this.heldBytes += bytes.length;
    this.step();
  }

  send(message: Uint8Array, now: Millis): void {
    if (!this.handle || message.length === 0) return;
    if (this.settings.datagram && message.length > limits.secure.recordBytes)
      throw new RangeError(
        `a message of ${message.length} bytes does not fit a DTLS record of ${limits.secure.recordBytes}`,
      );
    this.now = now;
    if (this.phase === 'open' || this.phase === 'peer-closed') {
      this.apply(this.engine.send(this.handle, message));
      return;
    }
    if (this.earlyBytes + message.length > limits.secure.queuedBytes)
      throw new RangeError(`more than ${limits.secure.queuedBytes} bytes to send before the handshake is through`);
    this.early.push(new Uint8Array(message));
    this.earlyBytes += message.length;
  }

  providePsk(key: Uint8Array | undefined, now: Millis): void {
    if (!this.handle || this.phase !== 'psk-lookup') return;
    this.now = now;
    this.phase = 'handshake';
    this.engine.providePsk(this.handle, key);
    this.feedWaiting();
    this.step();
  }

  close(now: Millis): void {
    if (!this.handle) return;
    this.now = now;
    if (this.phase === 'peer-closed') {
      this.sayGoodbye();
      return;
    }
    if (this.phase === 'open') this.apply(this.engine.shutdown(this.handle));
    this.finish({ reason: 'local' });
  }

  abort(): void {
    this.release();
    this.phase = 'ended';
    this.output = [];
    this.events = [];
  }

  nextTimeout(): Millis | undefined {
    if (!this.handle || this.phase === 'open' || this.phase === 'peer-closed')
      return this.handle && this.flightDeadline;
    if (this.onPool || this.phase === 'psk-lookup' || this.flightDeadline === undefined) return this.handshakeDeadline;
    return Math.min(this.handshakeDeadline, this.flightDeadline);
  }

  handleTimeout(now: Millis): void {
    if (!this.handle) return;
    this.now = now;
    if ((this.phase === 'handshake' || this.phase === 'psk-lookup') && now >= this.handshakeDeadline) {
      this.finish({ reason: 'handshake-timeout' });
      return;
    }
    if (this.onPool || this.phase === 'psk-lookup' || this.flightDeadline === undefined || now < this.flightDeadline)
      return;
    this.flightDeadline = now + flightRetry;
    const before = this.timerStarts;
    this.apply(this.engine.retransmit(this.handle));
    if (this.timerStarts !== before) this.repeatedFlights++;
  }

  takeOutput(): Uint8Array[] {
    // The peer has said goodbye: answers to what it asked before that go first (they were queued since), then ours.
    if (this.phase === 'peer-closed' && this.closedTaken) this.sayGoodbye();
    const output = this.output;
    if (output.length > 0) this.output = [];
    return output;
  }

  takeEvents(): AssociationEvent[] {
    const events = this.events;
    if (events.length === 0) return events;
    this.events = [];
    this.untakenBytes = 0;
    if (events.at(-1)?.type === 'closed') this.closedTaken = true;
    if (this.handle && this.held) {
      this.held = false;
      this.feedWaiting();
      this.step();
    }
    return events;
  }

  private get blocked(): boolean {
    return this.onPool || this.held || this.phase === 'psk-lookup';
  }

  /** Goes as far as the input reaches: maybe on the pool while public-key work may come up, here afterwards. */
  private step(): void {
    const { handle, settings } = this;
    if (!handle) return;
    const here = () => {
      const outcome = this.engine.run(handle, limits.secure.queuedBytes - this.untakenBytes, settings.sign);
      if (outcome) this.apply(outcome);
    };
    if (this.phase !== 'handshake' || !settings.threads) here();
    else if (settings.threads !== 'when-busy' || !doHere(here)) this.stepOnPool(handle);
  }

  private stepOnPool(handle: SessionHandle): void {
    this.onPool = true;
    enterPool(() => {
      // Ended while it waited for its place.
      if (!this.handle) {
        leavePool();
        return;
      }
      this.engine.runOnPool(handle, (outcome) => {
        leavePool();
        this.onPool = false;
        if (!outcome || !this.handle) return;
        this.apply(outcome);
        // Records right behind the handshake wait inside the engine; others came while the job ran.
        if (this.phase === 'open' || (this.phase === 'handshake' && this.waiting.length > 0)) {
          this.feedWaiting();
          this.step();
        }
        this.onProgress?.();
      });
    });
  }

  private apply(outcome: Outcome): void {
    const [state, more, flightTimeout, timerStarts] = outcome;
    for (let at = 4; at + 1 < outcome.length; at += 2)
      this.item({ kind: outcome[at], payload: outcome[at + 1] } as NativeItem);
    if (!this.handle) return;
    this.held = more === 1 || this.untakenBytes >= limits.secure.queuedBytes;
    if (more !== 1 && state !== nativeState.pausedForPsk) this.heldBytes = 0;
    if (flightTimeout === 0) this.flightDeadline = undefined;
    else if (timerStarts !== this.timerStarts) this.flightDeadline = this.now + flightTimeout;
    this.timerStarts = timerStarts;
    if (this.phase === 'open' && this.early.length > 0) this.sendEarly();
  }

  private item({ kind, payload }: NativeItem): void {
    switch (kind) {
      case itemKind.output:
        this.output.push(payload);
        break;
      case itemKind.message:
        this.heardApplication = true;
        this.untakenBytes += payload.length;
        this.events.push({ type: 'message', bytes: payload });
        break;
      case itemKind.alert:
        this.alert(payload);
        break;
      case itemKind.hello:
        this.events.push({ type: 'client-hello', hello: describeHello(payload) });
        break;
      case itemKind.psk:
        this.phase = 'psk-lookup';
        this.events.push({ type: 'psk-lookup', identity: payload });
        break;
      case itemKind.established:
        this.phase = 'open';
        this.version = payload.version;
        this.events.push({ type: 'established', session: payload });
        break;
      case itemKind.peerClosed:
        this.phase = 'peer-closed';
        this.events.push({ type: 'closed', end: { reason: 'close-notify' } });
        break;
      case itemKind.failed:
        // A TLS 1.3 client is done before the server has judged its certificate (RFC 8446 §4.4.2.4 and §6.2).
        if (
          this.phase !== 'open' ||
          (this.version === 'TLSv1.3' && this.role === 'client' && !this.heardApplication && this.heardFatal)
        )
          this.finish({ reason: 'refused', error: payload.error, peer: payload.peer });
        else this.finish({ reason: 'failed', error: payload.error });
    }
  }

  private alert(code: number): void {
    if (this.phase === 'peer-closed') return;
    const direction = code >> 16 ? 'sent' : 'received';
    const name = alertName(code & 0xff);
    // TLS 1.3 ignores the level: all but the goodbyes are fatal (RFC 8446 §6).
    const level = ((code >> 8) & 0xff) === 2 ? 'fatal' : 'warning';
    if (direction === 'received' && level === 'fatal') this.heardFatal = true;
    this.events.push({ type: 'alert', direction, level, name });
  }

  private hold(bytes: Uint8Array): void {
    if (this.settings.datagram && this.waitingBytes + bytes.length > limits.secure.queuedBytes) return;
    if (this.waitingBytes + bytes.length > streamBacklog) {
      this.finish({ reason: 'failed', error: `more than ${streamBacklog} bytes received and not taken` });
      return;
    }
    this.waiting.push(new Uint8Array(bytes));
    this.waitingBytes += bytes.length;
  }

  private feedWaiting(): void {
    if (!this.handle) return;
    for (const bytes of this.waiting) this.engine.feed(this.handle, bytes);
    this.heldBytes += this.waitingBytes;
    this.waiting = [];
    this.waitingBytes = 0;
  }

  private sendEarly(): void {
    const early = this.early;
    this.early = [];
    this.earlyBytes = 0;
    for (const message of early) if (this.handle) this.apply(this.engine.send(this.handle, message));
  }

  /** Answers the peer's close_notify (RFC 5246 §7.2.1); its `closed` event has been handed out. */
  private sayGoodbye(): void {
    if (!this.handle) return;
    this.apply(this.engine.shutdown(this.handle));
    this.release();
    this.phase = 'ended';
  }

  private finish(end: AssociationEnd): void {
    if (!this.handle) return;
    this.release();
    this.phase = 'ended';
    this.events.push({ type: 'closed', end });
  }

  private release(): void {
    if (this.handle) this.engine.free(this.handle);
    this.handle = undefined;
    this.waiting = [];
    this.early = [];
    this.waitingBytes = this.heldBytes = 0;
    this.flightDeadline = undefined;
  }
}
