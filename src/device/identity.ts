import { join } from 'node:path';
import { pathExists, readCertificates, readKeyedChain } from '../pki/files.ts';
import type { Identity } from '../secure/association.ts';
import { type DeviceKey, type KeyChoice, type KeySlots, selectKey } from './keys.ts';

/** What a device proves its make with, and whom it trusts to provision it. */
export interface FactoryIdentity extends Identity {
  /** Trust anchors of the provisioning service, DER; undefined: none is trusted, unless checks are skipped. */
  readonly serviceCa: readonly Uint8Array[] | undefined;
}

/** Everything in a factory folder. */
export interface Factory {
  readonly keys: KeySlots;
  readonly serviceCa: readonly Uint8Array[] | undefined;
}

/** The files beside plgd's `dps_cloud_server`, under their names there, and those of a second identity. */
export const factoryFiles = {
  serviceCa: 'dpsca.pem',
  chain: 'mfgcrt.pem',
  key: 'mfgkey.pem',
  auxiliaryChain: 'auxcrt.pem',
  auxiliaryKey: 'auxkey.pem',
} as const;

/**
 * Reads a factory folder: `mfgcrt.pem` and `mfgkey.pem`; `auxcrt.pem` with `auxkey.pem`, and `dpsca.pem`, when they are
 * there.
 * @throws FirstbootError service.config naming the file.
 */
export async function readFactory(folder: string): Promise<Factory> {
  const at = (name: string): string => join(folder, name);
  const primary = await fileKey(at(factoryFiles.chain), at(factoryFiles.key));
  const hasAuxiliary =
    (await pathExists(at(factoryFiles.auxiliaryChain))) || (await pathExists(at(factoryFiles.auxiliaryKey)));
  const auxiliary = hasAuxiliary
    ? await fileKey(at(factoryFiles.auxiliaryChain), at(factoryFiles.auxiliaryKey))
    : undefined;
  const caFile = at(factoryFiles.serviceCa);
  const serviceCa = (await pathExists(caFile)) ? await readCertificates(caFile) : undefined;
  return { keys: { primary, ...(auxiliary && { auxiliary }) }, serviceCa };
}

/** The identity that a device uses of what its factory folder holds. @throws FirstbootError service.config */
export async function readFactoryIdentity(folder: string, choice: KeyChoice = 'primary'): Promise<FactoryIdentity> {
  const { keys, serviceCa } = await readFactory(folder);
  const { chain, privateKey } = selectKey(keys, choice);
  return { chain, privateKey, serviceCa };
}

async function fileKey(chainFile: string, keyFile: string): Promise<DeviceKey> {
  return { ...(await readKeyedChain(chainFile, keyFile, 'accept')), source: keyFile };
}
