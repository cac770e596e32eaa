import type { RefObject } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';

export interface EntryFocus {
  /** Around the list (`.entries`) and what adds to it (`.entry-new`). */
  readonly around: RefObject<HTMLFieldSetElement | null>;
  /**
   * Once it is there, the first field of the entry at this place gets the focus; `button`: its last button. Behind the last entry
   * that one; when there is none, as onNew.
   */
  readonly onEntry: (at: number, on?: 'field' | 'button') => void;
  /** The field for a new one, or the button that makes one. */
  readonly onNew: () => void;
}

/** Keeps the focus in a list whose entries come and go: the button that was pressed may be gone, or out of use. */
export function useEntryFocus(): EntryFocus {
  const around = useRef<HTMLFieldSetElement>(null);
  const wanted = useRef<{ readonly at: number; readonly on: 'field' | 'button' } | 'new' | undefined>(undefined);
  useLayoutEffect(() => {
    const target = wanted.current;
    if (target === undefined || !around.current) return;
    wanted.current = undefined;
    const entries = around.current.querySelectorAll<HTMLElement>(':scope > .entries > li');
    const entry = target === 'new' ? undefined : (entries[target.at] ?? entries[entries.length - 1]);
    const inside = entry ?? around.current.querySelector<HTMLElement>(':scope > .entry-new');
    const onButton = entry !== undefined && target !== 'new' && target.on === 'button';
    const controls = inside?.querySelectorAll<HTMLElement>(
      onButton ? 'button:enabled' : 'input, select, textarea, button',
    );
    const control = controls?.[onButton ? controls.length - 1 : 0];
    control?.focus();
  });
  return {
    around,
    onEntry: (at, on = 'field') => {
      wanted.current = { at, on };
    },
    onNew: () => {
      wanted.current = 'new';
    },
  };
}
