import { DerReader } from '../codec/der.ts';
import { contextTag } from '../codec/der-tags.ts';
import { derContext, derSequence } from '../codec/der-writer.ts';
import { oids } from '../codec/oid.ts';
import { concatBytes } from '../core/bytes.ts';
import { days, type Millis } from '../core/clock.ts';
import { limits } from '../core/limits.ts';
import {
  type BasicConstraints,
  encodeBasicConstraints,
  encodeExtendedKeyUsage,
  encodeExtension,
  encodeKeyUsage,
  type FamiliarExtensions,
  type KeyUsage,
  readExtensions,
} from './extension.ts';

/** What a kind of certificate may do and how long it lives. The issuing pipeline writes it, the lint checks it. */
export interface CertificateProfile {
  readonly name: string;
  readonly basicConstraints: BasicConstraints;
  readonly keyUsage: readonly KeyUsage[];
  /** Dotted object identifiers; empty = the extension is left out. */
  readonly extendedKeyUsage: readonly string[];
  /** From now to notAfter, unless the request says less. */
  readonly lifetime: Millis;
  /** basicConstraints, keyUsage and extendedKeyUsage: as they are written, and as the strict reader reads that back. */
  readonly fixed: FamiliarExtensions;
}

export function certificateProfile(rules: Omit<CertificateProfile, 'fixed'>): CertificateProfile {
  const { basicConstraints, keyUsage, extendedKeyUsage } = rules;
  const encoded = concatBytes(
    encodeExtension(oids.basicConstraints, true, encodeBasicConstraints(basicConstraints)),
    encodeExtension(oids.keyUsage, true, encodeKeyUsage(keyUsage)),
    ...(extendedKeyUsage.length > 0
      ? [encodeExtension(oids.extendedKeyUsage, false, encodeExtendedKeyUsage(extendedKeyUsage))]
      : []),
  );
  return { ...rules, fixed: familiarExtensions(encoded) };
}

/** Reads a run of encoded extensions. */
export function familiarExtensions(encoded: Uint8Array): FamiliarExtensions {
  const field = derContext(3, derSequence(encoded));
  return { encoded, meaning: readExtensions(DerReader.over(field), contextTag(3, 'constructed')) };
}

const years = (n: number): Millis => days(Math.floor(n * 365.25));

/** The reference device wants exactly these two bits of an end entity, and exactly those two of an authority. */
const endEntityUsage = ['digitalSignature', 'keyAgreement'] as const;
const authorityUsage = ['keyCertSign', 'cRLSign'] as const;

/** What an identity certificate may be for, in the order in which it is written. */
export const identityUsages = ['clientAuth', 'serverAuth', 'ocfIdentity'] as const;
export type IdentityUsage = (typeof identityUsages)[number];

/** The reference device checks for all three in device-to-device handshakes; a hub's gateway is such a peer too. */
const ocfUsages = identityUsages.map((usage) => oids[usage]);

const endEntity: BasicConstraints = { authority: false, pathLength: undefined };

/** Every kind of certificate that firstboot issues (OCF Security §9.4; plgd-device b4). */
export const profiles = {
  rootCa: certificateProfile({
    name: 'root authority',
    basicConstraints: { authority: true, pathLength: undefined },
    keyUsage: authorityUsage,
    extendedKeyUsage: [],
    lifetime: years(20),
  }),
  /** Path length 0: what it signs can sign nothing. The reference device demands that of manufacturer intermediates. */
  issuingCa: certificateProfile({
    name: 'issuing authority',
    basicConstraints: { authority: true, pathLength: 0 },
    keyUsage: authorityUsage,
    extendedKeyUsage: [],
    lifetime: years(15),
  }),
  identity: certificateProfile({
    name: 'identity',
    basicConstraints: endEntity,
    keyUsage: endEntityUsage,
    extendedKeyUsage: ocfUsages,
    lifetime: limits.pki.identityDays,
  }),
  manufacturerDevice: certificateProfile({
    name: 'manufacturer device',
    basicConstraints: endEntity,
    keyUsage: endEntityUsage,
    extendedKeyUsage: ocfUsages,
    lifetime: years(15),
  }),
  /** The provisioning service: its devices check for serverAuth only. */
  service: certificateProfile({
    name: 'service',
    basicConstraints: endEntity,
    keyUsage: endEntityUsage,
    extendedKeyUsage: [oids.serverAuth],
    lifetime: years(2),
  }),
  gateway: certificateProfile({
    name: 'hub gateway',
    basicConstraints: endEntity,
    keyUsage: endEntityUsage,
    extendedKeyUsage: ocfUsages,
    lifetime: years(2),
  }),
} as const;

/** The profile of identity certificates for these usages; each is made once. */
export function identityProfile(usages: readonly IdentityUsage[]): CertificateProfile {
  const wanted = identityUsages.filter((usage) => usages.includes(usage));
  if (wanted.length === identityUsages.length) return profiles.identity;
  const key = wanted.join();
  const known = narrower.get(key);
  if (known) return known;
  const { fixed: _fixed, ...rules } = profiles.identity;
  const made = certificateProfile({ ...rules, extendedKeyUsage: wanted.map((usage) => oids[usage]) });
  narrower.set(key, made);
  return made;
}

/** Seven at most: one for each choice of usages. */
const narrower = new Map<string, CertificateProfile>();
