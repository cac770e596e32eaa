import { useState } from 'preact/hooks';
import { useRoute } from 'preact-iso/router';
import type { DeviceView } from '../../operator/operations.ts';
import type { Attempt, AttemptSummary } from '../../store/model.ts';
import { useAllowed, useEvents, useResource } from '../api/context.tsx';
import { Badge, StateBadge, VerdictBadge } from '../parts/badge.tsx';
import { Facts } from '../parts/facts.tsx';
import { Page, Panel } from '../parts/page.tsx';
import { ShortId } from '../parts/short-id.tsx';
import { Time } from '../parts/time.tsx';
import { AccessListView } from './parts/access-list-view.tsx';
import { AttemptTimeline } from './parts/attempt-timeline.tsx';
import { CredentialsList } from './parts/credentials-list.tsx';
import { DeviceActions } from './parts/device-actions.tsx';
import { deviceName } from './parts/device-name.ts';
import { Evidence } from './parts/evidence.tsx';
import { flagNames } from './parts/flags.ts';
import type { WrittenGroup } from './parts/group-draft.ts';
import { Judgement } from './parts/judgement.tsx';
import { Lineage } from './parts/lineage.tsx';
import { Loaded } from './parts/loaded.tsx';

/** Everything about one device, and everything that can be done to it. */
export function DevicePage() {
  const which = useRoute().params.device ?? '';
  const view = useResource<DeviceView>(`/devices/${encodeURIComponent(which)}`);
  const mayChange = useAllowed('operator');
  const device = view.data?.device;
  useEvents([], ({ events, lost }) => {
    const mine = events.some(
      ({ data }) => device && (data.keyId === device.keyId || data.target === `device ${device.keyId}`),
    );
    if (mine || lost) view.refresh();
  });
  return (
    <Page
      title={device ? deviceName(device) : 'Device'}
      lead={device && <State device={device} />}
      actions={device && mayChange ? <DeviceActions device={device} onChanged={view.refresh} /> : undefined}
    >
      <Loaded resource={view}>
        {(data) => (
          <>
            <Alarms device={data.device} />
            <Panel title="What it is">
              <Identity view={data} />
            </Panel>
            <Panel title="Attempts">
              <Attempts attempts={data.attempts} keyId={data.device.keyId} />
            </Panel>
            <Panel title="Credentials">
              <CredentialsList credentials={data.credentials} mayChange={mayChange} onChanged={view.refresh} />
            </Panel>
            <Panel title="Lineage">
              <Lineage device={data.device} />
            </Panel>
            <Panel title="Access control list">
              <GroupAcl group={data.group?.id} />
            </Panel>
          </>
        )}
      </Loaded>
    </Page>
  );
}

type Device = DeviceView['device'];

function State({ device: { state, stateSince, stateReason } }: { readonly device: Device }) {
  return (
    <p>
      <StateBadge state={state} /> since <Time at={stateSince} />
      {stateReason && <>: {stateReason}</>}
    </p>
  );
}

function Identity({ view: { device, owner, group, hub } }: { readonly view: DeviceView }) {
  const { keyId, deviceId, generation, flags, retry, manufacturer, lastPeer, successor } = device;
  return (
    <Facts
      facts={[
        ['key id', <ShortId id={keyId} />],
        ['device id', deviceId ? <ShortId id={deviceId} /> : 'none yet'],
        [
          'manufacturer subject',
          <>
            {manufacturer.subject} {manufacturer.unverified && <Badge tone="warn">nobody vouches for it</Badge>}
          </>,
        ],
        ['manufacturer serial', manufacturer.serial && <ShortId id={manufacturer.serial} />],
        ['owner', owner && `${owner.name}${device.assignedOwner ? ' (by transfer)' : ''}`],
        ['group', group ? <a href={`/groups/${group.id}`}>{group.name}</a> : 'its group is gone'],
        ['hub', hub ? <a href={`/hubs/${hub.id}`}>{hub.name}</a> : 'none yet'],
        ['generation', `${generation}${device.resetAllowed ? ', one factory reset is allowed' : ''}`],
        ['status', flagNames(flags).join(', ') || 'nothing done yet'],
        ['arrived at its cloud', device.confirmedAt === undefined ? 'not yet' : <Time at={device.confirmedAt} />],
        [
          'last seen',
          <>
            <Time at={device.lastSeenAt} />
            {lastPeer && ` from ${lastPeer}`}
          </>,
        ],
        [
          'next try',
          retry.failures > 0 ? (
            <>
              {retry.failures} failed since the last success
              {retry.expectedAt !== undefined && (
                <>
                  , expected <Time at={retry.expectedAt} />
                </>
              )}
            </>
          ) : undefined,
        ],
        ['goes on as', successor && <a href={`/devices/${successor}`}>{successor}</a>],
      ]}
    />
  );
}

const alarmWords = {
  'two-places': 'Its key is used in two places at once',
  'ids-in-turns': 'It goes back and forth between device ids',
} as const;

function Alarms({ device: { alarms } }: { readonly device: Device }) {
  if (alarms.length === 0) return null;
  return (
    <section class="note note-warn" aria-label="Alarms">
      {alarms.toReversed().map(({ at, kind, evidence }) => (
        <div key={`${at} ${kind}`}>
          <p class="note-title">
            {alarmWords[kind]}, <Time at={at} />
          </p>
          <Evidence facts={evidence} />
        </div>
      ))}
      <p class="fix">See which of the two is the real one; quarantine it until you know, then clear the alarms.</p>
    </section>
  );
}

function Attempts({ attempts, keyId }: { readonly attempts: readonly AttemptSummary[]; readonly keyId: string }) {
  const [shown, setShown] = useState<string>();
  if (attempts.length === 0) return <p class="empty">It has not come yet. Its attempts show up here by themselves.</p>;
  return (
    <>
      <ol class="timeline" reversed aria-label="Attempts">
        {attempts.map(({ id, openedAt, verdict, refusal }) => (
          <li key={id} class={`timeline-entry ${refusal ? 'tone-bad' : verdict ? 'tone-good' : ''}`}>
            <span class="timeline-time">
              <Time at={openedAt} />
            </span>
            <div class="timeline-body">
              <div class="timeline-line">
                <VerdictBadge verdict={verdict} /> {refusal && <code>{refusal.code}</code>}
                <button
                  type="button"
                  class="quiet"
                  aria-expanded={shown === id}
                  onClick={() => setShown(shown === id ? undefined : id)}
                >
                  {shown === id ? 'Hide' : refusal ? 'Why?' : 'What happened?'}
                </button>
                <a href={`/attempts/${id}`}>Open</a>
              </div>
              {shown === id && <InlineAttempt id={id} />}
            </div>
          </li>
        ))}
      </ol>
      <p>
        <a href={`/attempts?device=${keyId}`}>All its attempts</a>
      </p>
    </>
  );
}

function InlineAttempt({ id }: { readonly id: string }) {
  const attempt = useResource<Attempt>(`/attempts/${id}`);
  return (
    <>
      <Judgement attempt={id} />
      <Loaded resource={attempt}>{(data) => <AttemptTimeline attempt={data} />}</Loaded>
    </>
  );
}

function GroupAcl({ group }: { readonly group: string | undefined }) {
  const read = useResource<{ readonly group: WrittenGroup }>(group && `/groups/${group}`);
  if (group === undefined) return <p class="empty">Its group is gone: nothing gives it a list.</p>;
  return <Loaded resource={read}>{({ group: { acl } }) => <AccessListView acl={acl} />}</Loaded>;
}
