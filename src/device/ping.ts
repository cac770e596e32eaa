import { earlier, type Millis, seconds } from '../core/clock.ts';
import type { DeviceContext } from './context.ts';

const interval = seconds(20);
const timeout = seconds(4);
const missable = 6;

/** Pings on the cloud's session: every 20 s, 4 s for the answer, and after six without one the session is lost (plgd-device b6). */
export class PingWatch {
  private readonly context: DeviceContext;
  private readonly lost: (now: Millis) => void;
  private session: number | undefined;
  private at: Millis | undefined;
  private ping: { readonly id: number; readonly deadline: Millis } | undefined;
  private missed = 0;

  constructor(context: DeviceContext, lost: (now: Millis) => void) {
    this.context = context;
    this.lost = lost;
  }

  start(session: number, now: Millis): void {
    this.stop();
    this.session = session;
    this.at = now + interval;
  }

  stop(): void {
    this.session = undefined;
    this.at = undefined;
    this.ping = undefined;
    this.missed = 0;
  }

  pong(exchange: number): void {
    if (exchange !== this.ping?.id) return;
    this.ping = undefined;
    this.missed = 0;
  }

  nextTimeout(): Millis | undefined {
    return earlier(this.at, this.ping?.deadline);
  }

  handleTimeout(now: Millis): void {
    if (this.ping && now >= this.ping.deadline) {
      this.ping = undefined;
      this.missed++;
      if (this.missed >= missable) this.lost(now);
    }
    if (this.at === undefined || now < this.at || this.session === undefined) return;
    this.at = now + interval;
    this.ping = { id: this.context.nextId(), deadline: now + timeout };
    this.context.emit({ type: 'ping', session: this.session, exchange: this.ping.id });
  }
}
