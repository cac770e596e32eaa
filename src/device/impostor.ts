import { equalBytes } from '../core/bytes.ts';
import type { Uuid } from '../core/ids.ts';
import { tryParseCertificate } from '../pki/certificate.ts';
import { uuidOf } from '../pki/name.ts';
import type { SecureSession } from '../secure/association.ts';

/**
 * Whom the device wants to talk to. `hub`: the id of the gateway in use, '' when it is not known. `service`: the anchors that
 * its cloud has given it, and that are not its factory's.
 */
export type ExpectedPeer =
  | { readonly kind: 'hub'; readonly id: Uuid | '' }
  | { readonly kind: 'service'; readonly cloudAnchors: readonly Uint8Array[] };

/**
 * Why the other side is not who it should be; undefined: it may be. The anchors that a device gets at its cloud vouch for every
 * device there, and all of their certificates are good for TLS servers (OCF Security §9.4.2.2), so a neighbour that takes over
 * an address could pose as the hub, or as the provisioning service. plgd's client looks no further (contract, plgd-device c1);
 * here a certificate `CN=uuid:<id>` is that very hub's or device's, and nobody else's.
 */
export function impostorIn(expected: ExpectedPeer, { peer }: SecureSession): string | undefined {
  const leaf = peer?.presented[0];
  const id = leaf && certifiedUuid(leaf);
  if (!peer || id === undefined) return undefined;
  if (expected.kind === 'hub') {
    if (expected.id === '' || expected.id === id) return undefined;
    return `the certificate is that of uuid:${id}, not that of the hub uuid:${expected.id}`;
  }
  const anchor = peer.path.at(-1);
  if (!anchor || !expected.cloudAnchors.some((der) => equalBytes(der, anchor))) return undefined;
  return `the certificate is that of uuid:${id}, a hub or a device, not that of a provisioning service`;
}

/** The id in the subject of a certificate; undefined when it has none. */
export function certifiedUuid(der: Uint8Array): Uuid | undefined {
  const certificate = tryParseCertificate(der);
  return certificate && uuidOf(certificate.subject);
}
