import { join } from 'node:path';
import { encodeCertificates } from '../codec/pem.ts';
import { isoTime } from '../core/clock.ts';
import { failure } from '../core/errors.ts';
import { type AuthorityDeps, createRoot } from './authority.ts';
import { createEndEntity, loopbackNames } from './end-entity.ts';
import { pathExists, privateKeyFile, readIssuer, requirePrivateFolder, writeFolder } from './files.ts';
import type { KeyedChain } from './issuer.ts';
import { profiles } from './profile.ts';

/** What a service without a certificate of its own shows to devices. */
export interface ServiceCertificate {
  readonly identity: KeyedChain;
  /** PEM file of the authority: `dpsca.pem` of the devices. */
  readonly caFile: string;
}

/**
 * Loads the service CA of a folder, or makes it on first start. The service certificate is new at each start: devices know
 * the CA only, so nothing has to be renewed while it is young.
 * @throws FirstbootError service.config: keys that others can read, files that are missing or do not belong together.
 */
export async function loadOrCreateServiceCertificate(folder: string, deps: AuthorityDeps): Promise<ServiceCertificate> {
  const caFile = join(folder, files.ca);
  if (!(await pathExists(caFile))) {
    const { certificate, privateKey } = createRoot(`${deps.name} Service CA`, deps);
    await writeFolder(folder, {
      [files.ca]: { text: encodeCertificates([certificate.der]), mode: 0o644 },
      [files.key]: privateKeyFile(privateKey),
    });
  }
  await requirePrivateFolder(folder);
  const issuer = await readIssuer(caFile, join(folder, files.key));
  const { notAfter } = issuer.certificate;
  if (notAfter <= deps.now) {
    const evidence = { file: caFile, notAfter: isoTime(notAfter) };
    throw failure('service.config', evidence, 'the service CA has expired: make a new one, or check the clock');
  }
  const identity = createEndEntity({
    issuer,
    profile: profiles.service,
    subject: { commonName: `${deps.name} service` },
    altNames: loopbackNames,
    now: deps.now,
    random: deps.random,
  });
  return { identity, caFile };
}

const files = { ca: 'ca.pem', key: 'ca-key.pem' } as const;
