import type { Millis } from '../../src/core/clock.ts';
import type { ErrorCode } from '../../src/core/errors.ts';
import type { Issuer, KeyedChain } from '../../src/pki/issuer.ts';
import type { corpusManufacturer } from './corpus-manufacturer.ts';
import type * as forge from './forge.ts';

/** A chain that some device presents, and what has to be said of it first. */
export interface ChainCase extends KeyedChain {
  readonly name: string;
  readonly expected: ErrorCode | 'accepted';
  readonly why: string;
  /** Evidence that the explanation has to hold, as a part of each text. */
  readonly says?: Readonly<Record<string, string>>;
  /** A part of the fix. */
  readonly fix?: string;
  /** Changes what goes on the wire, because no client of ours would send it. */
  readonly onTheWire?: (bytes: Uint8Array) => Uint8Array;
  /** It is the revocation lists that decide. */
  readonly revocation?: boolean;
  /** Why `openssl verify` decides otherwise. */
  readonly opensslDiffers?: string;
}

/** What the cases are made with. */
export interface ChainBench {
  readonly now: Millis;
  readonly acme: ReturnType<typeof corpusManufacturer>;
  /** A device of Acme's, whoever signs. */
  leaf(issuer: Issuer, variation?: forge.Variation): forge.Leaf;
  /** `issuers` as they are sent behind the device's certificate. */
  add(
    name: string,
    expected: ChainCase['expected'],
    why: string,
    device: forge.Leaf,
    issuers: readonly (Issuer | Uint8Array)[],
    more?: Partial<ChainCase>,
  ): void;
}
