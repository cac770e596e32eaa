import { oids } from '../../src/codec/oid.ts';
import { days, type Millis } from '../../src/core/clock.ts';
import type { ErrorCode } from '../../src/core/errors.ts';
import { systemRandom } from '../../src/core/random.ts';
import { createIssuing, createRoot } from '../../src/pki/authority.ts';
import { parseCertificate } from '../../src/pki/certificate.ts';
import type { Issuer, KeyedChain } from '../../src/pki/issuer.ts';
import { profiles } from '../../src/pki/profile.ts';
import { createCrl } from '../../src/pki/revocation.ts';
import {
  altered,
  authority,
  endEntity,
  type Leaf,
  newKey,
  notCa,
  rsaKey,
  selfSigned,
  sha1,
  type Variation,
  withUnknownCritical,
  withUsages,
} from './forge.ts';

/**
 * The named tree of manufacturer identities, good and bad, that attestation is tested with (certs/README.md lists them).
 * One manufacturer, Acme, is known to the verifier: its root is the anchor. Everything else is somebody's mistake or attack.
 */
export interface TestIdentity extends KeyedChain {
  /** What a verifier that trusts Acme's root has to decide. */
  readonly expected: ErrorCode | 'accepted';
  readonly why: string;
}

export interface TestIdentities {
  readonly now: Millis;
  /** Acme's authorities, to issue more of its devices. */
  readonly root: Issuer;
  readonly intermediate: Issuer;
  /** DER of Acme's root. */
  readonly anchors: readonly Uint8Array[];
  /** DER of Acme's intermediate, for verifiers that know it already. */
  readonly intermediates: readonly Uint8Array[];
  /** Current revocation lists of Acme's root and intermediate: they revoke `revoked` only. */
  readonly crls: readonly Uint8Array[];
  readonly named: Readonly<Record<IdentityName, TestIdentity>>;
}

export type IdentityName =
  | 'good'
  | 'goodOcfUsageOnly'
  | 'goodWithoutUsage'
  | 'goodWithRoot'
  | 'goodShuffled'
  | 'goodRsa'
  | 'expired'
  | 'notYetValid'
  | 'unknownAuthority'
  | 'lookAlikeAuthority'
  | 'selfSigned'
  | 'serverUsageOnly'
  | 'incomplete'
  | 'expiredIntermediate'
  | 'notAnAuthority'
  | 'endEntityAsAuthority'
  | 'pathTooLong'
  | 'unknownCriticalExtension'
  | 'alteredSignature'
  | 'sha1Signature'
  | 'weakKey'
  | 'revoked';

export function makeIdentities(now: Millis): TestIdentities {
  const deps = { now: now - days(30), random: systemRandom, name: 'Acme' };
  const root = createRoot('Acme Root CA', deps);
  const intermediate = createIssuing('Acme Intermediate CA', root, deps);
  const stranger = { ...deps, name: 'Stranger' };
  const strangerIntermediate = createIssuing(
    'Stranger Intermediate CA',
    createRoot('Stranger Root CA', stranger),
    stranger,
  );
  const lookAlike = createIssuing('Acme Intermediate CA', createRoot('Acme Root CA', deps), deps);

  const expiredIntermediate = authority(root, 'Acme Expired Intermediate CA', { until: now - days(1) });
  const endEntityCa = authority(root, 'Acme CA without the bit', { profile: notCa });
  const actingDevice = authority(intermediate, 'device acting as CA', { profile: profiles.manufacturerDevice });
  const tooDeep = authority(intermediate, 'Acme Sub-Intermediate CA', {});

  const leaf = (issuer: Issuer, variation: Variation = {}): Leaf => endEntity(issuer, 'Acme', now, variation);
  const revoked = leaf(intermediate);
  const selfSignedKey = newKey();
  const crl = (issuer: Issuer, serials: readonly string[]): Uint8Array =>
    createCrl({
      issuer,
      revoked: serials.map((serial) => ({ serial, revokedAt: now - days(1) })),
      thisUpdate: now - days(1),
      nextUpdate: now + days(7),
      number: 1,
    });
  const named: Record<IdentityName, TestIdentity> = {
    good: accept('leaf and intermediate', leaf(intermediate), [intermediate]),
    goodOcfUsageOnly: accept(
      'the only extended key usage is OCF identity, as on devices in the field',
      leaf(intermediate, { profile: withUsages([oids.ocfIdentity]) }),
      [intermediate],
    ),
    goodWithoutUsage: accept('no extended key usage', leaf(intermediate, { profile: withUsages([]) }), [intermediate]),
    goodWithRoot: accept('the root is sent along', leaf(intermediate), [intermediate, root]),
    goodShuffled: accept('the issuers are in the wrong order', leaf(intermediate), [root, intermediate]),
    goodRsa: accept('an RSA 2048 key', leaf(intermediate, { key: rsaKey(2048) }), [intermediate]),
    expired: refuse('attest.expired', 'expired yesterday', leaf(intermediate, { until: now - days(1) }), [
      intermediate,
    ]),
    notYetValid: refuse('attest.not-yet-valid', 'valid from tomorrow', leaf(intermediate, { from: now + days(1) }), [
      intermediate,
    ]),
    unknownAuthority: refuse(
      'attest.unknown-issuer',
      'another manufacturer',
      endEntity(strangerIntermediate, 'Stranger', now, {}),
      [strangerIntermediate],
    ),
    lookAlikeAuthority: refuse('attest.issuer-key', "Acme's names, other keys", leaf(lookAlike), [lookAlike]),
    selfSigned: refuse('attest.self-signed', 'its own issuer', selfSigned(selfSignedKey, now), []),
    serverUsageOnly: refuse(
      'attest.wrong-usage',
      'the only extended key usage is serverAuth',
      leaf(intermediate, { profile: withUsages([oids.serverAuth]) }),
      [intermediate],
    ),
    incomplete: refuse('attest.incomplete-chain', 'the intermediate is not sent', leaf(intermediate), []),
    expiredIntermediate: refuse(
      'attest.authority-expired',
      'the intermediate expired yesterday',
      leaf(expiredIntermediate),
      [expiredIntermediate],
    ),
    notAnAuthority: refuse('attest.not-an-authority', 'an intermediate with CA:FALSE', leaf(endEntityCa), [
      endEntityCa,
    ]),
    endEntityAsAuthority: refuse('attest.not-an-authority', 'issued with the key of a device', leaf(actingDevice), [
      actingDevice,
      intermediate,
    ]),
    pathTooLong: refuse('attest.path-length', 'an authority below one whose path length is 0', leaf(tooDeep), [
      tooDeep,
      intermediate,
    ]),
    unknownCriticalExtension: refuse(
      'attest.critical-extension',
      'an extension that nobody knows is critical',
      leaf(intermediate, { profile: withUnknownCritical }),
      [intermediate],
    ),
    alteredSignature: refuse('attest.bad-signature', 'one bit of the signature', altered(leaf(intermediate)), [
      intermediate,
    ]),
    sha1Signature: refuse('attest.weak-key', 'signed over SHA-1', leaf(intermediate, { algorithm: sha1 }), [
      intermediate,
    ]),
    weakKey: refuse('attest.weak-key', 'an RSA 1024 key', leaf(intermediate, { key: rsaKey(1024) }), [intermediate]),
    revoked: refuse('attest.revoked', 'on the list of its issuer', revoked, [intermediate]),
  };
  return {
    now,
    root,
    intermediate,
    anchors: [root.certificate.der],
    intermediates: [intermediate.certificate.der],
    crls: [crl(root, []), crl(intermediate, [parseCertificate(revoked.der).serial])],
    named,
  };
}

const accept = (why: string, leaf: Leaf, issuers: readonly Issuer[]): TestIdentity =>
  identity('accepted', why, leaf, issuers);
const refuse = identity;

function identity(
  expected: TestIdentity['expected'],
  why: string,
  { der, privateKey }: Leaf,
  issuers: readonly Issuer[],
): TestIdentity {
  return { expected, why, chain: [der, ...issuers.map(({ certificate }) => certificate.der)], privateKey };
}
