import type { Millis } from '../core/clock.ts';
import { type ErrorCode, type Evidence, FirstbootError, type Refusal } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { parseCertificate } from '../pki/certificate.ts';
import { explainPath } from '../pki/explain-path.ts';
import type { PeerChain } from '../pki/path.ts';
import { printable } from './attest.ts';
import type { OfferEvidence } from './contract.ts';
import { nearestGroup } from './match.ts';
import { knownAuthorities, type Policy } from './policy.ts';

/** What was seen of a handshake that came to nothing. */
export interface RefusedHandshake {
  /** The secure engine's reason. */
  readonly error: string;
  readonly chain: PeerChain | undefined;
  readonly offer: OfferEvidence | undefined;
  /** The last alert that the peer sent. */
  readonly alertReceived: string | undefined;
  /** The pre-shared key that the peer has named, and whether there is one. */
  readonly psk?: { readonly identity: Uint8Array; readonly known: boolean } | undefined;
}

/** Stage attest for a peer that did not get through its handshake: why, in our own words, and what would help. */
export function explainHandshake(seen: RefusedHandshake, policy: Policy, now: Millis): Refusal {
  const { error, chain, offer, alertReceived, psk } = seen;
  const path = chain && explainPath(chain, now, knownAuthorities(policy));
  if (path && !path.ok) return withNearestGroup(path.refusal, chain, policy);
  const evidence: Evidence = { error: error.slice(0, 200), ...(psk && { identity: printable(psk.identity) }) };
  if (alertReceived !== undefined && alertReceived !== 'close_notify') {
    return { code: 'attest.handshake', evidence: { ...evidence, alertReceived }, fix: alertFix(alertReceived) };
  }
  const byPsk = psk?.known ?? offersOnlyPsk(offer);
  const reason = reasons.find(({ pattern, pskOnly }) => pattern.test(error) && (!pskOnly || byPsk));
  if (reason === undefined) return { code: 'attest.handshake', evidence, fix: 'see the error and the ClientHello' };
  const offered: Evidence =
    reason.code === 'attest.no-common-suite' && offer
      ? { version: offer.version, offered: offer.cipherSuites.join(' ').slice(0, 500) }
      : {};
  return { code: reason.code, evidence: { ...evidence, ...offered }, fix: reason.fix };
}

/** The secure engine's reason strings that have a rule of their own; the first that fits counts. */
const reasons: readonly {
  readonly pattern: RegExp;
  readonly code: ErrorCode;
  readonly fix: string;
  readonly pskOnly?: boolean;
}[] = [
  {
    pattern: /peer did not return a certificate/i,
    code: 'attest.no-certificate',
    fix: 'let the device send its manufacturer certificate chain',
  },
  {
    pattern:
      /no shared cipher|no shared signature|no suitable (signature|key share)|unsupported protocol|version too low|no shared group/i,
    code: 'attest.no-common-suite',
    fix: 'let the device offer TLS or DTLS 1.2 with ECDHE_ECDSA and AES128-GCM, P-256 and ECDSA with SHA-256',
  },
  {
    pattern: /psk identity not found/i,
    code: 'attest.unknown-psk',
    fix: 'add the identity and its key to an enrollment group',
  },
  {
    // Over DTLS a Finished that does not verify is dropped silently (RFC 6347 §4.1.2.7): then time tells.
    pattern: /bad record mac|decryption failed|digest check failed|binder does not verify|^handshake timeout$/i,
    code: 'attest.wrong-psk',
    fix: 'compare the key of the identity in the device and in its enrollment group',
    pskOnly: true,
  },
  {
    // Of the chain's own signatures the path check tells; this one is the peer's over the handshake (RFC 5246 §7.4.8).
    pattern: /^bad signature$/i,
    code: 'attest.handshake',
    fix: 'the device does not hold the private key of its certificate: give it the key that belongs there',
  },
  {
    pattern: /asn1 lib|cert length mismatch/i,
    code: 'attest.invalid-chain',
    fix: 'let the device send its manufacturer chain as certificates in DER, leaf first',
  },
  {
    pattern: /excessive message size/i,
    code: 'attest.handshake',
    fix: `let the device send a chain of ${limits.secure.chainBytes} bytes at most`,
  },
  {
    pattern: /http request|wrong version number|record layer failure|https proxy request/i,
    code: 'attest.handshake',
    fix: 'this is not TLS: see who speaks to this port',
  },
];

function offersOnlyPsk(offer: OfferEvidence | undefined): boolean {
  const suites = offer?.cipherSuites.filter((name) => !/SCSV|^0x00ff$/i.test(name)) ?? [];
  return suites.length > 0 && suites.every((name) => name.includes('PSK'));
}

function alertFix(alert: string): string {
  if (/certificate|unknown_ca|access_denied/.test(alert)) {
    return 'the device does not trust the service certificate: give it the right CA (dpsca.pem), and look at the dates and the server usage of the service certificate';
  }
  return 'the device ended the handshake: its own log says why';
}

/** Adds which group comes nearest to a chain that no registered authority has issued. */
function withNearestGroup(refusal: Refusal, chain: PeerChain, policy: Policy): Refusal {
  if (refusal.code !== 'attest.unknown-issuer' && refusal.code !== 'attest.incomplete-chain') return refusal;
  try {
    const certificates = (chain.path.length > 0 ? chain.path : chain.presented).map(parseCertificate);
    return { ...refusal, evidence: { ...refusal.evidence, ...nearestGroup(certificates, policy) } };
  } catch (error) {
    if (error instanceof FirstbootError) return refusal;
    throw error;
  }
}
