import { oids } from '../codec/oid.ts';
import { toHex } from '../core/bytes.ts';
import { type Certificate, tryParseCertificate } from './certificate.ts';
import type { Name } from './name.ts';

/** Registered authorities, found by what a chain may have in common with them: a refused stranger costs some look-ups. */
export class KnownAuthorities {
  /** How many of them can be read. */
  readonly size: number;
  private readonly byDer = new Map<string, Certificate>();
  private readonly byName = new Map<string, Certificate[]>();
  private readonly byKeyId = new Map<string, Certificate>();
  private readonly organizations = new Set<string>();

  /** Those of a list of DER; the same list, which must not change, gives the same ones. */
  static of(list: readonly Uint8Array[]): KnownAuthorities {
    const known = prepared.get(list) ?? new KnownAuthorities(list);
    prepared.set(list, known);
    return known;
  }

  private constructor(list: readonly Uint8Array[]) {
    const certificates = list.map(tryParseCertificate).filter((found) => found !== undefined);
    this.size = certificates.length;
    for (const certificate of certificates) {
      const { der, subject, subjectKeyId } = certificate;
      this.byDer.set(toHex(der), certificate);
      const name = toHex(subject.der);
      this.byName.set(name, [...(this.byName.get(name) ?? []), certificate]);
      const keyId = subjectKeyId && toHex(subjectKeyId);
      if (keyId !== undefined && !this.byKeyId.has(keyId)) this.byKeyId.set(keyId, certificate);
      for (const organization of organizationsOf(subject)) this.organizations.add(organization);
    }
  }

  /** The one that has these octets, which are then not read again. */
  same(der: Uint8Array): Certificate | undefined {
    return this.byDer.get(toHex(der));
  }

  named({ der }: Name): readonly Certificate[] {
    return this.byName.get(toHex(der)) ?? [];
  }

  /** @param keyId its subjectKeyIdentifier, hex */
  withKeyId(keyId: string): Certificate | undefined {
    return this.byKeyId.get(keyId);
  }

  /** Whether one of them shares an organization with the name. */
  sharesOrganization(name: Name): boolean {
    return organizationsOf(name).some((organization) => this.organizations.has(organization));
  }
}

/** The organizations in a name, in lower case: what ties certificates of one manufacturer together when nothing better does. */
export const organizationsOf = ({ rdns }: Name): string[] =>
  rdns.flatMap((rdn) => rdn.flatMap(({ oid, value }) => (oid === oids.organization ? [value.toLowerCase()] : [])));

/** Gone with the policy that holds the list. */
const prepared = new WeakMap<readonly Uint8Array[], KnownAuthorities>();
