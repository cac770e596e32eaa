import type { Millis } from '../core/clock.ts';
import { limits } from '../core/limits.ts';

/** A CON or NON message of the peer that has been taken, and what a copy of it is answered with. */
export interface TakenMessage {
  readonly messageId: number;
  readonly expires: Millis;
  /** The ACK or RST that went out; undefined: nothing yet, or nothing at all (NON). */
  reply: Uint8Array | undefined;
  /** Its request is still being served: it must not be forgotten, or a copy would be served again. */
  working: boolean;
}

/**
 * Duplicate detection by message id (RFC 7252 §4.5) within one session, bounded in count and in bytes of kept replies.
 * When a bound is reached the oldest goes, but never one that is being served: those are bounded by requestsInFlight.
 */
export class DuplicateFilter {
  /** In order of arrival. */
  private readonly taken = new Map<number, TakenMessage>();
  private replyBytes = 0;

  /** The message with this id that was taken before and has not expired. */
  find(messageId: number, now: Millis): TakenMessage | undefined {
    const found = this.taken.get(messageId);
    if (found === undefined || found.working || found.expires > now) return found;
    this.forget(found);
    return undefined;
  }

  /** @param messageId one that `find` does not know. */
  take(messageId: number, expires: Millis): TakenMessage {
    const message: TakenMessage = { messageId, expires, reply: undefined, working: false };
    this.taken.set(messageId, message);
    this.makeRoom(message);
    return message;
  }

  keepReply(message: TakenMessage, reply: Uint8Array): void {
    // One that has been forgotten meanwhile is not counted again.
    if (this.taken.get(message.messageId) !== message) return;
    this.replyBytes += reply.length - (message.reply?.length ?? 0);
    message.reply = reply;
    this.makeRoom(message);
  }

  private makeRoom(newest: TakenMessage): void {
    if (!this.isFull()) return;
    for (const message of this.taken.values()) {
      if (message !== newest && !message.working) this.forget(message);
      if (!this.isFull()) return;
    }
  }

  private isFull(): boolean {
    return this.taken.size > limits.coap.duplicates || this.replyBytes > limits.coap.duplicateBytes;
  }

  private forget(message: TakenMessage): void {
    this.taken.delete(message.messageId);
    this.replyBytes -= message.reply?.length ?? 0;
  }
}
