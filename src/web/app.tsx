import { useEffect, useMemo, useState } from 'preact/hooks';
import { LocationProvider, Route, Router, useLocation } from 'preact-iso/router';
import type { Session } from '../api/schemas/session.ts';
import { createApi } from './api/client.ts';
import { allows, type Connection, ConnectionContext, useConnection } from './api/context.tsx';
import { type EventStream, openEventStream } from './api/event-stream.ts';
import { NotAllowedPage, NotFoundPage } from './pages/not-found.tsx';
import { SignInPage } from './pages/sign-in.tsx';
import { ErrorBoundary } from './parts/error-boundary.tsx';
import { Frame } from './parts/frame.tsx';
import { ProblemNote } from './parts/problem-note.tsx';
import { ShortcutsProvider } from './parts/shortcuts.tsx';
import { ToastsProvider } from './parts/toasts.tsx';
import { routes } from './routes.tsx';

/** The dashboard: who is signed in, the frame, and the page of the address. */
export function App() {
  return (
    <LocationProvider>
      <ToastsProvider>
        <ShortcutsProvider>
          <Gate />
        </ShortcutsProvider>
      </ToastsProvider>
    </LocationProvider>
  );
}

type Access = 'unknown' | 'none' | { readonly session: Session; readonly stream: EventStream };

/** Lets nobody in who is not signed in; a session that ends comes back here, and the address stays. */
function Gate() {
  const [access, setAccess] = useState<Access>('unknown');
  const [error, setError] = useState<unknown>();
  const api = useMemo(() => createApi(() => setAccess('none')), []);
  const enter = async () => {
    setError(undefined);
    try {
      const session = await api.get<Session>('/session');
      setAccess({ session, stream: openEventStream(api) });
    } catch (failed) {
      setError(failed);
    }
  };
  useEffect(() => void enter(), []);
  const stream = typeof access === 'object' ? access.stream : undefined;
  useEffect(() => () => stream?.close(), [stream]);
  const connection = useMemo<Connection | undefined>(
    () =>
      typeof access === 'object'
        ? {
            api,
            ...access,
            signOut: async () => {
              await api.ask('DELETE', '/session');
              setAccess('none');
            },
          }
        : undefined,
    [api, access],
  );
  if (access === 'none') return <SignInPage api={api} onSignedIn={enter} />;
  if (connection) {
    return (
      <ConnectionContext.Provider value={connection}>
        <Frame>
          <Pages />
        </Frame>
      </ConnectionContext.Provider>
    );
  }
  return (
    <main class="alone">{error === undefined ? null : <ProblemNote error={error} retry={() => void enter()} />}</main>
  );
}

function Pages() {
  const { session } = useConnection();
  const { url } = useLocation();
  return (
    <ErrorBoundary at={url}>
      <Router onRouteChange={() => document.getElementById('main')?.focus({ preventScroll: true })}>
        {routes.map(({ path, page, role, unbound }) => (
          <Route key={path} path={path} component={allows(session, role, unbound) ? page : NotAllowedPage} />
        ))}
        <Route default component={NotFoundPage} />
      </Router>
    </ErrorBoundary>
  );
}
