import { readFileSync } from 'node:fs';
import { decodePem, encodePem } from '../codec/pem.ts';
import type { Config } from '../config.ts';
import { fromHex, toBase64 } from '../core/bytes.ts';
import { days } from '../core/clock.ts';
import { FirstbootError, failure } from '../core/errors.ts';
import { parseUuid, uuidNamespaces, uuidV5 } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import { parseCertificate } from '../pki/certificate.ts';
import type { EnrollmentGroup, Hub, Owner } from '../store/model.ts';
import type { GroupConfig, HubConfig } from './schema.ts';

/** The groups and hubs that a configuration names, with the files they refer to read in. */
export function configuredPolicy(config: Config): { readonly groups: EnrollmentGroup[]; readonly hubs: Hub[] } {
  return { groups: config.groups.map(configuredGroup), hubs: config.hubs.map(configuredHub) };
}

/** An owner's id is its name if that is a UUID, else derived from it, as the reference service does (plgd-service 2.3). */
export function ownerNamed(name: string): Owner {
  return { id: parseUuid(name) ?? uuidV5(uuidNamespaces.url, name), name };
}

/** A group without an id of its own keeps the same one from start to start. */
export const groupIdOf = (name: string): string => uuidV5(uuidNamespaces.url, `firstboot:group:${name}`);

function configuredGroup(group: GroupConfig): EnrollmentGroup {
  const anchors = (group.anchors ?? []).flatMap((path) => pemBlocks(path, 'CERTIFICATE'));
  const psk = (group.psk ?? []).map(({ identity, keyFile }) => ({ identity, key: toBase64(hexKey(keyFile)) }));
  return {
    id: group.id ?? groupIdOf(group.name),
    name: group.name,
    owner: ownerNamed(group.owner),
    enabled: group.enabled ?? true,
    attestation: {
      x509:
        anchors.length === 0
          ? undefined
          : {
              anchors,
              intermediates: (group.intermediates ?? []).flatMap((path) => pemBlocks(path, 'CERTIFICATE')),
              crls: (group.crls ?? []).flatMap((path) => pemBlocks(path, 'X509 CRL')),
              expiredGrace: days(group.expiredGraceDays ?? 0),
            },
      psk,
    },
    hubs: group.hubs.map((id) => parseUuid(id) ?? id),
    identityLife: group.identityDays === undefined ? limits.pki.identityDays : days(group.identityDays),
    ownerPsk: group.ownerPskFile === undefined ? undefined : toBase64(ownerKey(group.ownerPskFile)),
  };
}

function configuredHub(hub: HubConfig): Hub {
  // It is read for every token; that it can be is better known now than when the first device comes.
  if (hub.oauth) readText(hub.oauth.clientSecretFile);
  return {
    id: parseUuid(hub.id) ?? hub.id,
    name: hub.name ?? hub.id,
    gateways: hub.gateways,
    provider: hub.provider ?? 'firstboot',
    authorization: hub.oauth
      ? {
          type: 'client-credentials',
          authority: hub.oauth.authority,
          clientId: hub.oauth.clientId,
          clientSecretFile: hub.oauth.clientSecretFile,
          audience: hub.oauth.audience,
          scopes: hub.oauth.scopes ?? [],
          ownerClaim: hub.oauth.ownerClaim ?? 'https://plgd.dev/owner',
          deviceIdClaim: hub.oauth.deviceIdClaim,
        }
      : { type: 'built-in' },
  };
}

function pemBlocks(path: string, label: 'CERTIFICATE' | 'X509 CRL'): string[] {
  const blocks = legible(path, decodePem, readText(path)).filter((block) => block.label === label);
  if (blocks.length === 0) throw failure('service.config', { file: path }, `the file must hold a ${label} in PEM`);
  if (label === 'CERTIFICATE') for (const { der } of blocks) legible(path, parseCertificate, der);
  return blocks.map(({ der }) => encodePem(label, der));
}

/** Adds the file's name to what a parser says. */
function legible<I, O>(path: string, parse: (input: I) => O, input: I): O {
  try {
    return parse(input);
  } catch (error) {
    if (!(error instanceof FirstbootError)) throw error;
    throw failure('service.config', { file: path, ...error.evidence }, 'replace the file: it is damaged', error);
  }
}

/** A key file holds hexadecimal text; white space around it does not count. */
function hexKey(path: string): Uint8Array {
  const text = readText(path).trim();
  if (!/^([0-9a-fA-F]{2}){16,64}$/.test(text)) {
    throw failure('service.config', { file: path }, 'the file must hold a key of 16 to 64 bytes in hexadecimal');
  }
  return fromHex(text);
}

function ownerKey(path: string): Uint8Array {
  const key = hexKey(path);
  if (key.length === 16 || key.length === 32) return key;
  throw failure('service.config', { file: path }, "an owner's key is 16 or 32 bytes long");
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw failure('service.config', { file: path }, 'the file cannot be read', error);
  }
}
