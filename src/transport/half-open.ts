import { limits } from '../core/limits.ts';
import type { LiveSession } from './session.ts';

/**
 * Sessions whose handshake is not finished, bounded: a new one beyond the bound puts out the oldest. Honest handshakes are
 * through in a few round trips, so under a flood the oldest is hardly ever one of them.
 */
export class HalfOpenSessions {
  private readonly waiting = new Set<LiveSession>();

  get size(): number {
    return this.waiting.size;
  }

  add(session: LiveSession): void {
    const [oldest] = this.waiting;
    if (oldest && this.waiting.size >= limits.secure.halfOpen) {
      this.waiting.delete(oldest);
      oldest.abort({ reason: 'evicted' });
    }
    this.waiting.add(session);
  }

  /** Established or closed. */
  settled(session: LiveSession): void {
    this.waiting.delete(session);
  }
}
