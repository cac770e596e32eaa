import type { ComponentChildren } from 'preact';
import { problemIn } from '../../api/client.ts';
import { ProblemNote } from '../../parts/problem-note.tsx';
import { Effects } from './effects.tsx';

/** What a change would do, as the API said last. */
export type Check =
  | { readonly state: 'none' | 'asking' }
  | { readonly state: 'known'; readonly effects: readonly string[] }
  | { readonly state: 'refused'; readonly error: unknown };

/** The foot of an editor: look first, then save. */
export function SavePanel({
  check,
  changed,
  isNew,
  unfinished,
  onCheck,
  onShow,
  onSave,
  conflict,
  children,
}: {
  readonly check: Check;
  readonly changed: readonly string[];
  readonly isNew: boolean;
  /** What is in a field that cannot be sent. */
  readonly unfinished: string | undefined;
  readonly onCheck: () => void;
  /** Goes to the field that a refusal is about. Undefined: it is about none. */
  readonly onShow: (() => void) | undefined;
  readonly onSave: () => void;
  /** What somebody else has changed meanwhile. */
  readonly conflict: ComponentChildren;
  readonly children?: ComponentChildren;
}) {
  const overtaken = check.state === 'refused' && problemIn(check.error).status === 412;
  const nothing = !isNew && changed.length === 0;
  return (
    <section class="panel save-panel" aria-label="Save">
      <p role="status">
        {isNew ? 'It is not saved yet.' : nothing ? 'Nothing is changed.' : `Changed: ${changed.join(', ')}.`}
      </p>
      {check.state === 'asking' && <p class="muted">Asking what this would do …</p>}
      {check.state === 'known' && (
        <>
          <h2>What it would do</h2>
          <Effects effects={check.effects} />
        </>
      )}
      {unfinished !== undefined && (
        <p class="note note-bad" role="alert">
          Put this right first: {unfinished}.
        </p>
      )}
      {check.state === 'refused' && !overtaken && (
        <div class="refused">
          <ProblemNote error={check.error} />
          {onShow && (
            <button type="button" onClick={onShow}>
              Show me where
            </button>
          )}
        </div>
      )}
      {overtaken && conflict}
      {children}
      <div class="dialog-foot">
        <button type="button" disabled={nothing || check.state === 'asking'} onClick={onCheck}>
          See what it would do
        </button>
        <button
          type="button"
          class="primary"
          disabled={check.state !== 'known' || check.effects.length === 0}
          onClick={onSave}
        >
          {isNew ? 'Make it' : 'Save'}
        </button>
      </div>
    </section>
  );
}
