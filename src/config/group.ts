import { utf8 } from '../core/bytes.ts';
import { days } from '../core/clock.ts';
import { parseUuid, type Uuid, uuidNamespaces, uuidV5 } from '../core/ids.ts';
import type { JsonObject } from '../core/json.ts';
import { limits } from '../core/limits.ts';
import { enrollmentGroup, standardCertificate } from '../provision/group.ts';
import { ownerNamed } from '../provision/owner.ts';
import { deviceIdFields, templateFields } from '../provision/template.ts';
import type { CertificatePolicy, DeviceIdPolicy, EnrollmentGroup, PolicyOrigin } from '../store/model.ts';
import { allocationAt } from './allocation.ts';
import { attestationAt } from './attestation.ts';
import { entryAt } from './entry.ts';
import type { GroupConfig } from './group-schema.ts';
import { secretAt } from './material.ts';
import { nameAt, type Place } from './place.ts';
import { selectorAt } from './selector.ts';

/** An enrollment group from what is written at a place. @param known hubs that there are; undefined: nobody knows all of them */
export function groupAt(
  place: Place,
  group: GroupConfig,
  source: PolicyOrigin,
  known: ReadonlySet<Uuid> | undefined,
): EnrollmentGroup {
  const hubs = group.hubs.map((text) => parseUuid(text) ?? text);
  for (const [at, id] of hubs.entries()) {
    if (known && !known.has(id)) place.at('hubs', at).problem(missingHub(id, source));
    if (hubs.indexOf(id) < at) place.at('hubs', at).problem('this hub is here twice: take one out');
  }
  return enrollmentGroup({
    id: group.id === undefined ? groupIdOf(group.name) : (parseUuid(group.id) ?? group.id),
    name: nameAt(place.at('name'), group.name),
    owner: ownerNamed(nameAt(place.at('owner'), group.owner)),
    enabled: group.enabled ?? true,
    source,
    attestation: attestationAt(place, group),
    admission: group.admission ?? 'auto',
    allow: (group.allow ?? []).map((entry, at) => selectorAt(place.at('allow', at), entry)),
    deny: (group.deny ?? []).map((entry, at) => selectorAt(place.at('deny', at), entry)),
    deviceIds: deviceIdsAt(place.at('deviceIds'), group),
    certificate: certificateAt(place, group),
    hubs,
    allocation: allocationAt(place.at('allocation'), group.allocation ?? 'first', hubs),
    acl: group.acl?.map((entry, at) => entryAt(place.at('acl', at), entry)),
    ...ownerPskAt(place, group),
    payload: payloadAt(place.at('payload'), group.payload),
    reprovisioning: group.reprovisioning ?? 'migrate',
    clones: group.clones ?? 'alarm',
  });
}

function ownerPskAt(
  place: Place,
  { ownerPsk, ownerPskFile, ownerPskShared = false }: GroupConfig,
): Pick<EnrollmentGroup, 'ownerPsk' | 'ownerPskShared'> {
  const here = place.at('ownerPskShared');
  if (ownerPsk === undefined && ownerPskFile === undefined) {
    if (ownerPskShared) here.problem('there is no key to share: write ownerPskFile or ownerPsk as well');
    return { ownerPsk: undefined };
  }
  const key = secretAt(place, 'ownerPskFile', ownerPskFile, ownerPsk);
  if (!ownerPskShared) return { ownerPsk: key };
  here.warn('all devices have one key, and who takes one apart has it: without this each has a key of its own');
  return { ownerPsk: key, ownerPskShared };
}

/** A group without an id of its own keeps the same one from start to start. */
export const groupIdOf = (name: string): Uuid => uuidV5(uuidNamespaces.url, `firstboot:group:${name}`);

function certificateAt(place: Place, { certificate = {}, identityDays }: GroupConfig): CertificatePolicy {
  if (identityDays !== undefined && certificate.days !== undefined) {
    place.at('identityDays').problem('this is the short form of certificate.days, which is here too: take one out');
  }
  const life = certificate.days ?? identityDays;
  return {
    keys: [...new Set(certificate.keys ?? standardCertificate.keys)],
    life: life === undefined ? standardCertificate.life : Math.round(days(life)),
    usages: [...new Set(certificate.usages ?? standardCertificate.usages)],
  };
}

function deviceIdsAt(place: Place, { deviceIds = 'own', anchors, pins, psk }: GroupConfig): DeviceIdPolicy {
  if (deviceIds === 'own') return { type: 'own' };
  const { template } = deviceIds;
  const here = place.at('template');
  const known: readonly string[] = deviceIdFields;
  const fields = templateFields(template);
  for (const field of fields.filter((name) => !known.includes(name))) {
    here.problem(`there is no field ${field} here; known fields: ${known.join(', ')}`);
  }
  if (fields.length === 0) here.problem(`every device would get the same id: name one of ${known.join(', ')}`);
  else if (fields.every((name) => name === 'cert.subject.o' || name === 'cert.subject.ou')) {
    here.warn('all devices of one organization get the same id, and only the first of them comes in');
  }
  const ofCertificate = fields.find((name) => name.startsWith('cert.'));
  if (psk?.length && ofCertificate) here.problem(`the group's devices with pre-shared keys have no ${ofCertificate}`);
  if ((anchors?.length || pins?.length) && fields.includes('psk.identity')) {
    here.problem("the group's devices with certificates have no psk.identity");
  }
  return { type: 'template', template };
}

function payloadAt(place: Place, payload: Readonly<Record<string, unknown>> | undefined): JsonObject | undefined {
  if (payload === undefined) return undefined;
  const text = JSON.stringify(payload, (key, value: unknown) => {
    if (typeof value !== 'number' || Number.isFinite(value)) return value;
    place.problem(`${key} is ${value}, which JSON does not have: write a number, or text in quotes`);
    return null;
  });
  const size = utf8(text).length;
  if (size > limits.policy.payloadBytes) {
    place.problem(`expected at most ${limits.policy.payloadBytes} bytes as JSON; it has ${size}`);
  }
  return JSON.parse(text) as JsonObject;
}

/** Files bring their hubs along; an operator's group may also name one that is in the store. */
const missingHub = (id: string, source: PolicyOrigin): string =>
  source === 'file'
    ? `add hub ${id} under hubs`
    : `there is no hub ${id}: make it with firstboot hub create, or add it under hubs`;
