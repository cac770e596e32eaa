import { equalBytes } from '../core/bytes.ts';
import { failure } from '../core/errors.ts';
import { parseCertificate } from '../pki/certificate.ts';
import { publicKeyOf } from '../pki/signing-key.ts';
import type { Identity } from '../secure/association.ts';

/**
 * A manufacturer identity, wherever its private key is: `privateKey` is the key itself when it is in a file, and what
 * signs with it (SigningKey: public key, sign) when it is in hardware.
 */
export interface DeviceKey extends Identity {
  /** Where it is, for messages: a file, or a token and a label. */
  readonly source: string;
}

/** Where manufacturer identities live in a device. */
export interface KeySlots {
  /** What the factory has burnt in. */
  readonly primary: DeviceKey;
  /** Another one, which was put in later. */
  readonly auxiliary?: DeviceKey;
}

/** `newest`: the one whose certificate begins later; when both begin together, the one that was put in later. */
export type KeyChoice = 'primary' | 'auxiliary' | 'newest';

/** @throws FirstbootError service.config when the auxiliary key is asked for and the slot is empty. */
export function selectKey({ primary, auxiliary }: KeySlots, choice: KeyChoice): DeviceKey {
  switch (choice) {
    case 'primary':
      return primary;
    case 'auxiliary':
      if (auxiliary) return auxiliary;
      throw failure(
        'service.config',
        { key: choice },
        `put a second identity beside ${primary.source}, or use primary`,
      );
    case 'newest':
      return auxiliary && beginning(auxiliary) >= beginning(primary) ? auxiliary : primary;
  }
}

/**
 * Checks that a key and its chain belong together.
 * @param chain may be empty: a key that has no certificate yet
 * @throws FirstbootError service.config; der.malformed
 */
export function deviceKey(key: DeviceKey): DeviceKey {
  const [leaf] = key.chain;
  if (!leaf || equalBytes(parseCertificate(leaf).spki, publicKeyOf(key.privateKey))) return key;
  throw failure('service.config', { key: key.source }, 'give the certificate of this very key, then the one above it');
}

const beginning = ({ chain: [leaf] }: DeviceKey): number =>
  leaf ? parseCertificate(leaf).notBefore : Number.NEGATIVE_INFINITY;
