import type { Millis } from '../core/clock.ts';
import { type Decision, failure } from '../core/errors.ts';
import type { Uuid } from '../core/ids.ts';
import type { RandomSource } from '../core/random.ts';
import type { CheckedCsr } from '../pki/csr.ts';
import { type IssuedCertificate, issueIdentity, randomSerial } from '../pki/issue.ts';
import type { Authority } from '../pki/issuer.ts';
import { identityProfile } from '../pki/profile.ts';
import type { CertificatePolicy, Device } from '../store/model.ts';
import type { DeviceRecord } from './device-record.ts';
import { credentialOf } from './issue.ts';

export interface IssuingDeps {
  readonly authority: Authority;
  readonly random: RandomSource;
  /** Writes what the attempt has so far, with the same sync. */
  readonly flush: () => Promise<void>;
}

/**
 * Stage issue, its effects: signs, and writes certificate and device record together before anybody gets to see it. The
 * record is written with it so that a certificate never outlives what was decided on: another session may have given the device
 * a new id, or an operator may have held it, while this one was signing.
 * Refusals: csr.subject, issue.issuer-expiring, issue.lint.
 * @throws FirstbootError service.store, service.busy
 */
export function issueCredential(
  { authority, random, flush }: IssuingDeps,
  policy: CertificatePolicy,
  device: DeviceRecord,
  request: {
    readonly deviceId: Uuid;
    readonly csr: CheckedCsr;
    /** The record of the device that has got it. */
    readonly served: (device: Device) => Device;
  },
  now: Millis,
): Promise<Decision<IssuedCertificate>> {
  const { deviceId, csr, served } = request;
  const profile = identityProfile(policy.usages);
  const serial = randomSerial(random);
  return issueIdentity({ authority, csr, deviceId, now, serial, profile, lifetime: policy.life }, async (issued) => {
    // Side by side, so that the one sync of the certificate carries all of them.
    await Promise.all([
      device.commit((present) => {
        if (present.deviceId !== deviceId || present.state !== 'active') {
          const evidence = {
            keyId: present.keyId,
            deviceId,
            present: present.deviceId ?? 'none',
            state: present.state,
          };
          throw failure('service.busy', evidence, 'the device was changed meanwhile; it asks again');
        }
        return { device: served(present), newCredentials: [credentialOf(present, deviceId, issued, now)] };
      }, now),
      flush(),
    ]);
  });
}
