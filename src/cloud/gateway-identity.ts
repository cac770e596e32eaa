import { oids } from '../codec/oid.ts';
import type { Millis } from '../core/clock.ts';
import { type Decision, decided, FirstbootError, refused } from '../core/errors.ts';
import type { Uuid } from '../core/ids.ts';
import { type Certificate, parseCertificate, tryParseCertificate } from '../pki/certificate.ts';
import { uuidOf } from '../pki/name.ts';

/**
 * The device id in an OCF identity certificate (OCF Security §9.4.2): common name `uuid:<id>`, for client and server
 * authentication and as an OCF identity, valid now. The chain has been verified by the secure engine.
 */
export function identityOf(der: Uint8Array | undefined, now: Millis): Decision<Uuid> {
  if (der === undefined) return refused('cloud.certificate', { found: 'none' }, 'present the identity certificate');
  let certificate: Certificate;
  try {
    certificate = parseCertificate(der);
  } catch (error) {
    if (!(error instanceof FirstbootError)) throw error;
    return refused('cloud.certificate', error.evidence, error.fix);
  }
  const { subject, extendedKeyUsage = [], notBefore, notAfter } = certificate;
  const deviceId = uuidOf(subject);
  const fix = 'present the identity certificate that provisioning issued';
  if (deviceId === undefined) return refused('cloud.certificate', { subject: subject.text }, fix);
  const missing = needed.filter(({ oid }) => !extendedKeyUsage.includes(oid)).map(({ name }) => name);
  if (missing.length > 0) return refused('cloud.certificate', { deviceId, missing: missing.join(', ') }, fix);
  if (now < notBefore || now > notAfter) {
    return refused('cloud.certificate', { deviceId, notBefore, notAfter }, 'have the certificate renewed');
  }
  return decided(deviceId);
}

/** When a session's certificate expires; undefined: there is none that can be read, and no request of it is served. */
export const expiryOf = (der: Uint8Array | undefined): Millis | undefined => der && tryParseCertificate(der)?.notAfter;

const needed = [
  { name: 'clientAuth', oid: oids.clientAuth },
  { name: 'serverAuth', oid: oids.serverAuth },
  { name: 'OCF identity', oid: oids.ocfIdentity },
] as const;
