import { type ComponentChildren, Fragment } from 'preact';
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
  return (
    <>
      {readOnly !== undefined && <p class="note">{readOnly}</p>}
      <fieldset class="editor" disabled={readOnly !== undefined}>
        <legend class="unseen">What the {kind} says</legend>
        <Fragment key={draft.edition}>{form(saving)}</Fragment>
      </fieldset>
      <RawEditor
        value={draft.fields}
        kind={`${kind}s`}
        onChange={readOnly === undefined ? (value) => saving.replace(fieldsOf(value as unknown as S)) : undefined}
      />
      {readOnly === undefined && (
        <SavePanel
          check={check}
          changed={changed}
          isNew={isNew}
          onCheck={() => void saving.look()}
          onSave={() => void saving.save()}
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
