import type { ComponentChildren } from 'preact';
import { useId, useState } from 'preact/hooks';
import { Choice, TextField } from '../../parts/fields.tsx';

/** A group of fields with a name, and what is wrong with them as a whole. */
export function FieldGroup({
  legend,
  hint,
  error,
  children,
}: {
  readonly legend: string;
  readonly hint?: ComponentChildren;
  readonly error?: string | undefined;
  readonly children: ComponentChildren;
}) {
  const id = useId();
  return (
    <fieldset class="field-group" aria-describedby={hint === undefined && error === undefined ? undefined : id}>
      <legend>{legend}</legend>
      {(hint !== undefined || error !== undefined) && (
        <p
          id={id}
          class={error === undefined ? 'hint' : 'hint hint-bad'}
          role={error === undefined ? undefined : 'alert'}
        >
          {error ?? hint}
        </p>
      )}
      {children}
    </fieldset>
  );
}

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
  const add = (): void => {
    const added = split(text.trim()).filter((each) => each !== '' && !texts.includes(each));
    if (added.length > 0) onChange([...texts, ...added]);
    setText('');
  };
  return (
    <FieldGroup legend={legend} hint={hint} error={error}>
      <ul class="entries">
        {texts.map((each, at) => (
          <li key={each}>
            <div class="entry-body">{preview?.(each) ?? <code>{each}</code>}</div>
            <button
              type="button"
              aria-label={`Take out ${one} ${at + 1}`}
              onClick={() => onChange(texts.filter((_, other) => other !== at))}
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

type By = 'key' | 'serial' | 'subject';

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
  return (
    <FieldGroup legend={legend} hint={hint} error={error}>
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
                onClick={() => onChange(selectors.filter((_, other) => other !== at))}
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
          }}
        >
          Add
        </button>
      </div>
    </FieldGroup>
  );
}

/** A value as JSON; what cannot be parsed stays in the field and says why. */
export function JsonField({
  label,
  hint,
  error,
  value,
  onChange,
}: {
  readonly label: string;
  readonly hint: string;
  readonly error?: string | undefined;
  readonly value: unknown;
  /** `undefined`: the field is empty. */
  readonly onChange: (value: unknown) => void;
}) {
  const [text, setText] = useState(value === undefined ? '' : JSON.stringify(value, null, 2));
  const [fault, setFault] = useState<string>();
  return (
    <TextField
      label={label}
      hint={hint}
      error={fault ?? error}
      value={text}
      rows={Math.min(16, Math.max(3, text.split('\n').length))}
      code
      onInput={(next) => {
        setText(next);
        try {
          onChange(next.trim() === '' ? undefined : JSON.parse(next));
          setFault(undefined);
        } catch (failed) {
          setFault(failed instanceof Error ? failed.message : String(failed));
        }
      }}
    />
  );
}
