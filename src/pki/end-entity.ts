import { generateKeyPairSync } from 'node:crypto';
import type { Millis } from '../core/clock.ts';
import type { RandomSource } from '../core/random.ts';
import { expectIssued } from './authority.ts';
import type { AltName } from './extension.ts';
import { issueCertificate, randomSerial } from './issue.ts';
import type { Issuer, KeyedChain } from './issuer.ts';
import type { Subject } from './name.ts';
import type { CertificateProfile } from './profile.ts';
import { parsePublicKey, spkiOf } from './public-key.ts';

export interface EndEntityRequest {
  readonly issuer: Issuer;
  readonly profile: CertificateProfile;
  readonly subject: Subject;
  readonly altNames: readonly AltName[];
  readonly now: Millis;
  readonly random: RandomSource;
}

/** A certificate of our own making (a service, a gateway, a development device) with a new P-256 key. */
export function createEndEntity({ random, ...request }: EndEntityRequest): KeyedChain {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const publicKey = parsePublicKey(spkiOf(privateKey));
  const certificate = expectIssued(issueCertificate({ ...request, publicKey, serial: randomSerial(random) }));
  return { chain: [certificate.der], privateKey };
}

export const loopbackNames: readonly AltName[] = [
  { type: 'dns', value: 'localhost' },
  { type: 'ip', value: '127.0.0.1' },
  { type: 'ip', value: '::1' },
];
