import { createContext } from 'preact';
import { useCallback, useContext, useEffect, useMemo, useReducer, useRef, useState } from 'preact/hooks';
import type { Session } from '../../api/schemas/session.ts';
import type { Role } from '../../store/model.ts';
import type { ListAnswer } from './answers.ts';
import { type Api, isAbort, type Query } from './client.ts';
import type { Batch, EventStream, StreamState } from './event-stream.ts';
import { PagedList } from './paged-list.ts';

/** What every page has at hand once somebody is signed in. */
export interface Connection {
  readonly api: Api;
  readonly session: Session;
  readonly stream: EventStream;
  signOut(): Promise<void>;
}

export const ConnectionContext = createContext<Connection | undefined>(undefined);

export function useConnection(): Connection {
  const connection = useContext(ConnectionContext);
  if (!connection) throw new Error('nobody is signed in');
  return connection;
}

export const useApi = (): Api => useConnection().api;

const ranks: readonly Role[] = ['viewer', 'operator', 'admin'];

/** Whether who is signed in has the role, or more; `unbound`: and is bound to no owner. */
export function useAllowed(role: Role, { unbound = false }: { readonly unbound?: boolean } = {}): boolean {
  return allows(useConnection().session, role, unbound);
}

export const allows = (session: Session, role: Role, unbound = false): boolean =>
  ranks.indexOf(session.role) >= ranks.indexOf(role) && !(unbound && session.ownerId);

export interface Resource<T> {
  /** Stays while it is read again; undefined until the first answer. */
  readonly data: T | undefined;
  readonly error: unknown;
  readonly loading: boolean;
  /** For If-Match. */
  readonly revision: number | undefined;
  readonly refresh: () => void;
}

/**
 * One GET, again whenever the path or the query changes, and given up when the page is left.
 * @param path below /api/v1; undefined: nothing is asked yet
 * @param every ms after which it is read again while somebody looks; undefined: not by itself
 */
export function useResource<T>(path: string | undefined, query?: Query, every?: number): Resource<T> {
  const api = useApi();
  const [state, setState] = useState<{ data?: T; error?: unknown; revision?: number | undefined; key: string }>();
  const [loading, setLoading] = useState(false);
  const [turn, again] = useReducer((count: number) => count + 1, 0);
  const key = JSON.stringify([path, query]);
  useEffect(() => {
    if (path === undefined) return;
    const gone = new AbortController();
    setLoading(true);
    const read = async () => {
      try {
        const { body, revision } = await api.ask<T>('GET', path, { query, signal: gone.signal });
        setState({ data: body, revision, key });
      } catch (error) {
        if (isAbort(error) || gone.signal.aborted) return;
        setState((before) => ({ ...(before?.key === key ? before : { key }), error }));
      }
      setLoading(false);
    };
    void read();
    return () => gone.abort();
  }, [api, key, turn]);
  useEffect(() => {
    if (every === undefined) return;
    const timer = setInterval(() => !document.hidden && again(undefined), every);
    return () => clearInterval(timer);
  }, [every]);
  const mine = state?.key === key ? state : undefined;
  return {
    data: mine?.data,
    error: mine?.error,
    revision: mine?.revision,
    loading: loading || (path !== undefined && mine === undefined),
    refresh: useCallback(() => again(undefined), []),
  };
}

/** A list that is paged by cursor, for DataTable; begins anew when the path or the query changes. */
export function usePages<T>(path: string, query: Query = {}): PagedList<T> {
  const api = useApi();
  const [, changed] = useReducer((count: number) => count + 1, 0);
  const key = JSON.stringify([path, query]);
  const list = useMemo(
    () =>
      new PagedList<T>(
        (cursor, signal) => api.get<ListAnswer<T>>(path, { limit: 100, ...query, cursor }, signal),
        () => changed(undefined),
      ),
    [api, key],
  );
  useEffect(() => () => list.close(), [list]);
  return list;
}

/** Tells of live events, once a frame; `types` are beginnings: `device` for all of devices. None: everything. */
export function useEvents(types: readonly string[], listener: (batch: Batch) => void): void {
  const { stream } = useConnection();
  const current = useRef({ types, listener });
  current.current = { types, listener };
  useEffect(
    () =>
      stream.listen(({ events, lost }) => {
        const { types, listener } = current.current;
        const wanted = types.length === 0 ? events : events.filter(({ type }) => types.some((it) => isOf(type, it)));
        if (wanted.length > 0 || lost) listener({ events: wanted, lost });
      }),
    [stream],
  );
}

const isOf = (type: string, wanted: string): boolean => type === wanted || type.startsWith(`${wanted}.`);

/** Calls after events of these kinds, at most once in `every` ms: for lists that have to be read again. */
export function useRefreshOn(types: readonly string[], refresh: () => void, every = 2000): void {
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const current = useRef(refresh);
  current.current = refresh;
  useEvents(types, () => {
    timer.current ??= setTimeout(() => {
      timer.current = undefined;
      current.current();
    }, every);
  });
  useEffect(() => () => clearTimeout(timer.current), []);
}

export function useStreamState(): StreamState {
  const { stream } = useConnection();
  const [state, setState] = useState(stream.state);
  useEffect(() => {
    setState(stream.state);
    return stream.watch(setState);
  }, [stream]);
  return state;
}
