import { useState } from 'preact/hooks';
import type { AuditVerdict } from '../../operator/audit.ts';
import type { AuditEntry } from '../../store/model.ts';
import { useApi, usePages, useRefreshOn } from '../api/context.tsx';
import { DataTable } from '../parts/data-table.tsx';
import { TextField } from '../parts/fields.tsx';
import { ChoiceFilter, Filters, TextFilter } from '../parts/filters.tsx';
import { Page, Panel } from '../parts/page.tsx';
import { ProblemNote } from '../parts/problem-note.tsx';
import { useQuery } from '../parts/query.ts';
import { ShortId } from '../parts/short-id.tsx';
import { Time } from '../parts/time.tsx';
import { plural, short } from '../parts/words.ts';
import { sinceChoices, useSince } from './parts/since.ts';

/** Who did what to what, newest first, and whether the log is whole. */
export function AuditPage() {
  const [{ action, target, actor, since: span }] = useQuery();
  const since = useSince(span);
  const list = usePages<AuditEntry>('/audit', { action, target, actor, since, newest: true });
  const live = [action, target, actor].every((filter) => filter === undefined);
  useRefreshOn([], () => live && scrollY < innerHeight && void list.refresh(), 5000);
  return (
    <Page title="Audit" lead="Who did what to what. Each line holds the hash of the line before.">
      <Verification />
      <Filters>
        <TextFilter name="action" label="Action" placeholder="device, or device.approve" />
        <TextFilter name="target" label="Target" placeholder="a part of an id" />
        <TextFilter name="actor" label="Who" placeholder="name" />
        <ChoiceFilter name="since" label="Since" any="Always" choices={sinceChoices} />
      </Filters>
      <DataTable
        label="Audit log"
        one="line"
        list={list}
        rowKey={({ seq }) => String(seq)}
        columns={[
          { head: 'Line', size: 'tiny', cell: ({ seq }) => seq },
          { head: 'When', size: 'time', cell: ({ at }) => <Time at={at} /> },
          {
            head: 'Who',
            size: 'small',
            cell: ({ actor: { kind, name, from } }) => <span title={`${kind}, from ${from}`}>{name}</span>,
          },
          { head: 'Action', size: 'medium', cell: ({ action: done }) => <code>{done}</code> },
          { head: 'Target', size: 'medium', cell: ({ target: to }) => <Target text={to} /> },
          { head: 'Detail', size: 'large', cell: ({ detail }) => <Detail detail={detail} /> },
        ]}
        empty={<p>No line fits. Every change, by people, files or the service itself, becomes a line here.</p>}
      />
    </Page>
  );
}

function Target({ text }: { readonly text: string }) {
  const [kind = '', id = ''] = text.split(' ');
  const place = { device: '/devices/', group: '/groups/', hub: '/hubs/' }[kind];
  return place ? (
    <>
      {kind} <a href={`${place}${id}`}>{id.slice(0, 8)}</a>
    </>
  ) : (
    <span title={text}>
      {kind} {/^[0-9a-f-]{36}$/.test(id) ? short(id) : text.slice(kind.length + 1)}
    </span>
  );
}

function Detail({ detail }: { readonly detail: AuditEntry['detail'] }) {
  const text = Object.entries(detail)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(', ');
  return <span title={text}>{text.length > shown ? `${text.slice(0, shown)} …` : text}</span>;
}

const shown = 160;

function Verification() {
  const api = useApi();
  const [head, setHead] = useState('');
  const [state, setState] = useState<{
    readonly asking?: boolean;
    readonly verdict?: AuditVerdict;
    readonly error?: unknown;
  }>({});
  const verify = async (): Promise<void> => {
    setState({ asking: true });
    try {
      const wanted = head.trim();
      setState({ verdict: await api.get<AuditVerdict>('/audit/verification', wanted === '' ? {} : { head: wanted }) });
    } catch (error) {
      setState({ error });
    }
  };
  return (
    <Panel title="Is it whole?">
      <form
        class="entry-new"
        onSubmit={(event) => {
          event.preventDefault();
          void verify();
        }}
      >
        <TextField
          label="A hash that was kept elsewhere (optional)"
          hint="Who can write the store can write all of the log anew; a hash kept elsewhere would show it."
          value={head}
          onInput={setHead}
        />
        <button type="submit" class="primary" disabled={state.asking === true}>
          Verify
        </button>
      </form>
      {state.asking && <p class="muted">Going through all lines …</p>}
      {state.error !== undefined && <ProblemNote error={state.error} />}
      <div aria-live="polite">{state.verdict && <VerdictView verdict={state.verdict} />}</div>
    </Panel>
  );
}

function VerdictView({ verdict }: { readonly verdict: AuditVerdict }) {
  if (verdict.ok) {
    return (
      <p class="note note-good">
        It is whole: {plural(verdict.lines, 'line')}. Keep the hash of the last one elsewhere:{' '}
        <ShortId id={verdict.head} whole />
      </p>
    );
  }
  const { fault, expected, found } = verdict.problem;
  return (
    <p class="note note-bad">
      It is not whole: line {verdict.seq} does not fit ({fault}: expected {String(expected)}, found {String(found)}).
      Compare it with a backup, and find out who could write the store.
    </p>
  );
}
