import { createHash, hash } from 'node:crypto';
import type { Millis } from '../core/clock.ts';
import { failure } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import type { Store } from '../store/store.ts';
import type { Principal } from './principal.ts';

/** What a request is compared by when its key comes again. The body of an import is added while it is read. */
export interface RequestDigest {
  update(part: Uint8Array | string): void;
  hex(): string;
}

export function requestDigest(method: string, url: string, contentType: string): RequestDigest {
  const digest = createHash('sha256').update(`${method}\n${url}\n${contentType}\n`);
  return { update: (part) => void digest.update(part), hex: () => digest.copy().digest('hex') };
}

/** An answer as it can be given again. */
export interface AnswerToKeep {
  readonly status: number;
  /** JSON; '' when there is none. */
  readonly body: string;
  readonly etag: string | undefined;
}

export type Begun =
  | {
      readonly type: 'new';
      /** Keeps the answer of a request that did something; one that was refused did nothing, and may come again. */
      done(answer: AnswerToKeep | undefined, request: RequestDigest): Promise<void>;
    }
  | { readonly type: 'kept'; readonly request: string; readonly answer: AnswerToKeep };

/** Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): the same request twice is done once. */
export class Idempotency {
  private readonly store: Pick<Store, 'keptAnswer' | 'keepAnswer'>;
  private readonly now: () => Millis;
  /** Bounded by the requests that are under way. */
  private readonly inProgress = new Set<string>();

  constructor(store: Pick<Store, 'keptAnswer' | 'keepAnswer'>, now: () => Millis) {
    this.store = store;
    this.now = now;
  }

  /** @throws FirstbootError request.malformed (the key), api.in-progress */
  async begin(principal: Principal, key: string): Promise<Begun> {
    if (!/^[\x21-\x7e]+$/.test(key) || key.length > limits.api.idempotencyKey) {
      const fix = `send 1 to ${limits.api.idempotencyKey} visible ASCII characters, for example a UUID`;
      throw failure('request.malformed', { at: 'header.idempotency-key' }, fix);
    }
    const kept = hash('sha256', `${principal.id}\n${key}`, 'hex');
    if (this.inProgress.has(kept)) {
      throw failure('api.in-progress', {}, 'wait for the answer to the first one, or try again in a moment');
    }
    this.inProgress.add(kept);
    try {
      const answer = await this.store.keptAnswer(kept, this.now());
      if (answer) {
        this.inProgress.delete(kept);
        const { body, etag } = JSON.parse(answer.body) as { readonly body: string; readonly etag?: string };
        return { type: 'kept', request: answer.request, answer: { status: answer.status, body, etag } };
      }
    } catch (error) {
      this.inProgress.delete(kept);
      throw error;
    }
    return {
      type: 'new',
      done: async (answer, request) => {
        try {
          if (!answer) return;
          const { status, body, etag } = answer;
          const text = JSON.stringify({ body, etag });
          const by = hash('sha256', principal.id, 'hex');
          await this.store.keepAnswer({ key: kept, by, at: this.now(), request: request.hex(), status, body: text });
        } finally {
          this.inProgress.delete(kept);
        }
      },
    };
  }
}

/** @throws FirstbootError api.idempotency */
export function requireSameRequest(kept: string, request: RequestDigest): void {
  if (kept === request.hex()) return;
  throw failure('api.idempotency', {}, 'use a new key for each request, and the same one for its repetitions only');
}
