import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import type { CborMap } from '../../src/codec/cbor.ts';
import { encodePem } from '../../src/codec/pem.ts';
import type { Millis } from '../../src/core/clock.ts';
import { seededRandom, systemRandom } from '../../src/core/random.ts';
import { createAuthority, expectIssued } from '../../src/pki/authority.ts';
import { issueCertificate, randomSerial } from '../../src/pki/issue.ts';
import type { Authority } from '../../src/pki/issuer.ts';
import { uuidSubject } from '../../src/pki/name.ts';
import { profiles } from '../../src/pki/profile.ts';
import { parsePublicKey, spkiOf } from '../../src/pki/public-key.ts';

/** What the service takes the time to be when a bench starts. */
export const serviceTime = Date.UTC(2026, 5, 1, 12);

let sharedAuthority: Authority | undefined;

/** The authority of all benches: keys cost more than certificates. */
function benchAuthority(): Authority {
  sharedAuthority ??= createAuthority({ now: serviceTime, random: seededRandom(1), name: 'Bench' });
  return sharedAuthority;
}

/** An identity certificate, PEM with its intermediate. */
export function issue(
  deviceId: string,
  publicKey: ReturnType<typeof parsePublicKey>,
  now: Millis,
  lifetime?: Millis,
): { readonly certificate: string } {
  const authority = benchAuthority();
  const issued = expectIssued(
    issueCertificate({
      profile: profiles.identity,
      subject: uuidSubject(deviceId),
      publicKey,
      issuer: authority.issuing,
      now,
      serial: randomSerial(systemRandom),
      ...(lifetime === undefined ? {} : { lifetime }),
    }),
  );
  return { certificate: [issued.der, ...authority.chain].map((der) => encodePem('CERTIFICATE', der)).join('') };
}

const anchorPem = (): string => encodePem('CERTIFICATE', benchAuthority().root.certificate.der);

/** A good answer to the certificate request. */
export const credentialsOf = (deviceId: string, certificate: string): CborMap => ({
  creds: [
    {
      subjectuuid: '*',
      credtype: 8,
      credusage: 'oic.sec.cred.trustca',
      publicdata: { data: anchorPem(), encoding: 'oic.sec.encoding.pem' },
      tag: 'dps',
    },
    {
      subjectuuid: deviceId,
      credtype: 8,
      credusage: 'oic.sec.cred.cert',
      publicdata: { data: certificate, encoding: 'oic.sec.encoding.pem' },
      tag: 'dps',
    },
  ],
});

export const createKey = (): string =>
  generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

export const publicKeyOf = (key: string): ReturnType<typeof parsePublicKey> =>
  parsePublicKey(spkiOf(createPrivateKey(key)));
