import { readFileSync } from 'node:fs';
import { decodePem, encodePem } from './codec/pem.ts';
import type { Config } from './config.ts';
import type { GroupConfig, HubConfig } from './config-schema.ts';
import { fromHex, toBase64 } from './core/bytes.ts';
import { days } from './core/clock.ts';
import { failure } from './core/errors.ts';
import { parseUuid, uuidNamespaces, uuidV5 } from './core/ids.ts';
import { limits } from './core/limits.ts';
import type { EnrollmentGroup, Hub, Owner } from './store/model.ts';

/** The groups and hubs that a configuration names, with the files they refer to read in. */
export function configuredPolicy(config: Config): { readonly groups: EnrollmentGroup[]; readonly hubs: Hub[] } {
  const hubs = config.hubs.map(configuredHub);
  for (const group of config.groups) {
    const stranger = group.hubs.find((id) => !hubs.some((hub) => hub.id === parseUuid(id)));
    if (stranger !== undefined) {
      throw failure(
        'service.config',
        { group: group.name, hub: stranger },
        'add the hub under hubs, or take it out of the group',
      );
    }
  }
  return { groups: config.groups.map(configuredGroup), hubs };
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
  if (anchors.length === 0 && psk.length === 0) {
    throw failure(
      'service.config',
      { group: group.name },
      'give the group manufacturer roots (anchors) or pre-shared keys (psk)',
    );
  }
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
    hubs: group.hubs,
    identityLife: group.identityDays === undefined ? limits.pki.identityDays : days(group.identityDays),
    ownerPsk: group.ownerPskFile === undefined ? undefined : toBase64(ownerKey(group.ownerPskFile)),
  };
}

function configuredHub(hub: HubConfig): Hub {
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

function pemBlocks(path: string, label: string): string[] {
  const blocks = decodePem(readText(path)).filter((block) => block.label === label);
  if (blocks.length === 0) throw failure('service.config', { file: path }, `the file holds no ${label} in PEM`);
  return blocks.map(({ der }) => encodePem(label, der));
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
