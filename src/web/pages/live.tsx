import { useEffect, useState } from 'preact/hooks';
import { type BoardView, type Ending, isEnd } from '../live/board.ts';
import { Lanes, useGliding } from '../live/lanes.tsx';
import { useBoard } from '../live/use-board.ts';
import { VerdictBadge } from '../parts/badge.tsx';
import { Page, Panel } from '../parts/page.tsx';
import { useShortcuts } from '../parts/shortcuts.tsx';
import { Time } from '../parts/time.tsx';
import { count, duration, plural } from '../parts/words.ts';

/** First boots as they happen. */
export function LivePage() {
  const [paused, setPaused] = useState(false);
  const board = useBoard(paused);
  const ground = useGliding(48);
  useShortcuts([{ keys: 'p', label: paused ? 'Go on (live)' : 'Pause (live)', run: () => setPaused(!paused) }]);
  const ends = board.lanes.filter(({ lane }) => isEnd(lane));
  const stages = board.lanes.filter(({ lane }) => !isEnd(lane));
  return (
    <Page
      title="Live"
      lead={`${count(board.open)} under way, ${count(board.ended)} ended since you opened this page`}
      actions={
        <button type="button" aria-pressed={paused} onClick={() => setPaused(!paused)}>
          {paused ? 'Go on' : 'Pause'} <kbd>p</kbd>
        </button>
      }
    >
      <Told board={board} />
      <div ref={ground} class="board">
        <Lanes label="Stages" lanes={stages} />
        <Lanes label="How they ended" lanes={ends} />
      </div>
      <Endings endings={board.endings} />
    </Page>
  );
}

const shownEndings = 15;

/** The latest endings. The list stands still while somebody points at it or is in it. */
function Endings({ endings }: { readonly endings: readonly Ending[] }) {
  const [held, setHeld] = useState<readonly Ending[]>();
  const shown = (held ?? endings).slice(0, shownEndings);
  const newer = held ? endings.findIndex(({ attempt }) => attempt === held[0]?.attempt) : 0;
  const hold = () => setHeld((before) => before ?? endings);
  const letGo = () => setHeld(undefined);
  return (
    <Panel
      title="Latest endings"
      actions={
        <span class="muted small">{held && newer !== 0 ? `${newer < 0 ? 'many' : newer} newer, held` : ''}</span>
      }
    >
      <div class="endings">
        <table aria-label="Latest endings" onMouseEnter={hold} onMouseLeave={letGo} onFocusIn={hold} onFocusOut={letGo}>
          <thead>
            <tr>
              <th scope="col">Device</th>
              <th scope="col">Verdict</th>
              <th scope="col">Reason</th>
              <th scope="col" class="end">
                Took
              </th>
              <th scope="col" class="end">
                Ended
              </th>
            </tr>
          </thead>
          <tbody>
            {shown.map((ending, place) => (
              // Rows stay in their places and change what is in them: nothing jumps.
              <EndingRow key={place} ending={ending} />
            ))}
          </tbody>
        </table>
        {endings.length === 0 ? (
          <p class="empty">
            Nothing yet. An attempt shows up here when a device has been provisioned, refused, or has gone away.
          </p>
        ) : null}
      </div>
    </Panel>
  );
}

function EndingRow({ ending }: { readonly ending: Ending }) {
  const { attempt, name, verdict, code, ms, at } = ending;
  return (
    <tr>
      <th scope="row">
        <a href={`/attempts/${attempt}`}>{name}</a>
      </th>
      <td data-head="Verdict">
        <VerdictBadge verdict={verdict} />
      </td>
      <td data-head="Reason">{code === undefined ? '' : <code>{code}</code>}</td>
      <td data-head="Took" class="end">
        {ms === undefined ? '' : duration(ms)}
      </td>
      <td data-head="Ended" class="end">
        <Time at={at} />
      </td>
    </tr>
  );
}

/** Tells readers of the page now and then, not at every card. */
function Told({ board }: { readonly board: BoardView }) {
  const [told, setTold] = useState('');
  const { open, ended } = board;
  useEffect(() => {
    const timer = setTimeout(() => setTold(`${plural(open, 'attempt')} under way, ${count(ended)} ended`), 10_000);
    return () => clearTimeout(timer);
  }, [open, ended]);
  return (
    <p class="unseen" role="status">
      {told}
    </p>
  );
}
