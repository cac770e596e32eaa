import { concatBytes } from '../../src/core/bytes.ts';
import { days, hours } from '../../src/core/clock.ts';
import type { Issuer } from '../../src/pki/issuer.ts';
import type { ChainBench } from './corpus-bench.ts';
import * as forge from './forge.ts';

/** Chains that break a rule: of dates, of authorities, of usages, of revocation, of DER. */
export function addRuleCases({ now, acme, leaf, add }: ChainBench): void {
  const { root, intermediate, stranger } = acme;
  const ca = forge.authority;

  // Dates.
  add(
    'expiredYearsAgo',
    'attest.expired',
    'the clock of the factory stood in 2000',
    leaf(intermediate, { until: Date.UTC(2001, 0, 1) }),
    [intermediate],
    { says: { since: 'years ago' } },
  );
  add(
    'factoryClockAhead',
    'attest.not-yet-valid',
    'valid in 54 years',
    leaf(intermediate, { from: now + days(54 * 365.25 + 3), until: now + days(60 * 365) }),
    [intermediate],
    {
      says: { until: 'valid in 54 years on this clock' },
      fix: 'the clock of this machine or of the factory is wrong',
    },
  );
  add(
    'notYetByMinutes',
    'attest.not-yet-valid',
    'issued a moment ago by a clock that is ahead',
    leaf(intermediate, { from: now + hours(2) }),
    [intermediate],
    { says: { until: 'hour' }, fix: 'date the device certificate back by an hour' },
  );
  const later = ca(root, 'Acme Later CA', { from: now + days(5) });
  add('intermediateNotYetValid', 'attest.not-yet-valid', 'the intermediate is valid in five days', leaf(later), [
    later,
  ]);
  const allLater = leaf(later, { from: now + days(6) });
  add('nothingValidYet', 'attest.not-yet-valid', 'neither intermediate nor leaf', allLater, [later], {
    fix: 'if that is what this machine has, its clock is wrong',
  });
  add(
    'expiredAnchor',
    'attest.authority-expired',
    'the registered root has expired',
    leaf(acme.old.intermediate),
    [acme.old.intermediate],
    { fix: 'upload the renewed certificate' },
  );

  // Rules of authorities.
  const mute = ca(root, 'Acme CRL Signer', { profile: forge.subordinate(0, ['cRLSign']) });
  add('crlSignerAsAuthority', 'attest.not-an-authority', 'its issuer may sign revocation lists only', leaf(mute), [
    mute,
  ]);
  const chainOf11: Issuer[] = [acme.deep];
  for (let n = 1; n <= 11; n++)
    chainOf11.unshift(ca(chainOf11[0] ?? acme.deep, `Acme Deep CA ${n}`, { profile: forge.subordinate(undefined) }));
  add(
    'tooManyAuthorities',
    'attest.path-length',
    'eleven intermediates',
    leaf(chainOf11[0] ?? acme.deep),
    chainOf11.slice(0, -1),
    { opensslDiffers: 'its depth limit is 100 by default, ours 10' },
  );
  const bounded = (kind: 'permitted' | 'excluded', organization: string): Issuer =>
    ca(root, `Acme ${kind} CA`, { more: [forge.nameConstraints(kind, { organization })] });
  const permitted = bounded('permitted', 'Other');
  add(
    'nameNotPermitted',
    'attest.name-constraints',
    'its authority may certify names of another company only',
    leaf(permitted),
    [permitted],
  );
  const excluded = bounded('excluded', 'Acme');
  add(
    'nameExcluded',
    'attest.name-constraints',
    'its authority may not certify names of this company',
    leaf(excluded),
    [excluded],
  );
  const critical = ca(root, 'Acme Odd CA', { more: [forge.unknownCritical()] });
  add(
    'criticalInIntermediate',
    'attest.critical-extension',
    'the intermediate has a critical extension that nobody knows',
    leaf(critical),
    [critical],
    { says: { extensions: '1.3.6.1.4.1.32473.1' } },
  );
  const lax = ca(root, 'Acme Lax CA', { profile: forge.plainConstraints });
  add(
    'constraintsNotCritical',
    'attest.invalid-chain',
    'basicConstraints of the intermediate are not critical',
    leaf(lax),
    [lax],
    { fix: 'marked critical' },
  );
  add(
    'noAuthorityKeyId',
    'attest.invalid-chain',
    'it does not say whose key has signed it',
    leaf(intermediate, { authorityKeyId: null }),
    [intermediate],
    { fix: 'authorityKeyIdentifier' },
  );

  // Usages.
  add(
    'keyEnciphermentOnly',
    'attest.wrong-usage',
    'its key may encipher keys only',
    leaf(intermediate, { profile: forge.withKeyUsage(['keyEncipherment']) }),
    [intermediate],
    { fix: 'digitalSignature' },
  );
  add(
    'codeSigningOnly',
    'attest.wrong-usage',
    'a certificate for signing code',
    leaf(intermediate, { profile: forge.withUsages(['1.3.6.1.5.5.7.3.3']) }),
    [intermediate],
  );

  // Revocation.
  add(
    'revokedIntermediate',
    'attest.revoked',
    'its intermediate is on the list of the root',
    leaf(acme.revoked),
    [acme.revoked],
    { says: { subject: 'Acme Revoked CA' }, revocation: true },
  );
  add('staleList', 'attest.revocation-list', 'the list of its issuer is out of date', leaf(acme.stale), [acme.stale], {
    fix: 'out of date',
    revocation: true,
  });
  add(
    'listForLater',
    'attest.revocation-list',
    'the list of its issuer begins tomorrow',
    leaf(acme.early),
    [acme.early],
    { revocation: true },
  );
  add('revokedAndExpired', 'attest.revoked', 'revoked, and expired since', acme.gone, [acme.busy], {
    revocation: true,
  });
  add(
    'expiredStranger',
    'attest.unknown-issuer',
    'expired, and from another manufacturer: the dates say nothing',
    forge.endEntity(stranger.intermediate, 'Stranger', now, { until: now - days(1) }),
    [stranger.intermediate],
  );

  // What cannot be read.
  add(
    'negativeSerial',
    'attest.unreadable',
    'a negative serial number',
    leaf(intermediate, { serial: Uint8Array.of(0x81, 2, 3) }),
    [intermediate],
    { opensslDiffers: 'OpenSSL lets negative serial numbers pass; RFC 5280 §4.1.2.2 forbids them' },
  );
  const uri = forge.uriName('urn:device:1');
  add('extensionTwice', 'attest.unreadable', 'one extension twice', leaf(intermediate, { more: [uri, uri] }), [
    intermediate,
  ]);
  const broken = leaf(intermediate);
  add('notDer', 'attest.unreadable', 'the first octet of the certificate is another one', broken, [intermediate], {
    onTheWire: (bytes) =>
      replaced(bytes, broken.der.subarray(0, 24), (piece) => concatBytes(Uint8Array.of(0x31), piece.subarray(1))),
  });
}

/** Puts other octets in the place of these, wherever they are. */
function replaced(bytes: Uint8Array, from: Uint8Array, to: (piece: Uint8Array) => Uint8Array): Uint8Array {
  const at = Buffer.from(bytes).indexOf(from);
  return at < 0 ? bytes : concatBytes(bytes.subarray(0, at), to(from), bytes.subarray(at + from.length));
}
