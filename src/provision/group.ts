import { limits } from '../core/limits.ts';
import { identityUsages } from '../pki/profile.ts';
import type { CertificatePolicy, EnrollmentGroup, GroupAttestation } from '../store/model.ts';

/** What every enrollment group has to say; the rest has a default. */
type Essentials = Pick<EnrollmentGroup, 'id' | 'name' | 'owner' | 'hubs'>;

/** A group with the default of everything that is not given. */
export const enrollmentGroup = ({
  attestation,
  ...given
}: Essentials &
  Partial<Omit<EnrollmentGroup, 'attestation'>> & {
    readonly attestation: Partial<GroupAttestation>;
  }): EnrollmentGroup => ({
  enabled: true,
  source: 'file',
  revision: 0,
  admission: 'auto',
  allow: [],
  deny: [],
  deviceIds: { type: 'own' },
  certificate: standardCertificate,
  allocation: { type: 'first' },
  acl: undefined,
  ownerPsk: undefined,
  payload: undefined,
  reprovisioning: 'migrate',
  clones: 'alarm',
  ...given,
  attestation: { x509: undefined, psk: [], pins: [], ...attestation },
});

/** The usages are what the reference device checks for in handshakes between devices, and hubs in theirs. */
export const standardCertificate: CertificatePolicy = {
  keys: ['P-256', 'P-384'],
  life: limits.pki.identityDays,
  usages: identityUsages,
};

/** The X.509 attestation of a group that trusts `anchors` (PEM). */
export const x509Attestation = (given: Pick<X509, 'anchors'> & Partial<X509>): X509 => ({
  leads: [],
  intermediates: [],
  crls: [],
  crlUrls: [],
  expiredGrace: 0,
  ...given,
});

type X509 = NonNullable<GroupAttestation['x509']>;
