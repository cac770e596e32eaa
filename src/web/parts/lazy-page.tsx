import type { ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { Page } from './page.tsx';
import { ProblemNote } from './problem-note.tsx';

/** A page whose code is fetched when it is first shown. */
export function lazyPage(load: () => Promise<ComponentType>): ComponentType {
  let loaded: ComponentType | undefined;
  return function LazyPage() {
    const [state, setState] = useState<{ readonly page?: ComponentType | undefined; readonly error?: unknown }>({
      page: loaded,
    });
    useEffect(() => {
      if (loaded !== undefined) return;
      let here = true;
      load().then(
        (page) => {
          loaded = page;
          if (here) setState({ page });
        },
        (error: unknown) => here && setState({ error }),
      );
      return () => {
        here = false;
      };
    }, []);
    if (state.page) return <state.page />;
    if (state.error === undefined) return <p class="muted loading">Loading …</p>;
    return (
      // A new version of the service has other files.
      <Page title="This page could not be loaded">
        <ProblemNote error={state.error} retry={() => location.reload()} />
      </Page>
    );
  };
}
