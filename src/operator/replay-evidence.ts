import { utf8 } from '../core/bytes.ts';
import type { Millis } from '../core/clock.ts';
import type { Uuid } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import { fingerprint } from '../pki/certificate.ts';
import type { Attempt, Device } from '../store/model.ts';
import type { Store } from '../store/store.ts';
import { presentedIn } from './explain.ts';

/** What an attempt has recorded of its peer, as far as a policy asks for it. */
export interface PeerTrace {
  readonly attemptId: Uuid;
  readonly at: Millis;
  /** DER, the device's certificate first; empty for a peer with a pre-shared key. */
  readonly presented: readonly Uint8Array[];
  readonly pskIdentity: Uint8Array | undefined;
  /** Its handshake went through: it holds the key. Otherwise a certificate is only a copy of one, as anybody could have it. */
  readonly proved: boolean;
  /** The device id that it asked with. */
  readonly deviceId: string | undefined;
}

/**
 * The peer of an attempt; undefined when it never showed who it is: an identity that is only named counts for nothing, nor does
 * a certificate whose key the peer is known not to hold.
 */
export function traceOf(attempt: Attempt): PeerTrace | undefined {
  const { id, entries } = attempt;
  const proved = entries.some(({ type }) => type === 'handshake');
  const presented = presentedIn(attempt);
  const pskIdentity = presented.length === 0 && proved ? identityIn(attempt) : undefined;
  const faked = !proved && stagesOf(attempt).some(({ refusal }) => refusal?.code === 'attest.wrong-key');
  if (faked) return undefined;
  if (presented.length === 0 && pskIdentity === undefined) return undefined;
  const deviceId = stagesOf(attempt).findLast(({ stage }) => stage === 'bind')?.facts.deviceId;
  return {
    attemptId: id,
    at: entries[0]?.at ?? 0,
    presented,
    pskIdentity,
    proved,
    deviceId: typeof deviceId === 'string' ? deviceId : undefined,
  };
}

/** What a device has shown last, in one of its newest attempts since then. */
export async function traceOfDevice(store: Store, { keyId }: Device, since: Millis): Promise<PeerTrace | undefined> {
  for (const { id, openedAt } of await store.attempts({ keyId, limit: limits.policy.dryRunAttempts })) {
    if (openedAt < since) return undefined;
    const attempt = await store.attempt(id);
    const trace = attempt && traceOf(attempt);
    if (trace) return trace;
  }
  return undefined;
}

/** What the attempts of one stranger have in common: its certificate, or the name of its key. */
export const strangerName = ({ presented: [leaf], pskIdentity }: PeerTrace): string =>
  leaf ? fingerprint(leaf) : `psk ${Buffer.from(pskIdentity ?? []).toString('latin1')}`;

/** The identity stands in what attest said; in hexadecimal (0x..) when it is no text. */
function identityIn(attempt: Attempt): Uint8Array | undefined {
  const facts = stagesOf(attempt).findLast(({ stage }) => stage === 'attest')?.facts;
  const named = facts?.mechanism === 'psk' ? facts.subject : facts?.identity;
  if (typeof named !== 'string') return undefined;
  return /^0x([0-9a-f]{2})+$/.test(named) ? new Uint8Array(Buffer.from(named.slice(2), 'hex')) : utf8(named);
}

const stagesOf = ({ entries }: Attempt) => entries.filter((entry) => entry.type === 'stage');
