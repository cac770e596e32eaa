import { encodePem } from './codec/pem.ts';
import { groupIdOf } from './config/group.ts';
import { type Millis, systemTimers } from './core/clock.ts';
import type { Uuid } from './core/ids.ts';
import { systemRandom } from './core/random.ts';
import { type DevelopmentPki, createDevelopmentPki as makePki } from './pki/development.ts';
import type { Authority } from './pki/issuer.ts';
import { enrollmentGroup, x509Attestation } from './provision/group.ts';
import { ownerNamed } from './provision/owner.ts';
import type { Identity } from './secure/association.ts';
import type { EnrollmentGroup, Hub } from './store/model.ts';

/** Where the development hub is unless somebody says otherwise. The id is in its gateway's certificate. */
export const developmentHub = {
  id: '6f0c5c0e-7a4b-4d0b-9a57-3f1e0b2c8d11',
  name: 'development hub',
  gateway: 'coaps+tcp://127.0.0.1:20031',
} as const;

/** A development PKI in memory; every part has a default. */
export function createDevelopmentPki({
  devices = 1,
  hubId = developmentHub.id,
  now = systemTimers.now(),
}: {
  readonly devices?: number;
  readonly hubId?: Uuid;
  readonly now?: Millis;
} = {}): DevelopmentPki {
  return makePki({ devices, hubId, now, random: systemRandom });
}

export interface DevelopmentSettings {
  readonly identity: Identity;
  readonly authority: Authority;
  readonly groups: readonly EnrollmentGroup[];
  readonly hubs: readonly Hub[];
}

/** A service over a development PKI: one group for all of its devices, one hub at `gateway`, tokens from the built-in issuer. */
export function developmentSettings(
  pki: DevelopmentPki,
  {
    owner = 'development',
    gateway = developmentHub.gateway,
  }: { readonly owner?: string; readonly gateway?: string } = {},
): DevelopmentSettings {
  const group = enrollmentGroup({
    id: groupIdOf('development'),
    name: 'development devices',
    owner: ownerNamed(owner),
    attestation: {
      x509: x509Attestation({
        anchors: [encodePem('CERTIFICATE', pki.manufacturer.root.certificate.der)],
        intermediates: [encodePem('CERTIFICATE', pki.manufacturer.intermediate.certificate.der)],
      }),
    },
    hubs: [pki.hubId],
  });
  const hub: Hub = {
    id: pki.hubId,
    name: developmentHub.name,
    gateways: [gateway],
    provider: 'firstboot',
    authorization: { type: 'built-in' },
    source: 'file',
    ownerId: undefined,
    revision: 0,
  };
  return { identity: pki.service, authority: pki.authority, groups: [group], hubs: [hub] };
}
