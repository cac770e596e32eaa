import { encodePem } from '../../src/codec/pem.ts';
import { toBase64, utf8 } from '../../src/core/bytes.ts';
import type { Millis } from '../../src/core/clock.ts';
import { uuidNamespaces, uuidV5 } from '../../src/core/ids.ts';
import type { DevelopmentSettings } from '../../src/development.ts';
import { enrollmentGroup, x509Attestation } from '../../src/provision/group.ts';
import type { GroupAttestation } from '../../src/store/model.ts';

/** Development settings with one more enrollment group, which is like the first but for what it takes. */
export function withGroup(
  settings: DevelopmentSettings,
  name: string,
  attestation: Partial<GroupAttestation>,
): DevelopmentSettings {
  const [example] = settings.groups;
  if (!example) throw new Error('development settings without a group');
  const id = uuidV5(uuidNamespaces.url, utf8(name));
  const group = enrollmentGroup({ ...example, id, name, attestation });
  return { ...settings, groups: [...settings.groups, group] };
}

/** Takes whoever holds one of these keys, by identity. */
export const preSharedKeys = (keys: Readonly<Record<string, Uint8Array>>): Partial<GroupAttestation> => ({
  psk: Object.entries(keys).map(([identity, key]) => ({ identity, key: toBase64(key), derived: false })),
});

/** Takes the devices of one more manufacturer; certificates and lists are DER. */
export const manufacturer = (trust: {
  readonly anchors: readonly Uint8Array[];
  readonly intermediates?: readonly Uint8Array[];
  readonly crls?: readonly Uint8Array[];
  readonly expiredGrace?: Millis;
}): Partial<GroupAttestation> => ({
  x509: x509Attestation({
    anchors: trust.anchors.map((der) => encodePem('CERTIFICATE', der)),
    intermediates: (trust.intermediates ?? []).map((der) => encodePem('CERTIFICATE', der)),
    crls: (trust.crls ?? []).map((der) => encodePem('X509 CRL', der)),
    expiredGrace: trust.expiredGrace ?? 0,
  }),
});
