import { earlier, type Millis } from '../core/clock.ts';
import { limits } from '../core/limits.ts';
import { type RandomSource, randomFraction } from '../core/random.ts';

/** Transmission parameters (RFC 7252 §4.8). */
export interface Transmission {
  readonly ackTimeout: Millis;
  readonly ackRandomFactor: number;
  readonly maxRetransmit: number;
  readonly nstart: number;
}

export const defaultTransmission: Transmission = {
  ackTimeout: limits.coap.ackTimeout,
  ackRandomFactor: limits.coap.ackRandomFactor,
  maxRetransmit: limits.coap.maxRetransmit,
  nstart: limits.coap.nstart,
};

interface Confirmable<Owner> {
  readonly messageId: number;
  readonly bytes: Uint8Array;
  readonly owner: Owner;
  /** Times it has been sent again. */
  retransmissions: number;
  timeout: Millis;
  due: Millis;
}

/**
 * Own CON messages until they are acknowledged (RFC 7252 §4.2): at most NSTART at a time are under way, the others wait
 * for their turn; each is sent again after a growing timeout until it is settled or given up.
 */
export class Retransmitter<Owner> {
  private readonly transmission: Transmission;
  private readonly random: RandomSource;
  private readonly send: (bytes: Uint8Array) => void;
  private readonly renew: (owner: Owner, now: Millis) => Renewed | undefined;
  private readonly underWay = new Map<number, Confirmable<Owner>>();
  private readonly waiting: Confirmable<Owner>[] = [];
  private repeated = 0;

  /** @param renew asked before a message is sent, or sent again: whether another has taken its place (RFC 7641 §4.5.2). */
  constructor(
    transmission: Transmission,
    random: RandomSource,
    send: (bytes: Uint8Array) => void,
    renew: (owner: Owner, now: Millis) => Renewed | undefined = () => undefined,
  ) {
    this.transmission = transmission;
    this.random = random;
    this.send = send;
    this.renew = renew;
  }

  /** How many messages are under way or waiting. */
  get size(): number {
    return this.underWay.size + this.waiting.length;
  }

  /** Messages sent again so far. */
  get repeats(): number {
    return this.repeated;
  }

  transmit(messageId: number, bytes: Uint8Array, owner: Owner, now: Millis): void {
    this.waiting.push({ messageId, bytes, owner, retransmissions: 0, timeout: 0, due: 0 });
    this.startNext(now);
  }

  /** Whose message this id is, if it is under way. */
  ownerOf(messageId: number): Owner | undefined {
    return this.underWay.get(messageId)?.owner;
  }

  /** Ends the transmission of a message that was acknowledged or reset. */
  settle(messageId: number, now: Millis): void {
    this.drop(messageId);
    this.startNext(now);
  }

  /** Ends the transmission of a message that is no longer wanted. */
  drop(messageId: number): void {
    if (this.underWay.delete(messageId)) return;
    const at = this.waiting.findIndex((message) => message.messageId === messageId);
    if (at >= 0) this.waiting.splice(at, 1);
  }

  /** 0, that is at once, when a dropped message has left its place to one that waits. */
  nextTimeout(): Millis | undefined {
    if (this.waiting.length > 0 && this.underWay.size < this.transmission.nstart) return 0;
    let next: Millis | undefined;
    for (const { due } of this.underWay.values()) next = earlier(next, due);
    return next;
  }

  /** Sends what is due again; returns the owners of what is given up. */
  handleTimeout(now: Millis): Owner[] {
    const givenUp: Owner[] = [];
    for (const message of this.underWay.values()) {
      if (message.due > now) continue;
      if (message.retransmissions >= this.transmission.maxRetransmit) {
        this.underWay.delete(message.messageId);
        givenUp.push(message.owner);
        continue;
      }
      message.retransmissions++;
      this.repeated++;
      message.timeout *= 2;
      message.due = now + message.timeout;
      this.sendNewest(message, now);
    }
    this.startNext(now);
    return givenUp;
  }

  private startNext(now: Millis): void {
    while (this.underWay.size < this.transmission.nstart) {
      const message = this.waiting.shift();
      if (message === undefined) return;
      const { ackTimeout, ackRandomFactor } = this.transmission;
      message.timeout = ackTimeout * (1 + (ackRandomFactor - 1) * randomFraction(this.random));
      message.due = now + message.timeout;
      this.sendNewest(message, now);
    }
  }

  private sendNewest(message: Confirmable<Owner>, now: Millis): void {
    const renewed = this.renew(message.owner, now);
    if (renewed) this.underWay.delete(message.messageId);
    const newest = renewed ? { ...message, ...renewed } : message;
    this.underWay.set(newest.messageId, newest);
    this.send(newest.bytes);
  }
}

export interface Renewed {
  readonly messageId: number;
  readonly bytes: Uint8Array;
}
