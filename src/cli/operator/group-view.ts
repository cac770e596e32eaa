import { decodePem } from '../../codec/pem.ts';
import type { Millis } from '../../core/clock.ts';
import type { GroupView } from '../../operator/operations.ts';
import { parseCertificate } from '../../pki/certificate.ts';
import type { DeviceSelector, EnrollmentGroup, HubAllocation } from '../../store/model.ts';
import { bad, strong } from '../output.ts';
import { plain } from '../plain.ts';
import { facts } from '../table.ts';
import { lengthWords, whenWords } from '../times.ts';

/** A group as programs get it: without its keys, its fields always in one order. */
export function shownGroup(group: EnrollmentGroup): Readonly<Record<string, unknown>> {
  const { id, name, owner, enabled, source, revision, admission, allow, deny, deviceIds, certificate } = group;
  const { hubs, allocation, acl, ownerPsk, ownerPskShared, payload, reprovisioning, clones, attestation } = group;
  const { x509, psk, pins } = attestation;
  return {
    ...{ id, name, owner: { id: owner.id, name: owner.name }, enabled, source, revision, admission },
    attestation: {
      x509: x509 && {
        anchors: x509.anchors,
        leads: x509.leads,
        intermediates: x509.intermediates,
        crls: x509.crls,
        crlUrls: x509.crlUrls,
        expiredGrace: x509.expiredGrace,
      },
      psk: psk.map(({ identity, derived }) => ({ identity, derived, key: secret })),
      pins,
    },
    ...{ allow, deny, deviceIds, certificate, hubs, allocation, acl },
    ...(ownerPsk !== undefined && { ownerPsk: secret, ownerPskShared: ownerPskShared === true }),
    ...{ payload, reprovisioning, clones },
  };
}

const secret = '(secret)';

/** A group for people. */
export function groupLines({ group, hubs: named, lists }: GroupView, now: Millis): string[] {
  const { attestation, certificate, deviceIds } = group;
  const { x509 } = attestation;
  const names = new Map(named.map(({ id, name }) => [id, name]));
  const hubs = group.hubs.map((id) => names.get(id) ?? `${id} (unknown)`);
  const rows: (readonly [string, string | undefined])[] = [
    ['id', group.id],
    ['owner', group.owner.name === group.owner.id ? group.owner.id : `${group.owner.name} (${group.owner.id})`],
    ['enabled', group.enabled ? 'yes' : 'no: its devices are refused'],
    ['admission', admissions[group.admission]],
    ['written by', group.source === 'file' ? 'a configuration file' : 'operators'],
    ...(x509?.anchors ?? []).map((pem) => ['anchor', certificateText(pem, now)] as const),
    ...(x509?.leads ?? []).map((pem) => ['lead', certificateText(pem, now)] as const),
    ...(x509?.intermediates ?? []).map((pem) => ['intermediate', certificateText(pem, now)] as const),
    [
      'grace',
      x509 && x509.expiredGrace > 0 ? `${lengthWords(x509.expiredGrace)} after a certificate expired` : undefined,
    ],
    ['revocation lists', x509 && x509.crls.length > 0 ? `${x509.crls.length} in files` : undefined],
    ...attestation.psk.map(
      ({ identity, derived }) => ['key for', `${identity}${derived ? ' (derived for each)' : ''}`] as const,
    ),
    ...attestation.pins.map((pin) => ['pinned key', pin] as const),
    ...group.deny.map((device) => ['deny', selectorText(device)] as const),
    ...group.allow.map((device) => ['allow', selectorText(device)] as const),
    ['device ids', deviceIds.type === 'own' ? 'of their own' : `by the template ${deviceIds.template}`],
    [
      'certificates',
      `${certificate.keys.join(', ')}; ${lengthWords(certificate.life)}; ${certificate.usages.join(', ')}`,
    ],
    ['hubs', hubs.join(', ')],
    ['allocation', allocationText(group.allocation)],
    ['access list', group.acl ? `${group.acl.length} entries of its own` : 'the standard one'],
    ['owner key', ownerKeyText(group)],
    ['payload', group.payload && JSON.stringify(group.payload)],
    ['again', reprovisionings[group.reprovisioning]],
    ['clones', group.clones === 'alarm' ? 'raise an alarm' : 'raise an alarm, and the device is quarantined'],
  ];
  const crls = (x509?.crlUrls ?? []).map((url) => crlText(lists, url, now));
  return [strong(`group ${plain(group.name)}`), ...facts(rows), ...crls];
}

const admissions = {
  auto: 'auto: everybody whom the lists let in',
  manual: 'manual: new devices wait for approval',
  preauthorized: 'preauthorized: only who is on that list',
} as const;

const reprovisionings = {
  migrate: 'migrate: a device that comes again gets what the policy says now',
  keep: 'keep: a device that comes again keeps group, owner and hub',
  never: 'never: as keep, and a factory reset needs to be allowed',
} as const;

function ownerKeyText({ ownerPsk, ownerPskShared }: EnrollmentGroup): string | undefined {
  if (ownerPsk === undefined) return undefined;
  return ownerPskShared === true ? 'the same for all devices' : 'derived for each device';
}

const selectorText = ({ by, value }: DeviceSelector): string => `${by} ${value}`;

function allocationText(allocation: HubAllocation): string {
  switch (allocation.type) {
    case 'first':
      return 'the first hub';
    case 'hashed':
      return 'evenly, by key';
    case 'weighted':
      return `by weight: ${Object.entries(allocation.weights)
        .map(([hub, weight]) => `${hub} ${weight}`)
        .join(', ')}`;
    case 'static':
      return `as written for ${allocation.devices.length} devices, the others to the first`;
    case 'webhook':
      return `asked of ${allocation.url}`;
  }
}

function certificateText(pem: string, now: Millis): string {
  const [block] = decodePem(pem);
  if (!block) return 'unreadable';
  const { subject, notAfter } = parseCertificate(block.der);
  return `${subject.text}, ${notAfter < now ? 'expired' : 'expires'} ${whenWords(notAfter, now)}`;
}

function crlText(lists: GroupView['lists'], url: string, now: Millis): string {
  const crl = lists.find((row) => row.url === url);
  const [line = ''] = facts([['revocation list', url]]);
  if (crl?.pem === undefined) return `${line}  ${bad(`never fetched${crl?.error ? `: ${plain(crl.error)}` : ''}`)}`;
  const stale = crl.nextUpdate !== undefined && crl.nextUpdate < now;
  const state = `fetched ${whenWords(crl.fetchedAt, now)}, next ${whenWords(crl.nextUpdate, now)}`;
  return `${line}  ${stale ? bad(`STALE, ${state}`) : state}`;
}
