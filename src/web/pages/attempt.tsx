import { useRoute } from 'preact-iso/router';
import type { Attempt } from '../../store/model.ts';
import { useRefreshOn, useResource } from '../api/context.tsx';
import { VerdictBadge } from '../parts/badge.tsx';
import { Facts } from '../parts/facts.tsx';
import { Page, Panel } from '../parts/page.tsx';
import { ShortId } from '../parts/short-id.tsx';
import { Time } from '../parts/time.tsx';
import { plural, short, utc } from '../parts/words.ts';
import { AttemptTimeline } from './parts/attempt-timeline.tsx';
import { nameIn, useGroups } from './parts/group-names.ts';
import { Judgement } from './parts/judgement.tsx';
import { Loaded } from './parts/loaded.tsx';
import { spanText } from './parts/span.ts';

/** One attempt: why it ended as it did, and everything that happened in it. */
export function AttemptPage() {
  const which = useRoute().params.attempt ?? '';
  const attempt = useResource<Attempt>(`/attempts/${encodeURIComponent(which)}`);
  const last = attempt.data?.entries.at(-1);
  const open = last !== undefined && last.type !== 'closed';
  useRefreshOn(['attempt'], () => open && attempt.refresh(), 1000);
  return (
    <Page
      title={`Attempt ${short(attempt.data?.id ?? which)}`}
      lead={last && <VerdictBadge verdict={last.type === 'closed' ? last.verdict : undefined} />}
    >
      <Loaded resource={attempt}>
        {(data) => (
          <>
            <Panel title="In short">
              <InShort attempt={data} />
            </Panel>
            <Panel title="Why">
              <Judgement key={data.entries.length} attempt={data.id} />
            </Panel>
            <Panel title="What happened">
              <AttemptTimeline attempt={data} />
            </Panel>
          </>
        )}
      </Loaded>
    </Page>
  );
}

function InShort({ attempt: { id, entries } }: { readonly attempt: Attempt }) {
  const groups = useGroups();
  const [first] = entries;
  const last = entries.at(-1);
  const exchanges = entries.filter((entry) => entry.type === 'exchange');
  const attested = entries.find((entry) => entry.type === 'stage' && typeof entry.facts.keyId === 'string');
  const { keyId, subject } = attested?.type === 'stage' ? attested.facts : {};
  const group = last?.type === 'closed' ? last.groupId : undefined;
  return (
    <Facts
      facts={[
        ['id', <ShortId id={id} />],
        [
          'began',
          first && (
            <>
              <Time at={first.at} /> <span class="muted">({utc(first.at)})</span>
            </>
          ),
        ],
        ['took', first && last && `${spanText(last.at - first.at)}, ${plural(exchanges.length, 'request')}`],
        ['from', first?.type === 'opened' ? first.peer : undefined],
        ['device', keyId && <a href={`/devices/${keyId}`}>{String(subject ?? keyId)}</a>],
        ['group', group && <a href={`/groups/${group}`}>{nameIn(groups, group)}</a>],
      ]}
    />
  );
}
