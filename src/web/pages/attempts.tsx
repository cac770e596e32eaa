import type { ListedAttempt } from '../../operator/attempts.ts';
import { verdicts } from '../api/attempt-words.ts';
import { usePages, useRefreshOn } from '../api/context.tsx';
import { VerdictBadge } from '../parts/badge.tsx';
import { type Column, DataTable } from '../parts/data-table.tsx';
import { ChoiceFilter, Filters, TextFilter } from '../parts/filters.tsx';
import { Page } from '../parts/page.tsx';
import { useQuery } from '../parts/query.ts';
import { Subject } from '../parts/subject.tsx';
import { Time } from '../parts/time.tsx';
import { duration, short } from '../parts/words.ts';
import { attemptCodes, codeText } from './parts/codes.ts';
import { useGroups } from './parts/group-names.ts';
import { sinceChoices, useSince } from './parts/since.ts';

/** Every attempt, the newest first; those that come show up by themselves while the top is looked at. */
export function AttemptsPage() {
  const [query, change] = useQuery();
  const { device, verdict, code, group, text } = query;
  const since = useSince(query.since);
  const groups = useGroups();
  const list = usePages<ListedAttempt>('/attempts', { device, verdict, code, group, text, since });
  useRefreshOn(['attempt'], () => scrollY < innerHeight && void list.refresh(), 3000);
  const codes = code === undefined || attemptCodes.includes(code) ? attemptCodes : [code, ...attemptCodes];
  return (
    <Page title="Attempts" lead={code === undefined ? undefined : codeText(code)}>
      <Filters>
        <ChoiceFilter name="verdict" label="Verdict" choices={verdictChoices} />
        <ChoiceFilter
          name="code"
          label="Reason"
          choices={codes.map((value) => ({ value, label: `${value}: ${codeText(value)}` }))}
        />
        <ChoiceFilter name="group" label="Group" choices={groups.map(({ id, name }) => ({ value: id, label: name }))} />
        <ChoiceFilter name="since" label="Since" any="Always" choices={sinceChoices} />
        <TextFilter name="text" label="Subject, id or address" />
        {device !== undefined && (
          <p>
            Of device <a href={`/devices/${device}`}>{short(device)}</a>{' '}
            <button type="button" onClick={() => change({ device: undefined })}>
              Show all devices
            </button>
          </p>
        )}
      </Filters>
      <DataTable
        label="Attempts"
        one="attempt"
        columns={columns}
        list={list}
        rowKey={({ id }) => id}
        href={({ id }) => `/attempts/${id}`}
        empty={
          Object.values({ device, verdict, code, group, text, since }).some((filter) => filter !== undefined) ? (
            <p>No attempt fits these filters. Take one out, or look further back.</p>
          ) : (
            <p>
              Nobody has come yet. Point a device, or <code>firstboot device</code>, at the service: its attempt shows
              up here by itself.
            </p>
          )
        }
      />
    </Page>
  );
}

const verdictChoices = [...verdicts, 'open'].map((value) => ({ value, label: value }));

/** Hosts; the ports, another one for each session, are told to who asks. */
function Addresses({ of: addresses }: { readonly of: readonly string[] }) {
  const hosts = new Set(addresses.map((address) => address.replace(/:\d+$/, '')));
  return <span title={addresses.join(', ')}>{[...hosts].join(', ')}</span>;
}

const columns: readonly Column<ListedAttempt>[] = [
  {
    head: 'Peer',
    size: 'large',
    cell: ({ peer, id }) => <Subject text={peer.subject ?? peer.pskIdentity ?? peer.addresses[0] ?? short(id)} />,
  },
  { head: 'Verdict', size: 'small', cell: ({ verdict }) => <VerdictBadge verdict={verdict} /> },
  {
    head: 'Reason',
    size: 'medium',
    cell: ({ refusal }) => refusal && <span title={codeText(refusal.code)}>{refusal.code}</span>,
  },
  { head: 'Address', size: 'medium', cell: ({ peer }) => <Addresses of={peer.addresses} /> },
  { head: 'Began', size: 'time', cell: ({ openedAt }) => <Time at={openedAt} /> },
  {
    head: 'Took',
    size: 'tiny',
    align: 'end',
    cell: ({ openedAt, closedAt }) => (closedAt === undefined ? '' : duration(closedAt - openedAt)),
  },
];
