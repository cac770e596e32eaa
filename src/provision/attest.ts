import { encodePem } from '../codec/pem.ts';
import { fromUtf8, toHex } from '../core/bytes.ts';
import type { Millis } from '../core/clock.ts';
import { type Decision, decided, refused } from '../core/errors.ts';
import { type Uuid, uuidNamespaces, uuidV5 } from '../core/ids.ts';
import { type Certificate, tryParseCertificate } from '../pki/certificate.ts';
import { explainPath } from '../pki/explain-path.ts';
import type { PathError, PeerChain } from '../pki/path.ts';
import { manufacturerKeyId } from '../pki/public-key.ts';
import type { PeerEvidence } from './contract.ts';
import { overriding, pinOf } from './pins.ts';
import type { Policy } from './policy.ts';
import { findPsk } from './psk.ts';

/** Which key the peer has proved to hold, and what vouches for it. */
export type Attestation = X509Attestation | PskAttestation;

interface X509Attestation {
  readonly mechanism: 'x509';
  readonly keyId: Uuid;
  /** Subject of the manufacturer certificate, for people. */
  readonly subject: string;
  /** Its serial number, hex. */
  readonly serial: string;
  /** The manufacturer certificate, PEM. */
  readonly certificate: string;
  /** The verified path, leaf first, up to the trust anchor. */
  readonly path: readonly Certificate[];
  /** What a pin names its key by. */
  readonly pin: string;
  /** The path does not hold by itself: nothing but a pin vouches for the key, and nobody for what else the certificate says. */
  readonly onlyByPin: boolean;
  /** notAfter of the leaf when that is over: the group decides whether it still counts. Of no account for a pinned key. */
  readonly expiredSince: Millis | undefined;
}

interface PskAttestation {
  readonly mechanism: 'psk';
  readonly keyId: Uuid;
  readonly subject: string;
  readonly identity: string;
  readonly groupId: Uuid;
  /** Its key is one that others have, too: any number of identities can come with it. */
  readonly sharedKey: boolean;
}

/**
 * Stage attest: turns what the handshake has proved into an attestation. Everything the path check found counts, except
 * that an expired leaf is left to the group, and that a pinned key is trusted whoever signed its certificate.
 */
export function attest(peer: PeerEvidence, policy: Policy, now: Millis): Decision<Attestation> {
  if (peer.chain) return attestChain(peer.chain, policy, now);
  if (peer.pskIdentity) return attestPsk(peer.pskIdentity, policy);
  return refused(
    'attest.no-certificate',
    { cipherSuite: peer.cipherSuite },
    'let the device send its manufacturer certificate chain, or use a pre-shared key of its group',
  );
}

/** The key id of a pre-shared key: the identity counts within its group. */
export const pskKeyId = (groupId: Uuid, identity: string): Uuid => uuidV5(uuidNamespaces.x500, `${groupId}${identity}`);

function attestChain(chain: PeerChain, policy: Policy, now: Millis): Decision<Attestation> {
  const pinned = isPinned(chain, policy);
  const forgiven = pinned ? overriding : isExpiredLeaf;
  const errors = chain.errors.filter((error) => !forgiven(error));
  const { known } = policy;
  const valid = explainPath({ ...chain, errors }, now, known);
  // What is refused is refused for the first cause of all, as it would be in the handshake.
  if (!valid.ok) return firstCause(explainPath(chain, now, known), valid);
  const { leaf, path } = valid.value;
  return decided({
    mechanism: 'x509',
    keyId: manufacturerKeyId(leaf.spki),
    subject: leaf.subject.text,
    serial: leaf.serial,
    certificate: encodePem('CERTIFICATE', leaf.der),
    path,
    pin: pinOf(leaf.spki),
    onlyByPin: pinned && chain.errors.length > 0,
    expiredSince: !pinned && errors.length < chain.errors.length ? leaf.notAfter : undefined,
  });
}

const firstCause = (all: Decision<unknown>, left: Decision<never>): Decision<never> => (all.ok ? left : all);

/** Whether some group has pinned the key of the leaf. */
export function isPinned({ presented: [first] }: PeerChain, { pins }: Policy): boolean {
  const leaf = pins.size > 0 && first ? tryParseCertificate(first) : undefined;
  return leaf !== undefined && pins.has(pinOf(leaf.spki));
}

const isExpiredLeaf = ({ code, depth }: PathError): boolean => code === 'CERT_HAS_EXPIRED' && depth === 0;

function attestPsk(identity: Uint8Array, policy: Policy): Decision<Attestation> {
  const known = findPsk(policy.psk, identity);
  if (known === undefined) {
    return refused('attest.unknown-psk', { identity: printable(identity) }, 'add the identity to an enrollment group');
  }
  return decided({
    mechanism: 'psk',
    keyId: pskKeyId(known.groupId, known.identity),
    subject: known.identity,
    identity: known.identity,
    groupId: known.groupId,
    sharedKey: known.shared,
  });
}

/** A PSK identity for the record: as text if it is some, else in hexadecimal. */
export function printable(identity: Uint8Array): string {
  try {
    const text = fromUtf8(identity);
    return /^[\x20-\x7e]{1,64}$/.test(text) ? text : `0x${toHex(identity.subarray(0, 32))}`;
  } catch {
    return `0x${toHex(identity.subarray(0, 32))}`;
  }
}
