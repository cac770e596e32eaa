import { decodeCertificates } from '../codec/pem.ts';
import { failure } from '../core/errors.ts';
import { parseCertificate } from '../pki/certificate.ts';
import { crlSignedBy, decodeCrls, readCrl } from '../pki/revocation-list.ts';
import type { EnrollmentGroup } from '../store/model.ts';

/**
 * That every written revocation list is one of an authority of the same group: all groups' lists are looked at for every
 * device, and one that nobody of its issuer's name has signed would keep devices of others out.
 * @throws FirstbootError operator.input, pem.malformed, der.malformed
 */
export function requireSignedLists({ name, attestation: { x509 } }: EnrollmentGroup): void {
  if (!x509?.crls.length) return;
  const { anchors, leads, intermediates, crls } = x509;
  const authorities = [...anchors, ...leads, ...intermediates].flatMap(decodeCertificates).map(parseCertificate);
  for (const list of crls.flatMap((pem) => decodeCrls(pem)).map(readCrl)) {
    if (authorities.some((authority) => crlSignedBy(list, authority))) continue;
    const fix = 'none of the authorities of the group has signed this list: add the one that has, or take the list out';
    throw failure('operator.input', { group: name, field: 'crls', list: list.issuer.text }, fix);
  }
}
