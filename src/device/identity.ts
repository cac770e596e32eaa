import type { KeyObject } from 'node:crypto';
import { join } from 'node:path';
import { pathExists, readCertificates, readKeyedChain } from '../pki/files.ts';

/** What a device leaves the factory with. */
export interface FactoryIdentity {
  /** Manufacturer certificate chain, DER: leaf first, then intermediates, no root. */
  readonly chain: readonly Uint8Array[];
  readonly privateKey: KeyObject;
  /** Trust anchors of the provisioning service, DER; undefined: none is trusted, unless checks are skipped. */
  readonly serviceCa: readonly Uint8Array[] | undefined;
}

/** The files beside plgd's `dps_cloud_server`, under their names there. */
export const factoryFiles = { serviceCa: 'dpsca.pem', chain: 'mfgcrt.pem', key: 'mfgkey.pem' } as const;

/**
 * Reads a factory folder: `mfgcrt.pem`, `mfgkey.pem`, and `dpsca.pem` when it is there.
 * @throws FirstbootError service.config naming the file.
 */
export async function readFactoryIdentity(folder: string): Promise<FactoryIdentity> {
  const { chain, privateKey } = await readKeyedChain(
    join(folder, factoryFiles.chain),
    join(folder, factoryFiles.key),
    'accept',
  );
  const caFile = join(folder, factoryFiles.serviceCa);
  const serviceCa = (await pathExists(caFile)) ? await readCertificates(caFile) : undefined;
  return { chain, privateKey, serviceCa };
}
