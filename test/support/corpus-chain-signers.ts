import { generateKeyPairSync } from 'node:crypto';
import { toHex } from '../../src/core/bytes.ts';
import { createIssuing, createRoot } from '../../src/pki/authority.ts';
import { parseCertificate } from '../../src/pki/certificate.ts';
import type { Issuer } from '../../src/pki/issuer.ts';
import { profiles } from '../../src/pki/profile.ts';
import type { ChainBench } from './corpus-bench.ts';
import * as forge from './forge.ts';

/** Chains whose signer is not who it should be, that lack a certificate, or whose signatures and keys are bad. */
export function addSignerCases({ now, acme, leaf, add }: ChainBench): void {
  const { root, intermediate } = acme;
  const ca = forge.authority;

  // Good ones that somebody might refuse.
  add('goodP384', 'accepted', 'a P-384 key', leaf(intermediate, { key: forge.curveKey('secp384r1') }), [intermediate]);
  const ed25519 = generateKeyPairSync('ed25519').privateKey;
  add('goodEd25519', 'accepted', 'an Ed25519 key', leaf(intermediate, { key: ed25519 }), [intermediate]);
  const renewedSameKey = ca(root, 'Acme Intermediate CA', { key: intermediate.privateKey });
  add('goodRenewedIntermediate', 'accepted', 'its intermediate was renewed with the same key', leaf(intermediate), [
    renewedSameKey,
  ]);
  add(
    'goodWithoutKnownIntermediate',
    'accepted',
    'the intermediate is registered, so it need not be sent',
    leaf(acme.known),
    [],
  );
  add(
    'goodWithStrangers',
    'accepted',
    'certificates that have nothing to do with it are sent along',
    leaf(intermediate),
    [acme.stranger.root, intermediate],
  );

  // The signer is not who it should be.
  const renewed = createIssuing('Acme Known Intermediate CA', root, acme.deps);
  add(
    'renewedIntermediateAlone',
    'attest.issuer-key',
    'the factory has renewed its intermediate with another key, and sends only leaves',
    leaf(renewed),
    [],
    {
      says: {
        registeredKeyId: hexOf(acme.known.certificate.subjectKeyId),
        authorityKeyId: hexOf(renewed.certificate.subjectKeyId),
      },
      fix: 'upload the new certificate to the enrollment group "Acme"',
    },
  );
  const secondRoot = createRoot('Acme Root CA', acme.deps);
  const ofSecond = createIssuing('Acme Intermediate CA', secondRoot, acme.deps);
  add('renewedRoot', 'attest.issuer-key', 'the root was renewed with another key, and is sent along', leaf(ofSecond), [
    ofSecond,
    secondRoot,
  ]);
  const fromSecond = createIssuing('Acme Line 2 CA', secondRoot, acme.deps);
  add(
    'intermediateOfRenewedRoot',
    'attest.issuer-key',
    'an intermediate that a renewed root has signed',
    leaf(fromSecond),
    [fromSecond],
  );
  const { stranger } = acme;
  const strange = forge.endEntity(stranger.intermediate, 'Stranger', now, {});
  add('strangerWithRoot', 'attest.unknown-issuer', 'another manufacturer, its root sent along', strange, [
    stranger.intermediate,
    stranger.root,
  ]);
  add('strangerAlone', 'attest.unknown-issuer', 'another manufacturer, only the leaf is sent', strange, []);
  const renamed: Issuer = {
    certificate: ca(stranger.root, 'x', {
      key: intermediate.privateKey,
      subject: { organization: 'Bought', commonName: 'Bought CA' },
    }).certificate,
    privateKey: intermediate.privateKey,
  };
  add(
    'renamedAuthority',
    'attest.unknown-issuer',
    'a registered key under a new name',
    forge.endEntity(
      { ...renamed, certificate: { ...renamed.certificate, subjectKeyId: acme.known.certificate.subjectKeyId } },
      'Bought',
      now,
      {},
    ),
    [],
    {
      says: { registeredName: 'Acme Known Intermediate CA' },
    },
  );
  add(
    'selfSignedAsRoot',
    'attest.self-signed',
    "its own issuer, under the root's name",
    forge.selfSigned(forge.newKey(), now, { subject: { organization: 'Acme', commonName: 'Acme Root CA' } }),
    [],
  );
  add(
    'selfSignedAuthority',
    'attest.self-signed',
    'a self-signed authority as a device',
    forge.selfSigned(forge.newKey(), now, { profile: profiles.rootCa }),
    [],
  );

  // Something is missing or in the wrong place.
  const sibling = createIssuing('Acme Intermediate CA', root, acme.deps);
  add(
    'siblingIntermediate',
    'attest.incomplete-chain',
    'another intermediate of the same name is sent',
    leaf(sibling),
    [intermediate],
    {
      says: { presentedKeyId: hexOf(intermediate.certificate.subjectKeyId) },
    },
  );
  add(
    'otherIntermediate',
    'attest.incomplete-chain',
    'an intermediate of another line is sent',
    leaf(createIssuing('Acme Line 3 CA', root, acme.deps)),
    [intermediate],
  );
  const upper = ca(root, 'Acme Upper CA', { profile: forge.subordinate(1) });
  const lower = ca(upper, 'Acme Lower CA', {});
  add('upperMissing', 'attest.incomplete-chain', 'the upper one of two intermediates is not sent', leaf(lower), [
    lower,
  ]);
  add('lowerMissing', 'attest.incomplete-chain', 'the lower one of two intermediates is not sent', leaf(lower), [
    upper,
  ]);
  const first = { der: intermediate.certificate.der, privateKey: intermediate.privateKey };
  add('leafLast', 'attest.wrong-order', 'the intermediate comes first', first, [leaf(intermediate).der], {
    fix: 'its own certificate first',
  });
  add(
    'rootFirst',
    'attest.wrong-order',
    'the chain is upside down',
    { der: root.certificate.der, privateKey: root.privateKey },
    [intermediate, leaf(intermediate).der],
  );
  add('authorityAlone', 'attest.wrong-usage', "the intermediate's certificate in place of the device's", first, [], {
    fix: 'certificate of an authority',
  });

  // Signatures and keys.
  add(
    'alteredSubject',
    'attest.bad-signature',
    'the name was changed after signing',
    forge.rewritten(leaf(intermediate), 'device-0001', 'device-0002'),
    [intermediate],
  );
  add(
    'signedByAnother',
    'attest.bad-signature',
    "it names the issuer's key, but another one has signed",
    leaf(intermediate, { signer: forge.newKey() }),
    [intermediate],
  );
  const badIntermediate = forge.altered({
    der: ca(root, 'Acme Damaged CA', {}).certificate.der,
    privateKey: forge.newKey(),
  });
  const damagedIssuer: Issuer = {
    certificate: parseCertificate(badIntermediate.der),
    privateKey: badIntermediate.privateKey,
  };
  const damagedKey = ca(root, 'Acme Damaged CA', { key: badIntermediate.privateKey });
  const damagedDer = forge.altered({ der: damagedKey.certificate.der, privateKey: damagedIssuer.privateKey });
  add(
    'alteredIntermediate',
    'attest.bad-signature',
    'one bit of the signature of the intermediate',
    leaf(damagedKey),
    [damagedDer.der],
    { says: { subject: 'Acme Damaged CA' } },
  );
  const weak = ca(root, 'Acme Weak CA', { key: forge.rsaKey(1024) });
  add(
    'weakIntermediate',
    'attest.weak-key',
    'an intermediate with an RSA 1024 key',
    leaf(weak, { algorithm: forge.rsaSha256 }),
    [weak],
  );
  const sha1Ca = ca(root, 'Acme SHA-1 CA', { algorithm: forge.sha1 });
  add('sha1Intermediate', 'attest.weak-key', 'an intermediate that is signed over SHA-1', leaf(sha1Ca), [sha1Ca]);
  add(
    'oddCurve',
    'attest.weak-key',
    'a key on secp256k1',
    leaf(intermediate, { key: forge.curveKey('secp256k1') }),
    [intermediate],
    { opensslDiffers: 'OpenSSL takes every curve of 224 bits or more; we take P-256, P-384 and P-521' },
  );
}

const hexOf = (octets: Uint8Array | undefined): string => toHex(octets ?? new Uint8Array());
