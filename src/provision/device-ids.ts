import { oids } from '../codec/oid.ts';
import { type Decision, decided, refused } from '../core/errors.ts';
import { parseUuid, type Uuid, uuidNamespaces, uuidV5 } from '../core/ids.ts';
import type { Name } from '../pki/name.ts';
import type { DeviceIdPolicy } from '../store/model.ts';
import type { Attestation } from './attest.ts';
import { renderTemplate, type TemplateFields, templateFields } from './template.ts';

/**
 * The device id that the policy demands of a device; undefined: any that it chose itself. A rendered text that is a UUID is the
 * id, of any other one it is the UUIDv5 (URL).
 * Refusal: bind.device-id-policy, when the device does not have what the template asks for.
 */
export function demandedId(policy: DeviceIdPolicy, attestation: Attestation): Decision<Uuid | undefined> {
  if (policy.type === 'own') return decided(undefined);
  const { template } = policy;
  const fields = attestedFields(attestation);
  const text = renderTemplate(template, fields);
  if (text === undefined) {
    const missing = templateFields(template).filter((name) => fields[name] === undefined);
    const evidence = { template, missing: missing.join(', ') };
    if (attestation.mechanism === 'x509' && attestation.onlyByPin) {
      const because = 'only a pin vouches for its key, and nobody for what its certificate says';
      const fix = 'use key.id in the template, or let the device send a chain that leads to an anchor';
      return refused('bind.device-id-policy', { ...evidence, because }, fix);
    }
    const fix = 'use fields in the template that every device of the enrollment group has';
    return refused('bind.device-id-policy', evidence, fix);
  }
  return decided(parseUuid(text) ?? uuidV5(uuidNamespaces.url, text));
}

/** What is attested of a device, by the names that templates have for it. Of a key that is only pinned that is the key. */
export function attestedFields(attestation: Attestation): TemplateFields {
  const key = { 'key.id': attestation.keyId };
  if (attestation.mechanism === 'psk') return { ...key, 'psk.identity': attestation.identity };
  if (attestation.onlyByPin) return key;
  const subject = attestation.path[0]?.subject;
  return {
    ...key,
    'cert.serial': attestation.serial,
    'cert.subject.cn': subject?.commonName,
    'cert.subject.serialNumber': subject && attribute(subject, oids.serialNumber),
    'cert.subject.o': subject && attribute(subject, oids.organization),
    'cert.subject.ou': subject && attribute(subject, oids.organizationalUnit),
  };
}

/** The last one, as for the common name. */
const attribute = ({ rdns }: Name, wanted: string): string | undefined =>
  rdns.flat().findLast(({ oid }) => oid === wanted)?.value;
