import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { Choice, FieldGroup, TextField } from '../../parts/fields.tsx';
import { useEntryFocus } from './entry-focus.ts';

/** Texts one after another: PEM, URLs, pins. `preview` shows what one of them is. */
export function TextsEditor({
  legend,
  hint,
  error,
  one,
  texts,
  rows = 1,
  split = (text) => [text],
  preview,
  onChange,
}: {
  readonly legend: string;
  readonly hint?: string;
  readonly error?: string | undefined;
  /** `anchor`, for the buttons. */
  readonly one: string;
  readonly texts: readonly string[];
  readonly rows?: number;
  /** What was pasted may be several of them. */
  readonly split?: (text: string) => readonly string[];
  readonly preview?: (text: string) => ComponentChildren;
  readonly onChange: (texts: readonly string[]) => void;
}) {
  const [text, setText] = useState('');
  const { around, onEntry, onNew } = useEntryFocus();
  const add = (): void => {
    const added = split(text.trim()).filter((each) => each !== '' && !texts.includes(each));
    if (added.length > 0) onChange([...texts, ...added]);
    setText('');
    onNew();
  };
  return (
    <FieldGroup legend={legend} hint={hint} error={error} around={around}>
      <ul class="entries">
        {texts.map((each, at) => (
          <li key={each}>
            <div class="entry-body">{preview?.(each) ?? <code>{each}</code>}</div>
            <button
              type="button"
              aria-label={`Take out ${one} ${at + 1}`}
              onClick={() => {
                onChange(texts.filter((_, other) => other !== at));
                onEntry(at, 'button');
              }}
            >
              Take out
            </button>
          </li>
        ))}
      </ul>
      <div class="entry-new">
        <TextField label={`New ${one}`} value={text} rows={rows} code onInput={setText} />
        <button type="button" disabled={text.trim() === ''} onClick={add}>
          Add
        </button>
      </div>
    </FieldGroup>
  );
}

/** Which devices: by key, serial or subject. */
export interface Selector {
  readonly key?: string;
  readonly serial?: string;
  readonly subject?: string;
}

export type By = 'key' | 'serial' | 'subject';

export const selectorChoices: readonly { readonly value: By; readonly label: string }[] = [
  { value: 'subject', label: 'subject (* is any text)' },
  { value: 'serial', label: 'serial of its certificate, hex' },
  { value: 'key', label: 'manufacturer key id' },
];

export function SelectorsEditor({
  legend,
  hint,
  error,
  selectors,
  onChange,
}: {
  readonly legend: string;
  readonly hint: string;
  readonly error?: string | undefined;
  readonly selectors: readonly Selector[];
  readonly onChange: (selectors: readonly Selector[]) => void;
}) {
  const [by, setBy] = useState<By>('subject');
  const [value, setValue] = useState('');
  const { around, onEntry, onNew } = useEntryFocus();
  return (
    <FieldGroup legend={legend} hint={hint} error={error} around={around}>
      <ul class="entries">
        {selectors.map((selector, at) => {
          const [name, text] = Object.entries(selector)[0] ?? ['', ''];
          return (
            <li key={`${name} ${text}`}>
              <div class="entry-body">
                {name} <code>{text}</code>
              </div>
              <button
                type="button"
                aria-label={`Take out ${name} ${text}`}
                onClick={() => {
                  onChange(selectors.filter((_, other) => other !== at));
                  onEntry(at, 'button');
                }}
              >
                Take out
              </button>
            </li>
          );
        })}
      </ul>
      <div class="entry-new">
        <Choice<By> label="Known by" value={by} choices={selectorChoices} onChange={setBy} />
        <TextField label={`New device, by ${by}`} value={value} onInput={setValue} />
        <button
          type="button"
          disabled={value.trim() === ''}
          onClick={() => {
            onChange([...selectors, { [by]: value.trim() }]);
            setValue('');
            onNew();
          }}
        >
          Add
        </button>
      </div>
    </FieldGroup>
  );
}
