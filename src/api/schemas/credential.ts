import Type from 'typebox';
import type { CredentialChange, CredentialSelection } from '../../operator/credentials.ts';
import type { CredentialView } from '../../operator/operations.ts';
import { crlReasons } from '../../pki/crl-reason.ts';
import type { Credential, Revocation, RevocationReason } from '../../store/model.ts';
import {
  closed,
  count,
  hex,
  listOf,
  maybe,
  named,
  outcome,
  page,
  part,
  resource,
  shortText,
  text,
  time,
  uuid,
  words,
} from './parts.ts';

const revocationReason = words(
  crlReasons,
  'reason of RFC 5280 §5.3.1; certificateHold is the only one that can be taken back',
);

export const credential = resource<Credential>('Credential', 'An identity certificate that was issued.', {
  serial: hex('serial number'),
  keyId: uuid('key id of the device'),
  groupId: uuid('enrollment group that it was issued under'),
  deviceId: uuid('device id in it'),
  generation: count('generation of the device'),
  certificate: text('the certificate, PEM'),
  notBefore: time('valid from'),
  notAfter: time('valid until'),
  issuedAt: time('when it was issued'),
  issuerKeyId: hex('key id of the issuing authority'),
  anchors: listOf<string>(hex('SHA-256'), 'fingerprints of the trust anchors that were delivered with it'),
  revoked: maybe(
    part<Revocation>({ at: time('when it was revoked'), reason: revocationReason }, 'missing: it is not revoked'),
  ),
});

export const credentialView = resource<CredentialView>('CredentialView', 'A credential with whose it is.', {
  credential,
  manufacturer: maybe(text("subject of the device's manufacturer certificate")),
  group: maybe(named),
});

const change = resource<CredentialChange>('CredentialChange', 'Credentials that change.', {
  changed: count('how many change'),
  serials: listOf<string>(hex('serial number'), 'the first of them'),
});

const serial = shortText('serial number, hex');
const device = shortText('key id or device id');
const group = shortText('id or name of an enrollment group');
const generation = Type.Optional(
  Type.Integer({ minimum: 0, description: 'only those of one generation of the device' }),
);

/** Which credentials, with what else the request says. */
const selectionWith = <F extends Readonly<Record<string, ReturnType<typeof words>>>>(fields: F) =>
  Type.Union(
    [
      Type.Object({ serial, ...fields }, closed),
      Type.Object({ device, generation, ...fields }, closed),
      Type.Object({ group, ...fields }, closed),
    ],
    { description: 'an object with one of serial, device and group' },
  );

export const revocation = Type.Unsafe<CredentialSelection & { readonly reason: RevocationReason }>(
  selectionWith({ reason: revocationReason }),
);
export const selection = Type.Unsafe<CredentialSelection>(selectionWith({}));

export const credentialPage = page<Credential>('CredentialPage', credential);
export const credentialOutcome = outcome<CredentialChange>('CredentialOutcome', change);
