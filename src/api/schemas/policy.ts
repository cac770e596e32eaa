import type { Foreseen } from '../../operator/foresee.ts';
import type { PolicyDryRun } from '../../operator/operations.ts';
import type { DryRunChange, DryRunReport } from '../../operator/replay.ts';
import { stage } from './attempt.ts';
import { count, flag, listOf, maybe, part, resource, text, time, uuid, words } from './parts.ts';

const verdict = text('accepted, or the code of the refusal');

const foreseen = resource<Foreseen>('Foreseen', 'What a policy would do with a peer that comes again.', {
  verdict,
  stage: maybe(stage),
  group: maybe(text('name of the group')),
  owner: maybe(text('name of the owner')),
  hub: maybe(text('name of the first hub')),
  fix: maybe(text('what would help')),
});

const change = resource<DryRunChange>('DryRunChange', 'Somebody who would fare otherwise.', {
  who: words(['device', 'stranger'], 'stranger: it has no record as a device'),
  keyId: maybe(uuid('key id of a device')),
  deviceId: maybe(uuid('device id')),
  fingerprint: maybe(text('SHA-256 of the certificate of a stranger, hex; or `psk` and its identity')),
  subject: text('subject of its certificate, or its PSK identity'),
  proved: flag('its handshake went through; otherwise it fares so if it holds its key'),
  attemptId: uuid('the attempt that was judged'),
  lastSeen: time('when that was'),
  changed: listOf<DryRunChange['changed'][number]>(
    words(['verdict', 'group', 'owner', 'hub'], 'a part'),
    'what would be different',
  ),
  from: foreseen,
  to: foreseen,
});

const report = resource<DryRunReport>('DryRunReport', 'What a policy would change for those who came in a time.', {
  since: time('those who came from then on'),
  now: time('when it was judged'),
  devices: count('known devices that were judged'),
  strangers: count('others; a peer counts once'),
  unchanged: count('those for whom nothing would change'),
  changes: listOf(change, 'those for whom something would'),
  notListed: count('changes that are not listed'),
  notJudged: count('attempts that show nothing to judge, and strangers beyond the bound'),
  kinds: listOf(
    part<DryRunReport['kinds'][number]>({ from: verdict, to: verdict, count: count('how many') }),
    'how many of each kind of change',
  ),
});

export const policyDryRun = resource<PolicyDryRun>('PolicyDryRun', 'What a policy would change.', {
  effects: listOf<string>(text('a line'), 'one line for each group or hub that would change'),
  report,
});
