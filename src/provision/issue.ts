import { encodePem } from '../codec/pem.ts';
import { toHex } from '../core/bytes.ts';
import type { Millis } from '../core/clock.ts';
import { type Decision, FirstbootError } from '../core/errors.ts';
import type { Uuid } from '../core/ids.ts';
import { Secret } from '../core/secret.ts';
import { fingerprint } from '../pki/certificate.ts';
import { type CheckedCsr, checkCsr, readCsr } from '../pki/csr.ts';
import type { IssuedCertificate } from '../pki/issue.ts';
import type { CertificatePolicy, Credential, Device, EnrollmentGroup, Owner } from '../store/model.ts';
import type { CredentialBundle } from './contract.ts';
import { groupOwnerPsk } from './owner-psk.ts';

/**
 * Stage issue, the request: DER, strictly read, signed by its own key, of an allowed kind. Whether its subject is the
 * device is judged where it is signed (pki issueIdentity).
 */
export function judgeRequest(csr: Uint8Array, { keys }: Pick<CertificatePolicy, 'keys'>): Decision<CheckedCsr> {
  try {
    return checkCsr(readCsr(csr), { keys });
  } catch (error) {
    if (!(error instanceof FirstbootError)) throw error;
    const { code, evidence, fix } = error;
    return { ok: false, refusal: { code, evidence, fix } };
  }
}

/** Stage issue, what to remember of a signed certificate before the device gets it. */
export function credentialOf(device: Device, deviceId: Uuid, issued: IssuedCertificate, now: Millis): Credential {
  const { serial, der, notBefore, notAfter, authorityKeyId } = issued.certificate;
  return {
    serial,
    keyId: device.keyId,
    groupId: device.groupId,
    deviceId,
    generation: device.generation,
    certificate: encodePem('CERTIFICATE', der),
    notBefore,
    notAfter,
    issuedAt: now,
    issuerKeyId: authorityKeyId ? toHex(authorityKeyId) : '',
    anchors: issued.trustAnchors.map(fingerprint),
    revoked: undefined,
  };
}

/** Stage issue, what the device gets. */
export function credentialBundle(
  group: EnrollmentGroup,
  owner: Owner,
  { deviceId, chain, trustAnchors }: IssuedCertificate,
): CredentialBundle {
  const psk = groupOwnerPsk(group, owner, deviceId);
  return { deviceId, ownerId: owner.id, chain, trustAnchors, ownerPsk: psk && new Secret(psk) };
}
