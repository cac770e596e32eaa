import { join } from 'node:path';
import { encodeCertificates } from '../codec/pem.ts';
import { toHex } from '../core/bytes.ts';
import type { Millis } from '../core/clock.ts';
import { failure } from '../core/errors.ts';
import type { Uuid } from '../core/ids.ts';
import { type RandomSource, systemRandom } from '../core/random.ts';
import { createAuthority, createIssuing, createRoot, loadAuthority } from './authority.ts';
import { authorityFolder } from './authority-folder.ts';
import { parseCertificate } from './certificate.ts';
import { createEndEntity, loopbackNames } from './end-entity.ts';
import type { AltName } from './extension.ts';
import {
  type FolderContent,
  listFolder,
  privateKeyFile,
  readCertificates,
  readIssuer,
  readKeyedChain,
  writeFolder,
} from './files.ts';
import type { Authority, Issuer, KeyedChain } from './issuer.ts';
import { type Subject, uuidOf, uuidSubject } from './name.ts';
import { type CertificateProfile, profiles } from './profile.ts';
import { keyIdOf } from './roll-over.ts';

/** Everybody's certificates for a demo, a test or a first try: the parts certs/README.md describes. */
export interface DevelopmentPki {
  readonly hubId: Uuid;
  readonly manufacturer: { readonly root: Issuer; readonly intermediate: Issuer };
  /** Manufacturer chains: leaf, intermediate. */
  readonly devices: readonly [DevelopmentDevice, ...DevelopmentDevice[]];
  /** What devices find in `dpsca.pem`. */
  readonly serviceCa: Issuer;
  readonly service: KeyedChain;
  /** The identity authority of the service. */
  readonly authority: Authority;
  /** `CN=uuid:<hub id>` from the identity authority: devices trust it through the anchor they are given. */
  readonly gateway: KeyedChain;
}

export interface DevelopmentDevice extends KeyedChain {
  /** `device-0001`, ... */
  readonly name: string;
  /** Trust anchors of the provisioning service, DER: what `dpsca.pem` holds. */
  readonly serviceCa: readonly Uint8Array[];
}

export interface DevelopmentPkiOptions {
  readonly devices: number;
  readonly hubId: Uuid;
  readonly now: Millis;
  readonly random?: RandomSource;
}

/** Makes all of it in memory. Keys are P-256 and new each time, whatever `random` is; it gives the serial numbers. */
export function createDevelopmentPki(options: DevelopmentPkiOptions): DevelopmentPki {
  const { devices, hubId, now, random = systemRandom } = options;
  const deps = (name: string) => ({ now, random, name });
  const root = createRoot('Example Devices Root CA', deps('Example Devices'));
  const intermediate = createIssuing('Example Devices Intermediate CA', root, deps('Example Devices'));
  const serviceCa = createRoot('firstboot Service CA', deps('firstboot'));
  const authority = createAuthority(deps('firstboot'));
  const endEntity = (issuer: Issuer, profile: CertificateProfile, subject: Subject, altNames: readonly AltName[]) =>
    createEndEntity({ issuer, profile, subject, altNames, now, random });

  const device = (number: number): DevelopmentDevice => {
    const name = `device-${String(number).padStart(4, '0')}`;
    const subject = { organization: 'Example Devices', commonName: name };
    const { chain, privateKey } = endEntity(intermediate, profiles.manufacturerDevice, subject, []);
    return {
      name,
      chain: [...chain, intermediate.certificate.der],
      privateKey,
      serviceCa: [serviceCa.certificate.der],
    };
  };
  const service = endEntity(serviceCa, profiles.service, { commonName: 'firstboot service' }, loopbackNames);
  const gateway = endEntity(authority.issuing, profiles.gateway, uuidSubject(hubId), gatewayNames(hubId));
  return {
    hubId,
    manufacturer: { root, intermediate },
    devices: [device(1), ...Array.from({ length: devices - 1 }, (_, k) => device(k + 2))],
    serviceCa,
    service,
    authority,
    gateway: { chain: [...gateway.chain, ...authority.chain], privateKey: gateway.privateKey },
  };
}

/**
 * Writes it into a new folder (layout: certs/README.md), all or nothing. Each device's folder holds exactly the three
 * files that plgd's client looks for.
 * @throws FirstbootError service.config when the folder is there and not empty.
 */
export async function writeDevelopmentPki(pki: DevelopmentPki, folder: string): Promise<void> {
  if (await writeFolder(folder, developmentFolder(pki))) return;
  throw failure('service.config', { folder }, 'the folder is not empty: name another one, or remove it');
}

/** What the hub's gateway shows: a certificate of the present issuing authority, a new one when that has rolled over. */
export function gatewayIdentity({ gateway, authority, hubId }: DevelopmentPki, now: Millis): KeyedChain {
  const { issuing, chain } = authority;
  const [leaf] = gateway.chain;
  const signer = leaf && parseCertificate(leaf).authorityKeyId;
  if (signer && toHex(signer) === keyIdOf(issuing)) return gateway;
  const fresh = createEndEntity({
    issuer: issuing,
    profile: profiles.gateway,
    subject: uuidSubject(hubId),
    altNames: gatewayNames(hubId),
    now,
    random: systemRandom,
  });
  return { chain: [...fresh.chain, ...chain], privateKey: fresh.privateKey };
}

/** Reads back what writeDevelopmentPki has written. @throws FirstbootError service.config */
export async function loadDevelopmentPki(folder: string, now: Millis): Promise<DevelopmentPki> {
  const issuer = (part: string, name: string): Promise<Issuer> =>
    readIssuer(join(folder, part, `${name}.pem`), join(folder, part, `${name}-key.pem`));
  const keyed = (part: string): Promise<KeyedChain> =>
    readKeyedChain(join(folder, part, `${part}.pem`), join(folder, part, `${part}-key.pem`));
  const gateway = await keyed('gateway');
  const [gatewayLeaf] = gateway.chain;
  const hubId = gatewayLeaf && uuidOf(parseCertificate(gatewayLeaf).subject);
  if (!hubId) throw failure('service.config', { folder }, 'gateway.pem must be for CN=uuid:<hub id>');
  const device = async (name: string): Promise<DevelopmentDevice> => {
    const at = join(folder, 'devices', name);
    const keyed = await readKeyedChain(join(at, deviceFiles.chain), join(at, deviceFiles.key));
    return { name, ...keyed, serviceCa: await readCertificates(join(at, deviceFiles.serviceCa)) };
  };
  const [firstName, ...others] = await listFolder(join(folder, 'devices'));
  if (firstName === undefined) throw failure('service.config', { folder }, 'the devices folder is empty: restore it');
  const first = await device(firstName);
  return {
    hubId,
    manufacturer: {
      root: await issuer('manufacturer', 'root'),
      intermediate: await issuer('manufacturer', 'intermediate'),
    },
    devices: [first, ...(await Promise.all(others.map(device)))],
    serviceCa: await issuer('service', 'ca'),
    service: await keyed('service'),
    authority: await loadAuthority(join(folder, 'authority'), now),
    gateway,
  };
}

const gatewayNames = (hubId: Uuid): readonly AltName[] => [
  { type: 'uri', value: `urn:uuid:${hubId}` },
  ...loopbackNames,
];

/** The names are plgd's; a device looks for them in its `pki_certs`. */
const deviceFiles = { chain: 'mfgcrt.pem', key: 'mfgkey.pem', serviceCa: 'dpsca.pem' } as const;

function developmentFolder(pki: DevelopmentPki): FolderContent {
  const { root, intermediate } = pki.manufacturer;
  const authority = Object.entries(
    authorityFolder({ ...pki.authority, next: undefined, previous: undefined, retired: [] }),
  );
  const devices = pki.devices.flatMap(({ name, chain, privateKey, serviceCa }) => [
    [`devices/${name}/${deviceFiles.chain}`, publicFile(chain)] as const,
    [`devices/${name}/${deviceFiles.key}`, privateKeyFile(privateKey)] as const,
    [`devices/${name}/${deviceFiles.serviceCa}`, publicFile(serviceCa)] as const,
  ]);
  return {
    'manufacturer/root.pem': publicFile([root.certificate.der]),
    'manufacturer/root-key.pem': privateKeyFile(root.privateKey),
    'manufacturer/intermediate.pem': publicFile([intermediate.certificate.der]),
    'manufacturer/intermediate-key.pem': privateKeyFile(intermediate.privateKey),
    'manufacturer/chain.pem': publicFile([intermediate.certificate.der, root.certificate.der]),
    'service/ca.pem': publicFile([pki.serviceCa.certificate.der]),
    'service/ca-key.pem': privateKeyFile(pki.serviceCa.privateKey),
    'service/service.pem': publicFile(pki.service.chain),
    'service/service-key.pem': privateKeyFile(pki.service.privateKey),
    'gateway/gateway.pem': publicFile(pki.gateway.chain),
    'gateway/gateway-key.pem': privateKeyFile(pki.gateway.privateKey),
    'gateway/ca.pem': publicFile(pki.authority.trustAnchors),
    ...Object.fromEntries(authority.map(([name, file]) => [`authority/${name}`, file])),
    ...Object.fromEntries(devices),
  };
}

const publicFile = (chain: readonly Uint8Array[]): { readonly text: string; readonly mode: number } => ({
  text: encodeCertificates(chain),
  mode: 0o644,
});
