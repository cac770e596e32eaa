import { useState } from 'preact/hooks';
import type { PolicyDryRun } from '../../../operator/operations.ts';
import type { DryRunChange } from '../../../operator/replay.ts';
import { useApi } from '../../api/context.tsx';
import { ProblemNote } from '../../parts/problem-note.tsx';
import { SimpleTable } from '../../parts/simple-table.tsx';
import { Time } from '../../parts/time.tsx';
import { count, plural } from '../../parts/words.ts';
import { codeText } from './codes.ts';
import type { GroupFields } from './group-draft.ts';
import { day } from './words.ts';

/** Judges everybody who came in the last 30 days by a group as it would be, and shows who would fare otherwise. */
export function PolicyReplay({ group }: { readonly group: GroupFields }) {
  const api = useApi();
  const [state, setState] = useState<{
    readonly asking?: boolean;
    readonly data?: PolicyDryRun;
    readonly error?: unknown;
  }>({});
  const ask = async (): Promise<void> => {
    setState({ asking: true });
    try {
      const body = { groups: [group], hubs: [], since: Date.now() - 30 * day, changes: true };
      setState({ data: (await api.ask<PolicyDryRun>('POST', '/policy/dry-run', { body })).body });
    } catch (error) {
      setState({ error });
    }
  };
  return (
    <div class="replay">
      <p>
        <button type="button" disabled={state.asking === true} onClick={() => void ask()}>
          Who of the last 30 days would fare otherwise?
        </button>
      </p>
      {state.asking && <p class="muted">Judging everybody who came by both policies …</p>}
      {state.error !== undefined && <ProblemNote error={state.error} />}
      {state.data && <Report report={state.data.report} />}
    </div>
  );
}

function Report({ report }: { readonly report: PolicyDryRun['report'] }) {
  const { devices, strangers, unchanged, changes, notListed, notJudged, kinds } = report;
  return (
    <div role="status">
      <p>
        {plural(devices, 'device')} and {plural(strangers, 'stranger')} were judged; {count(unchanged)} fare as now.
        {notJudged > 0 && ` ${plural(notJudged, 'attempt')} showed nothing to judge.`}
      </p>
      {kinds.length > 0 && (
        <ul>
          {kinds.map(({ from, to, count: many }) => (
            <li key={`${from} ${to}`}>
              {count(many)} × {from === to ? `${from}, elsewhere` : `${from} → ${to}`}
            </li>
          ))}
        </ul>
      )}
      {changes.length > 0 && (
        <SimpleTable
          label="Who would fare otherwise"
          heads={['Peer', 'Verdict', 'Group', 'Owner', 'Hub', 'Last seen']}
          rows={changes.slice(0, shown).map((change) => ({ key: change.attemptId, cells: cellsOf(change) }))}
        />
      )}
      {changes.length + notListed > shown && <p>and {count(changes.length + notListed - shown)} more</p>}
    </div>
  );
}

const shown = 100;

function cellsOf({ who, keyId, subject, proved, from, to, lastSeen, attemptId }: DryRunChange) {
  const turn = (before: string | undefined, after: string | undefined): string =>
    before === after ? (after ?? '–') : `${before ?? '–'} → ${after ?? '–'}`;
  const place = who === 'device' && keyId !== undefined ? `/devices/${keyId}` : `/attempts/${attemptId}`;
  return [
    <a href={place}>{subject}</a>,
    <span title={[from.verdict, to.verdict].map(codeText).join(' → ')}>
      {turn(from.verdict, to.verdict)}
      {to.verdict === 'accepted' && !proved && ', if it holds its key'}
    </span>,
    turn(from.group, to.group),
    turn(from.owner, to.owner),
    turn(from.hub, to.hub),
    <Time at={lastSeen} />,
  ];
}
