import { decodeCertificates, encodeCertificates } from '../../codec/pem.ts';
import { equalBytes, toBase64, utf8 } from '../../core/bytes.ts';
import { days, type Millis } from '../../core/clock.ts';
import { parseUuid, type Uuid } from '../../core/ids.ts';
import { type Certificate, parseCertificate } from '../../pki/certificate.ts';
import { enrollmentGroup, x509Attestation } from '../../provision/group.ts';
import { ownerNamed } from '../../provision/owner.ts';
import { ownerPskBytes } from '../../provision/owner-psk.ts';
import type { EnrollmentGroup } from '../../store/model.ts';
import { commonNameIn, Fields, inlineData, inlineText, type Message, wrong } from './message.ts';

/** Whose group it becomes, and what is there already when one is replaced. */
export interface GroupPlace {
  readonly id: Uuid;
  /** Name or UUID of the owner. */
  readonly owner: string;
  readonly known?: EnrollmentGroup;
  readonly now: Millis;
}

/**
 * Told in place of a key that there is, and taken for it: who puts back what he was told does not take the key away. It is data
 * of a length that callers let pass.
 */
export const keyNotTold = 'data:,firstboot-does-not-tell-this-key';

/** A group as plgd's `EnrollmentGroup` message (contract, plgd-service 3.1). Keys are not told. */
export function groupMessage({ id, name, owner, attestation: { x509 }, hubs, ownerPsk }: EnrollmentGroup): Message {
  const chain = x509 ? [...new Set([...x509.leads, ...x509.intermediates, ...x509.anchors])] : [];
  return {
    id,
    owner: owner.name,
    attestationMechanism: {
      x509: x509
        ? {
            certificateChain: `data:;base64,${toBase64(utf8(chain.join('')))}`,
            leadCertificateName: commonNameIn(chain[0]) ?? '',
            expiredCertificateEnabled: x509.expiredGrace > 0,
          }
        : null,
    },
    hubIds: [...hubs],
    preSharedKey: ownerPsk === undefined ? '' : keyNotTold,
    name,
  };
}

/**
 * The group that such a message describes. What plgd has no word for (admission, lists, certificate policy ...) stays as it was,
 * or has its default. The chain goes from the lead certificate to the root; the lead has to be in the path of every device.
 * @throws FirstbootError operator.input naming the field
 */
export function groupOfMessage(body: unknown, { id, owner, known, now }: GroupPlace): EnrollmentGroup {
  const fields = new Fields(body, '');
  const x509 = fields.part('attestationMechanism').part('x509');
  const hubs = fields.texts('hubIds').map((text) => parseUuid(text));
  if (hubs.length === 0 || hubs.includes(undefined)) throw wrong('hubIds', 'one UUID or more');
  const { lead, intermediates, anchor } = chainOf(x509, now);
  const pem = (certificate: Certificate): string => encodeCertificates([certificate.der]);
  const defaults = enrollmentGroup({ id, name: '', owner: ownerNamed(owner), hubs: [], attestation: {} });
  return {
    ...(known ?? { ...defaults, source: 'operator' }),
    name: fields.text('name') || id,
    hubs: hubs.flatMap((hub) => hub ?? []),
    ...ownerPskOfMessage(fields.text('preSharedKey'), known),
    attestation: {
      ...(known?.attestation ?? defaults.attestation),
      x509: x509Attestation({
        ...known?.attestation.x509,
        anchors: [pem(anchor)],
        intermediates: intermediates.map(pem),
        leads: equalBytes(lead.der, anchor.der) ? [] : [pem(lead)],
        expiredGrace: x509.flag('expiredCertificateEnabled') ? known?.attestation.x509?.expiredGrace || always : 0,
      }),
    },
  };
}

/** plgd's key is one for all devices, and no more of it is used than its first 16 bytes (contract, plgd-service 2.6). */
function ownerPskOfMessage(
  text: string,
  known: EnrollmentGroup | undefined,
): Pick<EnrollmentGroup, 'ownerPsk' | 'ownerPskShared'> {
  if (text === '') return { ownerPsk: undefined, ownerPskShared: undefined };
  const place = 'preSharedKey';
  const key = inlineData(text, place);
  if (equalBytes(key, inlineData(keyNotTold, place))) {
    if (known?.ownerPsk === undefined) throw wrong(place, 'the key itself: the group has none that could stay');
    return { ownerPsk: known.ownerPsk, ownerPskShared: known.ownerPskShared };
  }
  if (key.length < ownerPskBytes) throw wrong(place, `a key of ${ownerPskBytes} bytes or more`);
  return { ownerPsk: toBase64(key.subarray(0, ownerPskBytes)), ownerPskShared: true };
}

/** "However long ago it expired": plgd knows no other grace. */
const always = days(36_525);

function chainOf(x509: Fields, now: Millis) {
  const place = x509.at('certificateChain');
  const given = x509.text('certificateChain');
  const text = given.startsWith('-----BEGIN ') ? given : inlineText(given, place);
  const chain = decodeCertificates(text).map((der) => parseCertificate(der));
  const [first] = chain;
  const anchor = chain.at(-1);
  if (!first || !anchor) throw wrong(place, 'certificates in PEM');
  for (const [at, certificate] of chain.entries()) {
    const issuer = chain[at + 1] ?? certificate;
    if (certificate.issuer.text !== issuer.subject.text) {
      throw wrong(place, `a chain up to its self-signed root; number ${at + 1} is not issued by the next one`);
    }
    if (certificate.notAfter < now) throw wrong(place, `authorities that have not expired; number ${at + 1} has`);
  }
  const name = x509.text('leadCertificateName');
  const lead = name === '' ? first : chain.find(({ subject }) => subject.commonName === name);
  if (!lead) throw wrong(x509.at('leadCertificateName'), 'the common name of a certificate in the chain');
  return { lead, anchor, intermediates: chain.filter((one) => one !== anchor && one !== lead) };
}
