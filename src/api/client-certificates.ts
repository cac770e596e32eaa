import { hash } from 'node:crypto';
import { isoTime, type Millis } from '../core/clock.ts';
import { failure } from '../core/errors.ts';
import type { Uuid } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import { type Certificate, parseCertificate } from '../pki/certificate.ts';
import type { Role } from '../store/model.ts';
import type { ClientCertificate } from '../transport/client-certificate.ts';
import { type Principal, principalName } from './principal.ts';

/** What the holder of a certificate may do. The first rule that fits counts. */
export interface CertificateRule {
  /** The whole subject as text (`CN=ci, O=Acme`), or the common name alone. */
  readonly subject?: string | undefined;
  /** SHA-256 of the certificate, hex; colons do not matter. */
  readonly fingerprint?: string | undefined;
  readonly role: Role;
  readonly ownerId: Uuid | undefined;
}

/** @throws FirstbootError api.unauthenticated (it does not verify, it is over), api.forbidden (no rule fits) */
export function certificatePrincipal(
  { der, verified, fault }: ClientCertificate,
  rules: readonly CertificateRule[],
  { from, now }: { readonly from: string; readonly now: Millis },
): Principal {
  if (!verified) {
    const fix = 'present a certificate of an authority in api.tls.clientCas, or send a token';
    throw failure('api.unauthenticated', { certificate: fault ?? 'does not verify' }, fix);
  }
  const certificate = readable(der);
  const fingerprint = hash('sha256', der, 'hex');
  // TLS judged it when the connection began, which may be a while ago.
  if (now > certificate.notAfter) {
    throw failure('api.unauthenticated', { expired: isoTime(certificate.notAfter) }, 'present a new certificate');
  }
  const subject = certificate.subject.text;
  const names = [subject, certificate.subject.commonName];
  const rule = rules.find((one) =>
    one.fingerprint === undefined
      ? one.subject !== undefined && names.includes(one.subject)
      : one.fingerprint.replaceAll(':', '').toLowerCase() === fingerprint,
  );
  if (!rule) {
    const evidence = { subject: subject.slice(0, limits.api.name), fingerprint };
    throw failure('api.forbidden', evidence, 'add a rule for it under api.certificates');
  }
  return {
    id: `certificate ${fingerprint}`,
    name: principalName(subject, `certificate ${fingerprint.slice(0, 16)}`),
    role: rule.role,
    ownerId: rule.ownerId,
    by: 'certificate',
    from,
    expiresAt: certificate.notAfter,
  };
}

function readable(der: Uint8Array): Certificate {
  try {
    return parseCertificate(der);
  } catch (error) {
    throw failure('api.unauthenticated', { certificate: 'cannot be read' }, 'present another certificate', error);
  }
}
