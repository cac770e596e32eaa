import { decodeCertificates, encodeCertificates } from '../../codec/pem.ts';
import { equalBytes, fromUtf8, toBase64, utf8 } from '../../core/bytes.ts';
import { days, type Millis } from '../../core/clock.ts';
import { parseUuid, type Uuid } from '../../core/ids.ts';
import { type Certificate, parseCertificate } from '../../pki/certificate.ts';
import { enrollmentGroup, x509Attestation } from '../../provision/group.ts';
import { ownerNamed } from '../../provision/owner.ts';
import type { EnrollmentGroup } from '../../store/model.ts';
import { commonNameIn, Fields, inlineData, type Message, wrong } from './message.ts';

/** Whose group it becomes, and what is there already when one is replaced. */
export interface GroupPlace {
  readonly id: Uuid;
  /** Name or UUID of the owner. */
  readonly owner: string;
  readonly known?: EnrollmentGroup;
  readonly now: Millis;
}

/** A group as plgd's `EnrollmentGroup` message (contract, plgd-service 3.1). Keys are not told. */
export function groupMessage({ id, name, owner, attestation: { x509 }, hubs }: EnrollmentGroup): Message {
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
    preSharedKey: '',
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
  if (fields.text('preSharedKey') !== '') {
    const fix = 'none: here each device has a key of its own. Give the group an owner key over /api/v1/groups';
    throw wrong('preSharedKey', fix);
  }
  const hubs = fields.texts('hubIds').map((text) => parseUuid(text));
  if (hubs.length === 0 || hubs.includes(undefined)) throw wrong('hubIds', 'one UUID or more');
  const { lead, intermediates, anchor } = chainOf(x509, now);
  const pem = (certificate: Certificate): string => encodeCertificates([certificate.der]);
  const defaults = enrollmentGroup({ id, name: '', owner: ownerNamed(owner), hubs: [], attestation: {} });
  return {
    ...(known ?? { ...defaults, source: 'operator' }),
    name: fields.text('name') || id,
    hubs: hubs.flatMap((hub) => hub ?? []),
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

/** "However long ago it expired": plgd knows no other grace. */
const always = days(36_525);

function chainOf(x509: Fields, now: Millis) {
  const place = x509.at('certificateChain');
  const text = fromUtf8(inlineData(x509.text('certificateChain'), place));
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
