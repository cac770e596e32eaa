import { encodePem } from '../codec/pem.ts';
import type { Millis } from '../core/clock.ts';
import { type Decision, FirstbootError } from '../core/errors.ts';
import type { Uuid } from '../core/ids.ts';
import { Secret } from '../core/secret.ts';
import { type CheckedCsr, checkCsr, readCsr } from '../pki/csr.ts';
import type { IssuedCertificate } from '../pki/issue.ts';
import type { Credential, Device, EnrollmentGroup } from '../store/model.ts';
import type { CredentialBundle } from './contract.ts';

/**
 * Stage issue, the request: DER, strictly read, signed by its own key, of an allowed kind. Whether its subject is the
 * device is judged where it is signed (pki issueIdentity).
 */
export function judgeRequest(csr: Uint8Array): Decision<CheckedCsr> {
  try {
    return checkCsr(readCsr(csr));
  } catch (error) {
    if (!(error instanceof FirstbootError)) throw error;
    const { code, evidence, fix } = error;
    return { ok: false, refusal: { code, evidence, fix } };
  }
}

/** Stage issue, what to remember of a signed certificate before the device gets it. */
export function credentialOf(device: Device, deviceId: Uuid, issued: IssuedCertificate, now: Millis): Credential {
  const { serial, der, notBefore, notAfter } = issued.certificate;
  return {
    serial,
    keyId: device.keyId,
    deviceId,
    generation: device.generation,
    certificate: encodePem('CERTIFICATE', der),
    notBefore,
    notAfter,
    issuedAt: now,
  };
}

/** Stage issue, what the device gets. */
export function credentialBundle(group: EnrollmentGroup, issued: IssuedCertificate): CredentialBundle {
  const psk = group.ownerPsk;
  return {
    deviceId: issued.deviceId,
    ownerId: group.owner.id,
    chain: issued.chain,
    trustAnchors: issued.trustAnchors,
    ownerPsk: psk === undefined ? undefined : new Secret(new Uint8Array(Buffer.from(psk, 'base64'))),
  };
}
