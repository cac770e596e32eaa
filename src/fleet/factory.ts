import { days, type Millis, minutes } from '../core/clock.ts';
import type { RandomSource } from '../core/random.ts';
import type { FactoryIdentity } from '../device/identity.ts';
import { createIssuing, createRoot } from '../pki/authority.ts';
import { createEndEntity } from '../pki/end-entity.ts';
import type { Issuer, KeyedChain } from '../pki/issuer.ts';
import { type CertificateProfile, profiles } from '../pki/profile.ts';
import type { IdentityKind } from './scenario.ts';

export interface FactoryOptions {
  readonly manufacturer: { readonly root: Issuer; readonly intermediate: Issuer };
  /** Trust anchors of the provisioning service, DER. */
  readonly serviceCa: readonly Uint8Array[] | undefined;
  /** When the run begins. */
  readonly now: Millis;
  /** For serial numbers; keys are always new. */
  readonly random: RandomSource;
}

/** Makes devices' identities on the fly, good ones and bad ones. A clone is a good one that is given out twice. */
export class DeviceFactory {
  private readonly options: FactoryOptions;
  private stranger: FactoryOptions['manufacturer'] | undefined;

  constructor(options: FactoryOptions) {
    this.options = options;
  }

  make(device: number, kind: IdentityKind): FactoryIdentity & KeyedChain {
    const { manufacturer, now, serviceCa } = this.options;
    const { root, intermediate } = manufacturer;
    const behind = [intermediate.certificate.der];
    switch (kind) {
      case 'good':
      case 'cloned':
        return identity(this.leaf(device, intermediate, now), behind, serviceCa);
      case 'wrong-order':
        // The leaf has to be first, or no device could use the key; what is behind it stands upside down.
        return identity(this.leaf(device, intermediate, now), [root.certificate.der, ...behind], serviceCa);
      case 'missing-intermediate':
        return identity(this.leaf(device, intermediate, now), [], serviceCa);
      case 'expired':
        return identity(this.leaf(device, intermediate, now - minutes(50), minutes(20)), behind, serviceCa);
      case 'not-yet-valid':
        return identity(this.leaf(device, intermediate, now + days(365)), behind, serviceCa);
      case 'unknown-issuer': {
        this.stranger ??= this.anotherManufacturer();
        const { intermediate: other } = this.stranger;
        return identity(this.leaf(device, other, now), [other.certificate.der], serviceCa);
      }
    }
  }

  private leaf(device: number, issuer: Issuer, now: Millis, lifetime?: Millis): KeyedChain {
    const profile: CertificateProfile =
      lifetime === undefined ? profiles.manufacturerDevice : { ...profiles.manufacturerDevice, lifetime };
    const commonName = `device-${String(device + 1).padStart(5, '0')}`;
    const subject = { organization: 'Example Devices', commonName };
    return createEndEntity({ issuer, profile, subject, altNames: [], now, random: this.options.random });
  }

  private anotherManufacturer(): FactoryOptions['manufacturer'] {
    const deps = { now: this.options.now, random: this.options.random, name: 'Other Devices' };
    const root = createRoot('Other Devices Root CA', deps);
    return { root, intermediate: createIssuing('Other Devices Intermediate CA', root, deps) };
  }
}

const identity = (
  { chain, privateKey }: KeyedChain,
  behind: readonly Uint8Array[],
  serviceCa: readonly Uint8Array[] | undefined,
): FactoryIdentity & KeyedChain => ({ chain: [...chain, ...behind], privateKey, serviceCa });
