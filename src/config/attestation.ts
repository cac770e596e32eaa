import { encodePem } from '../codec/pem.ts';
import { equalBytes, toHex, utf8 } from '../core/bytes.ts';
import { days, isoTime } from '../core/clock.ts';
import { limits } from '../core/limits.ts';
import { type Certificate, parseCertificate } from '../pki/certificate.ts';
import { parsePublicKey } from '../pki/public-key.ts';
import { crlSignedBy, readCrl } from '../pki/revocation-list.ts';
import { x509Attestation } from '../provision/group.ts';
import { pinOf } from '../provision/pins.ts';
import type { GroupAttestation, GroupPsk } from '../store/model.ts';
import type { GroupConfig } from './group-schema.ts';
import { blocksAt, type CertificateText, certificatesAt, parsedAt, secretAt, sourceOf } from './material.ts';
import { type Place, urlAt } from './place.ts';

/** How a group knows its devices, from what is written at a place. */
export function attestationAt(place: Place, group: GroupConfig): GroupAttestation {
  return {
    x509: x509At(place, group),
    psk: (group.psk ?? []).map((entry, at, all) => {
      const here = place.at('psk', at);
      if (all.findIndex(({ identity }) => identity === entry.identity) < at) {
        here.at('identity').problem('this identity is here twice: give each its own');
      }
      return pskAt(here, entry);
    }),
    pins: (group.pins ?? []).flatMap((pin, at) => pinsAt(place.at('pins', at), pin)),
  };
}

interface PlacedCertificate extends CertificateText {
  readonly place: Place;
}

type X509Part = 'anchors' | 'leads' | 'intermediates';

function x509At(place: Place, group: GroupConfig): GroupAttestation['x509'] {
  if (!group.anchors?.length) {
    const idle = (['leads', 'intermediates', 'crls', 'expiredGraceDays'] as const).find(
      (key) => group[key] !== undefined,
    );
    if (idle) place.at(idle).problem('this goes with anchors: add them, or take it out');
    if (!group.psk?.length && !group.pins?.length) {
      place.problem('give the group manufacturer roots (anchors), single devices (pins) or pre-shared keys (psk)');
    }
    return undefined;
  }
  const authorities = (part: X509Part): PlacedCertificate[] =>
    (group[part] ?? []).flatMap((text, at) => authoritiesAt(place.at(part, at), text));
  const anchors = authorities('anchors');
  const intermediates = authorities('intermediates');
  const leads = authorities('leads');
  const known = [...anchors, ...intermediates, ...leads].map(({ certificate }) => certificate);
  checkLeads(leads, anchors, known);
  const crlTexts = (group.crls ?? []).map((text, at) => ({ text, here: place.at('crls', at) }));
  return x509Attestation({
    anchors: anchors.map(({ pem }) => pem),
    leads: leads.map(({ pem }) => pem),
    intermediates: intermediates.map(({ pem }) => pem),
    crls: crlTexts.flatMap(({ text, here }) => (isUrl(text) ? [] : crlsAt(here, text, known))),
    crlUrls: crlTexts.flatMap(({ text, here }) => (isUrl(text) ? [urlAt(here, text)] : [])),
    expiredGrace: Math.round(days(group.expiredGraceDays ?? 0)),
  });
}

function authoritiesAt(place: Place, text: string): PlacedCertificate[] {
  const found = certificatesAt(place, text);
  for (const { certificate } of found) {
    const { subject, notAfter } = certificate;
    if (!isAuthority(certificate)) {
      place.problem(`${sourceOf(text)} holds ${subject.text}, which is no authority: it needs CA:TRUE and keyCertSign`);
    }
    if (place.now !== undefined && notAfter < place.now) {
      place.warn(`${subject.text} has expired (${isoTime(notAfter)})`);
    }
  }
  return found.map((certificate) => ({ ...certificate, place }));
}

/** Version 1 has no extensions to say it with: a root of that age is taken for what it signs. */
const isAuthority = ({ basicConstraints, keyUsage, version, selfIssued }: Certificate): boolean =>
  version === 1 ? selfIssued : basicConstraints?.authority === true && (keyUsage?.includes('keyCertSign') ?? true);

/** A lead is an anchor or below one. By the names: what is between them, and who signed, is for the path check to see. */
function checkLeads(
  leads: readonly PlacedCertificate[],
  anchors: readonly PlacedCertificate[],
  known: readonly Certificate[],
): void {
  const reached = new Set(anchors.map(({ certificate }) => nameOf(certificate.subject)));
  for (let before = -1; before < reached.size; ) {
    before = reached.size;
    for (const { subject, issuer } of known) if (reached.has(nameOf(issuer))) reached.add(nameOf(subject));
  }
  for (const { place, certificate } of leads) {
    const { subject, issuer } = certificate;
    if (!reached.has(nameOf(subject))) {
      place.problem(`${subject.text} leads to no anchor: add its issuer, ${issuer.text}, to anchors or intermediates`);
    }
  }
}

const nameOf = ({ der }: Certificate['subject']): string => toHex(der);

function crlsAt(place: Place, text: string, known: readonly Certificate[]): string[] {
  return blocksAt(place, text, ['X509 CRL']).flatMap(({ der }) => {
    const crl = parsedAt(place, text, 'revocation list', () => readCrl(der));
    if (crl === undefined) return [];
    const named = known.filter(({ subject }) => equalBytes(subject.der, crl.issuer.der));
    if (named.length === 0) {
      place.problem(
        `the list is of ${crl.issuer.text}, which is none of the group's authorities: add it, or take it out`,
      );
    } else if (!named.some((issuer) => crlSignedBy(crl, issuer))) {
      const keyId = named[0]?.subjectKeyId;
      place.problem(
        `the list says that it is of ${crl.issuer.text}, but none of that name has signed it` +
          ` (${crl.signatureAlgorithm}${keyId ? `, AKI ${hexOf(crl.authorityKeyId)} against SKI ${hexOf(keyId)}` : ''})`,
      );
    }
    if (place.now !== undefined && crl.nextUpdate !== undefined && crl.nextUpdate < place.now) {
      place.warn(`the list of ${crl.issuer.text} is stale: its next one was due ${isoTime(crl.nextUpdate)}`);
    }
    return [encodePem('X509 CRL', der)];
  });
}

function pskAt(
  place: Place,
  { identity, keyFile, key, derived = false }: NonNullable<GroupConfig['psk']>[number],
): GroupPsk {
  if (utf8(identity).length > limits.secure.pskIdentityBytes) {
    place.at('identity').problem(`expected at most ${limits.secure.pskIdentityBytes} bytes`);
  }
  if (identity.endsWith('*') && !derived) {
    place.warn(`all devices of ${identity} have one key: derived: true gives each its own`);
  }
  return { identity, key: secretAt(place, 'keyFile', keyFile, key), derived };
}

function pinsAt(place: Place, pin: string): string[] {
  if (/^[0-9a-fA-F]{64}$/.test(pin)) return [pin.toLowerCase()];
  return blocksAt(place, pin, ['CERTIFICATE', 'PUBLIC KEY']).flatMap(({ label, der }) => {
    const read = (): Uint8Array => (label === 'CERTIFICATE' ? parseCertificate(der) : parsePublicKey(der)).spki;
    const spki = parsedAt(place, pin, label === 'CERTIFICATE' ? 'certificate' : 'public key', read);
    return spki ? [pinOf(spki)] : [];
  });
}

const hexOf = (keyId: Uint8Array | undefined): string => (keyId ? toHex(keyId) : 'none');

const isUrl = (text: string): boolean => /^https?:\/\//.test(text);
