import { type ComponentChildren, createContext } from 'preact';
import { useContext, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { Dialog } from './dialog.tsx';

export interface Shortcut {
  /** One key, or two after one another: `g d`. */
  readonly keys: string;
  readonly label: string;
  readonly run: () => void;
}

interface Shortcuts {
  add(shortcut: Shortcut): () => void;
}

const ShortcutsContext = createContext<Shortcuts>({ add: () => () => undefined });

/** Two keys belong together when they are pressed within this time, ms. */
const together = 1200;

/** Listens for keys where nobody writes, and shows all of them at `?`. */
export function ShortcutsProvider({ children }: { readonly children: ComponentChildren }) {
  const all = useRef(new Set<Shortcut>());
  const [sheet, setSheet] = useState(false);
  const value = useMemo<Shortcuts>(
    () => ({
      add: (shortcut) => {
        all.current.add(shortcut);
        return () => all.current.delete(shortcut);
      },
    }),
    [],
  );
  useLayoutEffect(() => {
    let first: { readonly key: string; readonly at: number } | undefined;
    const pressed = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || writes(event.target)) return;
      if (document.querySelector('dialog[open]')) return;
      if (event.key === '?') {
        setSheet(true);
        return;
      }
      const before = first !== undefined && event.timeStamp - first.at < together ? `${first.key} ` : '';
      const known = [...all.current];
      // `g a` goes to a page also where `a` alone does something.
      const found =
        known.findLast(({ keys }) => before !== '' && keys === before + event.key) ??
        known.findLast(({ keys }) => keys === event.key);
      first = known.some(({ keys }) => keys.startsWith(`${event.key} `))
        ? { key: event.key, at: event.timeStamp }
        : undefined;
      if (!found) return;
      event.preventDefault();
      first = undefined;
      found.run();
    };
    document.addEventListener('keydown', pressed);
    return () => document.removeEventListener('keydown', pressed);
  }, []);
  return (
    <ShortcutsContext.Provider value={value}>
      {children}
      {sheet ? (
        <Dialog title="Keyboard shortcuts" onClose={() => setSheet(false)}>
          <dl class="shortcuts">
            {[...all.current, { keys: '?', label: 'This sheet' }].map(({ keys, label }) => (
              <div key={keys}>
                <dt>
                  {keys.split(' ').map((key) => (
                    <kbd key={key}>{key}</kbd>
                  ))}
                </dt>
                <dd>{label}</dd>
              </div>
            ))}
          </dl>
        </Dialog>
      ) : null}
    </ShortcutsContext.Provider>
  );
}

/** Keys that do something as long as the component is there. */
export function useShortcuts(shortcuts: readonly Shortcut[]): void {
  const { add } = useContext(ShortcutsContext);
  const current = useRef(shortcuts);
  current.current = shortcuts;
  const names = shortcuts.map(({ keys, label }) => `${keys} ${label}`).join();
  // Before it is painted: who sees a page may press its keys.
  useLayoutEffect(() => {
    const gone = current.current.map(({ keys, label }, index) =>
      add({ keys, label, run: () => current.current[index]?.run() }),
    );
    return () => {
      for (const remove of gone) remove();
    };
  }, [add, names]);
}

const writes = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement &&
  (target.isContentEditable || target.matches('textarea, select, input:not([type="checkbox"], [type="radio"])'));
