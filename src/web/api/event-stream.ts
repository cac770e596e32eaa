import { type Api, ApiProblem } from './client.ts';
import { EventReader } from './sse.ts';

/** Something that happened at the service, as src/store has it (StoredEvent). */
export interface LiveEvent {
  readonly id: string;
  readonly at: number;
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export interface Batch {
  /** In order. */
  readonly events: readonly LiveEvent[];
  /** Events are missing before these: what is shown has to be read anew. */
  readonly lost: boolean;
}

/** connecting: for the first time. waiting: it broke, and is tried again soon. paused: nobody looks at the page. */
export type StreamState = 'connecting' | 'live' | 'waiting' | 'paused' | 'refused';

/** The one stream of events of a page. Whoever listens is told once a frame of all that has come since. */
export interface EventStream {
  readonly state: StreamState;
  listen(listener: (batch: Batch) => void): () => void;
  watch(watcher: (state: StreamState) => void): () => void;
  close(): void;
}

const bounds = {
  /** Events that wait for the next frame; a page in the background has none. */
  waiting: 2000,
  /** Characters of one event. */
  event: 256 * 1024,
  /** A page that nobody looks at gives its connection back after so long, and resumes when it is looked at again. */
  hidden: 30_000,
  /** After more than this it does not catch up: what is shown is read anew. */
  catchUp: 5 * 60_000,
  retry: { first: 500, most: 15_000 },
  /** The service says something every 15 s. */
  silence: 40_000,
} as const;

export function openEventStream(api: Api): EventStream {
  const listeners = new Set<(batch: Batch) => void>();
  const watchers = new Set<(state: StreamState) => void>();
  let state: StreamState = 'connecting';
  let last: string | undefined;
  let waiting: LiveEvent[] = [];
  let lost = false;
  let frame = 0;
  let retry: number = bounds.retry.first;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let hiddenSince: number | undefined;
  let connection: AbortController | undefined;

  const become = (next: StreamState): void => {
    if (next === state) return;
    state = next;
    for (const watcher of watchers) watcher(state);
  };
  const deliver = (): void => {
    frame = 0;
    if (waiting.length === 0 && !lost) return;
    const batch = { events: waiting, lost };
    waiting = [];
    lost = false;
    for (const listener of listeners) listener(batch);
  };
  const take = (event: LiveEvent): void => {
    waiting.push(event);
    if (waiting.length > bounds.waiting) {
      waiting.splice(0, waiting.length - bounds.waiting / 2);
      lost = true;
    }
    soon();
  };
  const soon = (): void => {
    if (frame === 0) frame = requestAnimationFrame(deliver);
  };
  const lose = (): void => {
    lost = true;
    soon();
  };
  const connect = async (): Promise<void> => {
    connection?.abort();
    const mine = new AbortController();
    connection = mine;
    let silence: ReturnType<typeof setTimeout> | undefined;
    try {
      const response = await api.stream(last, mine.signal);
      become('live');
      retry = bounds.retry.first;
      // What a page read before this moment may have changed already, unseen.
      if (last === undefined) lose();
      const events = new EventReader(bounds.event);
      const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
      while (reader) {
        clearTimeout(silence);
        silence = setTimeout(() => mine.abort(new DOMException('silence', 'TimeoutError')), bounds.silence);
        const { done, value } = await reader.read();
        if (done) break;
        for (const { type, data } of events.read(value)) {
          if (type === 'lost') lose();
          else take(JSON.parse(data) as LiveEvent);
        }
        last = events.lastId ?? last;
      }
    } catch (error) {
      if (error instanceof ApiProblem && [401, 403, 404].includes(error.problem.status)) return become('refused');
    } finally {
      clearTimeout(silence);
    }
    if (connection !== mine || state === 'paused') return;
    become('waiting');
    timer = setTimeout(() => void connect(), retry * (0.5 + Math.random() / 2));
    retry = Math.min(retry * 2, bounds.retry.most);
  };
  const pause = (): void => {
    become('paused');
    connection?.abort();
    clearTimeout(timer);
  };
  const looked = (): void => {
    clearTimeout(timer);
    if (document.hidden) {
      hiddenSince = Date.now();
      timer = setTimeout(pause, bounds.hidden);
      return;
    }
    const away = hiddenSince === undefined ? 0 : Date.now() - hiddenSince;
    hiddenSince = undefined;
    if (state !== 'paused' && state !== 'waiting') return;
    if (away > bounds.catchUp) last = undefined;
    become('connecting');
    void connect();
  };

  document.addEventListener('visibilitychange', looked);
  void connect();
  return {
    get state() {
      return state;
    },
    listen: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    watch: (watcher) => {
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
    close: () => {
      document.removeEventListener('visibilitychange', looked);
      clearTimeout(timer);
      cancelAnimationFrame(frame);
      const open = connection;
      connection = undefined;
      open?.abort();
      listeners.clear();
      watchers.clear();
    },
  };
}
