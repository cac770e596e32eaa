import { days, type Millis } from '../../src/core/clock.ts';
import { systemRandom } from '../../src/core/random.ts';
import { createIssuing, createRoot } from '../../src/pki/authority.ts';
import { parseCertificate } from '../../src/pki/certificate.ts';
import type { Issuer } from '../../src/pki/issuer.ts';
import { profiles } from '../../src/pki/profile.ts';
import { createCrl } from '../../src/pki/revocation.ts';
import * as forge from './forge.ts';
import type { TestIdentities } from './identities.ts';

/** Acme's other authorities, and its revocation lists. */
export function corpusManufacturer({ now, root, intermediate, named }: TestIdentities) {
  const deps = { now: now - days(30), random: systemRandom, name: 'Acme' };
  const strangers = { ...deps, name: 'Stranger' };
  const strangerRoot = createRoot('Stranger Root CA', strangers);
  const oldRoot = expiring(createRoot('Acme Old Root CA', deps), now - days(1));
  const under = (name: string): Issuer => forge.authority(root, name, {});
  const [revoked, stale, early, busy] = ['Revoked', 'Stale', 'Early', 'Busy'].map((name) => under(`Acme ${name} CA`));
  if (!revoked || !stale || !early || !busy) throw new Error('an authority is missing');
  const gone = forge.endEntity(busy, 'Acme', now, { until: now - days(1) });
  const list = (issuer: Issuer, serials: readonly string[], from = now - days(1), until = now + days(7)): Uint8Array =>
    createCrl({
      issuer,
      revoked: serials.map((serial) => ({ serial, revokedAt: now - days(1) })),
      thisUpdate: from,
      nextUpdate: until,
      number: 1,
    });
  const serialOf = (der: Uint8Array | undefined): string => parseCertificate(der ?? new Uint8Array()).serial;
  return {
    deps,
    root,
    intermediate,
    /** Registered as an intermediate. */
    known: under('Acme Known Intermediate CA'),
    /** A root that has expired. */
    old: { root: oldRoot, intermediate: forge.authority(oldRoot, 'Acme Old CA', { until: now + days(100) }) },
    /** A root without bounds. */
    deep: createRoot('Acme Deep Root CA', deps),
    stranger: { root: strangerRoot, intermediate: createIssuing('Stranger Intermediate CA', strangerRoot, strangers) },
    revoked,
    stale,
    early,
    /** Revoked by `busy`, and expired. */
    busy,
    gone,
    crls: [
      list(root, [revoked.certificate.serial]),
      list(intermediate, [serialOf(named.revoked.chain[0])]),
      list(busy, [serialOf(gone.der)]),
      list(stale, [], now - days(9), now - days(2)),
      list(early, [], now + days(1)),
    ],
  };
}

/** The same root with an end of its own. */
function expiring({ certificate, privateKey }: Issuer, until: Millis): Issuer {
  const subject = { organization: 'Acme', commonName: certificate.subject.commonName ?? '' };
  const der = forge.selfSigned(privateKey, until - days(400), { subject, profile: profiles.rootCa, until }).der;
  return { certificate: parseCertificate(der), privateKey };
}
