import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useState } from 'preact/hooks';
import { useLocation } from 'preact-iso/router';
import type { Overview } from '../../api/schemas/overview.ts';
import { allows, useConnection, useRefreshOn, useResource, useStreamState } from '../api/context.tsx';
import type { StreamState } from '../api/event-stream.ts';
import { routes } from '../routes.tsx';
import { SearchBox } from './search-box.tsx';
import { useShortcuts } from './shortcuts.tsx';
import { ThemeToggle } from './theme.tsx';
import { useToasts } from './toasts.tsx';
import { mayLeave } from './unsaved.ts';
import { count, short } from './words.ts';

/** Around every page: the bar, the navigation, and where the page goes. */
export function Frame({ children }: { readonly children: ComponentChildren }) {
  const { session, signOut } = useConnection();
  const { path, route } = useLocation();
  const { complain } = useToasts();
  const [open, setOpen] = useState(false);
  const links = routes.flatMap(({ path, role, unbound, nav }) =>
    nav && allows(session, role, unbound) ? [{ path, ...nav }] : [],
  );
  const overview = useResource<Overview>('/overview', undefined, 30_000);
  useRefreshOn(['device'], overview.refresh);
  useShortcuts(
    links.map(({ path, label, key }) => ({ keys: `g ${key}`, label, run: () => mayLeave() && route(path) })),
  );
  useLayoutEffect(() => setOpen(false), [path]);
  const pending = overview.data?.pending ?? 0;
  return (
    <>
      <a class="skip" href="#main">
        Skip to the page
      </a>
      <header class="bar">
        <button
          type="button"
          class="quiet menu-button"
          aria-expanded={open}
          aria-controls="navigation"
          onClick={() => setOpen(!open)}
        >
          <span aria-hidden="true">☰</span> Menu
        </button>
        <a class="brand" href="/">
          <span class="brand-mark" aria-hidden="true" />
          firstboot
        </a>
        <SearchBox />
        <Connected />
        <ThemeToggle />
        <span
          class="who"
          title={`Role: ${session.role}${session.ownerId ? `, sees only what is of owner ${session.ownerId}` : ''}`}
        >
          {session.name} <span class="badge">{session.role}</span>
          {session.ownerId ? <span class="muted"> of owner {short(session.ownerId)}</span> : null}
        </span>
        <button type="button" class="quiet" onClick={() => mayLeave() && void signOut().catch(complain)}>
          Sign out
        </button>
      </header>
      <div class="columns">
        <nav id="navigation" class={open ? 'open' : ''} aria-label="Pages">
          <ul>
            {links.map((link) => (
              <li key={link.path}>
                <a href={link.path} aria-current={isAt(path, link.path) ? 'page' : undefined}>
                  {link.label}
                  {link.path === '/approvals' && pending > 0 ? (
                    <span class="count">
                      {count(pending)}
                      <span class="unseen"> waiting</span>
                    </span>
                  ) : null}
                </a>
              </li>
            ))}
          </ul>
          <p class="muted small nav-foot">
            Press <kbd>?</kbd> for keys
            <span>{overview.data ? `firstboot ${overview.data.version}` : '\u00a0'}</span>
          </p>
        </nav>
        <main id="main" tabIndex={-1}>
          {children}
        </main>
      </div>
    </>
  );
}

const isAt = (path: string, link: string): boolean => path === link || (link !== '/' && path.startsWith(`${link}/`));

const stateWords: Record<StreamState, string> = {
  connecting: 'Connecting',
  live: 'Live',
  waiting: 'Reconnecting',
  paused: 'Paused',
  refused: 'No events',
};

function Connected() {
  const state = useStreamState();
  return (
    <span class={`stream stream-${state}`} role="status" title="Live events of the service">
      <span class="dot" aria-hidden="true" />
      {stateWords[state]}
    </span>
  );
}
