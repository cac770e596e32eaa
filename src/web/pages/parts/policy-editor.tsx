import { type ComponentChildren, Fragment } from 'preact';
import { useRef, useState } from 'preact/hooks';
import { complaintsIn } from './complaint.ts';
import { Conflict } from './conflict.tsx';
import { RawEditor } from './raw-editor.tsx';
import { SavePanel } from './save-panel.tsx';
import type { Draft } from './use-draft.ts';
import { type Saving, useSaving } from './use-saving.ts';

export interface PolicyEditorProps<T extends object, S extends { readonly revision?: number }> {
  readonly kind: 'group' | 'hub';
  readonly draft: Draft<T>;
  /** Below /api/v1; undefined: it is new. */
  readonly path: string | undefined;
  /** Why it cannot be changed. */
  readonly readOnly: string | undefined;
  /** Without what only reads tell. */
  readonly fieldsOf: (stored: S) => T;
  readonly onSaved: (stored: S) => void;
  readonly form: (saving: Pick<Saving<T>, 'edit' | 'complaint'>) => ComponentChildren;
  /** Shown above the buttons once there is something to save. */
  readonly foresight?: ComponentChildren;
}

/** What a group or a hub says, in a form and as text, and what changing it would do before it is changed. */
export function PolicyEditor<T extends object, S extends { readonly revision?: number }>({
  kind,
  draft,
  path,
  readOnly,
  fieldsOf,
  onSaved,
  form,
  foresight,
}: PolicyEditorProps<T, S>) {
  const isNew = path === undefined;
  const saving = useSaving<T, S>({
    draft,
    path: path ?? `/${kind}s`,
    isNew,
    fieldsOf,
    readIn: (answer) => (answer as Record<typeof kind, S>)[kind],
    onSaved,
  });
  const { check, changed } = saving;
  const editor = useRef<HTMLFieldSetElement>(null);
  const [unfinished, setUnfinished] = useState<string>();
  const whenFinished = (go: () => Promise<void>): void => {
    const control = unfinishedIn(editor.current);
    setUnfinished(control?.validationMessage);
    if (control) control.focus();
    else void go();
  };
  const show = (): void => {
    const told = editor.current?.querySelector('[aria-invalid], .hint-bad');
    const field = told?.matches('input, select, textarea')
      ? told
      : told?.closest('.field-group')?.querySelector(controls);
    told?.scrollIntoView({ block: 'center' });
    if (field instanceof HTMLElement) field.focus({ preventScroll: true });
  };
  return (
    <>
      {readOnly !== undefined && <p class="note">{readOnly}</p>}
      <fieldset class="editor" ref={editor} disabled={readOnly !== undefined} onInput={() => setUnfinished(undefined)}>
        <legend class="unseen">What the {kind} says</legend>
        <Fragment key={draft.edition}>{form(saving)}</Fragment>
      </fieldset>
      <RawEditor
        value={draft.fields}
        kind={`${kind}s`}
        onChange={
          readOnly === undefined
            ? async (value) => {
                const next = fieldsOf(value as unknown as S);
                const fault = await saving.misshapen(next);
                if (fault === undefined) saving.replace(next);
                return fault;
              }
            : undefined
        }
      />
      {readOnly === undefined && (
        <SavePanel
          check={check}
          changed={changed}
          isNew={isNew}
          unfinished={unfinished}
          onCheck={() => whenFinished(saving.look)}
          onShow={check.state === 'refused' && complaintsIn(check.error).length > 0 ? show : undefined}
          onSave={() => whenFinished(saving.save)}
          conflict={
            <Conflict
              mine={changed}
              theirs={saving.changedByOthers}
              onTake={saving.takeTheirs}
              onKeep={saving.keepMine}
            />
          }
        >
          {(changed.length > 0 || isNew) && foresight}
        </SavePanel>
      )}
    </>
  );
}

const controls = 'input, select, textarea, button';

/** The first field that the page itself has something against (TextField, `fault`). */
const unfinishedIn = (editor: HTMLFieldSetElement | null) =>
  [...(editor?.elements ?? [])].find(
    (control): control is HTMLInputElement | HTMLTextAreaElement =>
      (control instanceof HTMLInputElement || control instanceof HTMLTextAreaElement) && control.validity.customError,
  );
