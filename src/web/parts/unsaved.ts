import { useLayoutEffect } from 'preact/hooks';

/** Whether what is on the page may be left: asks when edits would be lost. */
export const mayLeave = (): boolean =>
  unsaved.size === 0 || confirm('What you changed here is not saved. Leave, and lose it?');

/** While `dirty`, links, keys, the search and closing the tab ask first. */
export function useUnsaved(dirty: boolean): void {
  // Before it is painted: who sees that something is changed is asked from then on.
  useLayoutEffect(() => {
    if (!dirty) return;
    const mark = {};
    unsaved.add(mark);
    const close = (event: BeforeUnloadEvent): void => event.preventDefault();
    addEventListener('beforeunload', close);
    document.addEventListener('click', stay, { capture: true });
    return () => {
      unsaved.delete(mark);
      removeEventListener('beforeunload', close);
      document.removeEventListener('click', stay, { capture: true });
    };
  }, [dirty]);
}

/** Editors with edits. */
const unsaved = new Set<object>();

/** Before the router sees a click: one that leaves the page goes no further unless it may. */
function stay(event: MouseEvent): void {
  const link = event.target instanceof Element ? event.target.closest('a') : null;
  if (!link || link.target === '_blank' || event.button !== 0) return;
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  if (link.origin !== location.origin || link.pathname === location.pathname || mayLeave()) return;
  event.preventDefault();
  event.stopImmediatePropagation();
}
