import type { Millis } from '../../core/clock.ts';
import type { Evidence } from '../../core/errors.ts';
import { statusNames } from '../../core/status.ts';
import { counted } from '../../core/words.ts';
import type { DeviceView } from '../../operator/operations.ts';
import type { AttemptSummary, Credential, Device } from '../../store/model.ts';
import { bad, good, strong } from '../output.ts';
import { plain } from '../plain.ts';
import { facts, table } from '../table.ts';
import { moment, momentWords, whenWords } from '../times.ts';
import { lineWidth } from '../width.ts';
import { shortAttempt } from './rows.ts';

/** A device as programs get it: its record, its certificates and its last attempts. */
export const shownDevice = ({ device, credentials, attempts }: DeviceView): Readonly<Record<string, unknown>> => ({
  ...device,
  credentials,
  attempts,
});

/** A device for people. */
export function deviceLines(view: DeviceView, now: Millis): string[] {
  const { device, group, hub, owner, credentials, attempts } = view;
  const reason = device.stateReason === undefined ? '' : `: ${device.stateReason}`;
  const { manufacturer, retry } = device;
  const flags = statusNames(device.flags).join(', ');
  return [
    `${strong(`device ${device.deviceId ?? device.keyId}`)}  ${stateText(device)}`,
    ...facts([
      ['state', `${device.state} since ${momentWords(device.stateSince, now)}${reason}`],
      ['key', device.keyId],
      ['device id', device.deviceId && `${device.deviceId}, generation ${device.generation}`],
      ['group', group?.name ?? `${device.groupId} (deleted)`],
      ['owner', owner && `${owner.name}${device.assignedOwner ? ' (by transfer)' : ''}`],
      ['provisioned for', owner?.id === device.ownerId ? undefined : device.ownerId],
      ['hub', hub?.name ?? device.hubId],
      ['arrived there', device.confirmedAt === undefined ? 'not yet' : momentWords(device.confirmedAt, now)],
      ['manufacturer', manufacturer.subject],
      ['serial', manufacturer.serial],
      ['flags', flags === '' ? 'none' : flags],
      [
        'last seen',
        device.lastSeenAt === undefined
          ? undefined
          : `${momentWords(device.lastSeenAt, now)} at ${device.lastPeer ?? 'unknown'}`,
      ],
      ['failures', retry.failures === 0 ? undefined : `${retry.failures} in a row`],
      ['next try', retry.expectedAt === undefined ? undefined : momentWords(retry.expectedAt, now)],
      ['factory reset', device.resetAllowed ? 'allowed once' : undefined],
      ['goes on as', device.successor],
      ['first seen', momentWords(device.createdAt, now)],
    ]),
    ...section(
      'alarms',
      device.alarms.map(({ at, kind, evidence }) => [moment(at), kind, evidenceText(evidence)]),
      ['when', 'what', 'evidence'],
    ),
    ...section(
      'what it has been through',
      device.lineage.map(({ at, event, facts: what }) => [moment(at), event, evidenceText(what)]),
      ['when', 'what', 'with'],
    ),
    ...section(
      'certificates',
      credentials.map((credential) => [
        credential.serial,
        String(credential.generation),
        credentialState(credential, now),
        moment(credential.issuedAt),
        whenWords(credential.notAfter, now),
      ]),
      ['serial', 'gen', 'state', 'issued', 'ends'],
    ),
    ...section('last attempts', attempts.map(attemptCells), attemptHead),
  ];
}

/** What a certificate is worth now. */
export function credentialState({ revoked, notAfter }: Credential, now: Millis): string {
  if (revoked) return revoked.reason === 'certificateHold' ? 'on hold' : `revoked (${revoked.reason})`;
  return notAfter < now ? 'expired' : 'valid';
}

const attemptHead = ['when', 'verdict', 'reason', 'attempt'] as const;

const attemptCells = ({ openedAt, verdict, refusal, id }: AttemptSummary): string[] => [
  moment(openedAt),
  verdict ?? 'open',
  refusal?.code ?? '',
  shortAttempt(id),
];

function section(title: string, rows: readonly (readonly string[])[], head: readonly string[]): string[] {
  if (rows.length === 0) return [];
  return ['', strong(title), ...table(rows, head, { width: lineWidth() - 2 }).map((line) => `  ${line}`)];
}

function stateText({ state, alarms }: Device): string {
  const word = state === 'active' ? good(state) : state === 'pending' ? state : bad(state);
  return alarms.length === 0 ? word : `${word} ${bad(counted(alarms.length, 'alarm'))}`;
}

const evidenceText = (evidence: Evidence): string =>
  plain(
    Object.entries(evidence)
      .map(([name, value]) => `${name} ${value}`)
      .join(', '),
  );
