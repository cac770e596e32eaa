import type { Millis } from '../core/clock.ts';
import type { ErrorCode, Evidence, Refusal } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { tryParseCertificate } from '../pki/certificate.ts';
import { explainPath, wrongOrder } from '../pki/explain-path.ts';
import type { PeerChain } from '../pki/path.ts';
import { anyGroup } from '../pki/path-evidence.ts';
import { printable } from './attest.ts';
import type { OfferEvidence } from './contract.ts';
import { nearestGroup } from './match.ts';
import { missingFromOffer } from './offer.ts';
import type { Policy } from './policy.ts';
import { findPsk } from './psk.ts';

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
  const path = chain && explainPath(chain, now, policy.known);
  if (path && !path.ok) return withNearestGroup(path.refusal, chain, policy);
  // An authority in front passes where its usage allows that; what fails then is the proof of its key.
  const misplaced = path && wrongOrder(path.value.leaf, chain);
  if (misplaced) return misplaced;
  const evidence: Evidence = { error: error.slice(0, 200), ...(psk && { identity: printable(psk.identity) }) };
  if (alertReceived !== undefined && alertReceived !== 'close_notify') {
    return { ...alertReason(alertReceived), evidence: { ...evidence, alertReceived } };
  }
  const byPsk = psk?.known ?? offersOnlyPsk(offer);
  const reason = reasons.find(({ pattern, pskOnly }) => pattern.test(error) && (!pskOnly || byPsk));
  if (reason === undefined) return { code: 'attest.handshake', evidence, fix: 'see the error and the ClientHello' };
  const { code, fix } = reason;
  if (code === 'attest.wrong-psk') return wrongPsk(psk?.identity, evidence, policy) ?? { code, evidence, fix };
  if (code !== 'attest.no-common-suite' || offer === undefined) return { code, evidence, fix };
  const missing = missingFromOffer(offer);
  const offered = { version: offer.version, offered: offer.cipherSuites.join(' ').slice(0, 500) };
  return { code, evidence: { ...evidence, ...offered, ...missing?.evidence }, fix: missing?.fix ?? fix };
}

/** Adds which group comes nearest to a chain that was refused, and names it in the fix. */
export function withNearestGroup(refusal: Refusal, chain: PeerChain, policy: Policy): Refusal {
  const certificates = (chain.path.length > 0 ? chain.path : chain.presented)
    .map(tryParseCertificate)
    .filter((certificate) => certificate !== undefined);
  const nearest = nearestGroup(certificates, policy);
  const evidence = { ...refusal.evidence, ...nearest };
  if (typeof nearest.nearestGroup !== 'string') return { ...refusal, evidence };
  return { ...refusal, evidence, fix: refusal.fix.replace(anyGroup, `the enrollment group "${nearest.nearestGroup}"`) };
}

/** Names the group whose key it is not. */
function wrongPsk(identity: Uint8Array | undefined, evidence: Evidence, policy: Policy): Refusal | undefined {
  const found = identity && findPsk(policy.psk, identity);
  const group = found && policy.groups.get(found.groupId)?.name;
  if (!found || group === undefined) return undefined;
  const fix = `compare the key of the identity in the device and in the enrollment group "${group}"`;
  return { code: 'attest.wrong-psk', evidence: { ...evidence, group, by: found.by }, fix };
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
    code: 'attest.wrong-key',
    fix: 'the device does not hold the private key of its certificate: give it the key that belongs there',
  },
  {
    pattern: /asn1 lib|cert length mismatch/i,
    code: 'attest.unreadable',
    fix: 'let the device send its manufacturer chain as certificates in DER, leaf first',
  },
  {
    pattern: /excessive message size/i,
    code: 'attest.handshake',
    fix: `let the device send a chain of ${limits.secure.chainBytes} bytes at most`,
  },
  {
    pattern: /http request|wrong version number|record layer failure|https proxy request/i,
    code: 'attest.not-tls',
    fix: 'see who speaks to this port: a device speaks TLS or DTLS 1.2 or later here',
  },
];

function offersOnlyPsk(offer: OfferEvidence | undefined): boolean {
  const suites = offer?.cipherSuites.filter((name) => !/SCSV|^0x00ff$/i.test(name)) ?? [];
  return suites.length > 0 && suites.every((name) => name.includes('PSK'));
}

function alertReason(alert: string): Pick<Refusal, 'code' | 'fix'> {
  if (/certificate|unknown_ca|access_denied/.test(alert)) {
    return {
      code: 'attest.service-distrusted',
      fix: 'the device does not trust the service certificate: give it the right CA (dpsca.pem), and look at the dates and the server usage of the service certificate',
    };
  }
  return { code: 'attest.handshake', fix: 'the device ended the handshake: its own log says why' };
}
