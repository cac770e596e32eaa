import { useEffect, useRef, useState } from 'preact/hooks';
import type { ListedAttempt } from '../../operator/attempts.ts';
import type { ListAnswer } from '../api/answers.ts';
import { useApi, useEvents } from '../api/context.tsx';
import { Board, type BoardView, type Ending, nameOf } from './board.ts';

/** How often the board moves, ms: often enough for the eye, whatever the rate of the events is. */
const beat = 90;

/** The board of a page: fed with live events, and rendered at most once a beat. Paused, it goes on unseen. */
export function useBoard(paused: boolean): BoardView {
  const api = useApi();
  const board = useRef<Board | undefined>(undefined);
  board.current ??= new Board();
  const [view, setView] = useState(() => new Board().view(0));
  const dirty = useRef(false);
  useEvents(['attempt'], ({ events }) => {
    board.current?.take(events, performance.now());
    dirty.current = true;
  });
  useEffect(() => {
    const gone = new AbortController();
    api
      .get<ListAnswer<ListedAttempt>>('/attempts', { limit: 30 }, gone.signal)
      .then(({ items }) => {
        board.current?.remember(items.flatMap(endingOf));
        dirty.current = true;
      })
      // What was before is a courtesy: what comes is shown without it.
      .catch(() => undefined);
    return () => gone.abort();
  }, [api]);
  useEffect(() => {
    const timer = setInterval(() => {
      const moved = board.current?.step(performance.now()) ?? false;
      if (paused || document.hidden || !(moved || dirty.current)) return;
      dirty.current = false;
      if (board.current) setView(board.current.view(matchMedia('(max-width: 700px)').matches ? 2 : 5));
    }, beat);
    return () => clearInterval(timer);
  }, [paused]);
  return view;
}

function endingOf({ id, openedAt, closedAt, verdict, refusal, peer }: ListedAttempt): Ending[] {
  if (!verdict || !closedAt) return [];
  const { subject, pskIdentity, deviceId, keyId, addresses } = peer;
  const name = nameOf({ subject: subject ?? pskIdentity, deviceId, keyId }) ?? addresses.at(-1) ?? id;
  return [{ attempt: id, at: closedAt, name, verdict, code: refusal?.code, ms: closedAt - openedAt }];
}
