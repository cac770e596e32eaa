import type { ComponentChildren, RefObject } from 'preact';
import { useEffect, useId, useRef, useState } from 'preact/hooks';

interface FieldProps {
  readonly label: string;
  readonly hint?: ComponentChildren;
  /** What is wrong with it. */
  readonly error?: string | undefined;
}

export interface TextFieldProps extends FieldProps {
  readonly value: string;
  readonly onInput: (value: string) => void;
  readonly type?: 'text' | 'password' | 'search' | 'url' | 'number' | 'date';
  readonly required?: boolean;
  readonly placeholder?: string;
  readonly autocomplete?: 'off' | 'current-password';
  /** More than one: a text area. */
  readonly rows?: number;
  /** In letters of one width: PEM, JSON. */
  readonly code?: boolean;
  /** What the page finds wrong with it by itself: nothing is sent like that. */
  readonly fault?: string | undefined;
  readonly min?: number;
  readonly max?: number;
}

export function TextField({
  label,
  hint,
  error,
  value,
  onInput,
  type = 'text',
  required = false,
  placeholder,
  autocomplete = 'off',
  rows = 1,
  code = false,
  fault,
  min,
  max,
}: TextFieldProps) {
  const id = useId();
  const control = useRef<HTMLInputElement & HTMLTextAreaElement>(null);
  useEffect(() => control.current?.setCustomValidity(fault ?? ''), [fault]);
  const wrong = fault ?? error;
  const common = {
    id,
    value,
    required,
    placeholder,
    autocomplete,
    spellcheck: false,
    class: code ? 'code' : '',
    'aria-invalid': wrong === undefined ? undefined : true,
    'aria-describedby': hint === undefined && wrong === undefined ? undefined : `${id}-about`,
    ref: control,
  } as const;
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {rows > 1 ? (
        <textarea {...common} rows={rows} onInput={(event) => onInput(event.currentTarget.value)} />
      ) : (
        <input
          {...common}
          type={type as 'text'}
          {...(type === 'number' && { min, max, step: 'any' })}
          onInput={(event) => onInput(event.currentTarget.value)}
        />
      )}
      <About id={id} hint={hint} error={wrong} />
    </div>
  );
}

/** A number; undefined: the field is empty. What is half written stays as it stands there. */
export function NumberField({
  value,
  onInput,
  ...field
}: Omit<TextFieldProps, 'value' | 'onInput' | 'type' | 'rows' | 'code'> & {
  readonly value: number | undefined;
  readonly onInput: (value: number | undefined) => void;
}) {
  const [text, setText] = useState('');
  const read = (written: string): number | undefined => (written === '' ? undefined : Number(written));
  return (
    <TextField
      {...field}
      type="number"
      value={read(text) === value ? text : String(value ?? '')}
      onInput={(next) => {
        setText(next);
        onInput(read(next));
      }}
    />
  );
}

export interface ChoiceProps<V extends string> extends FieldProps {
  readonly value: V;
  readonly choices: readonly { readonly value: V; readonly label: string }[];
  readonly onChange: (value: V) => void;
}

export function Choice<V extends string>({ label, hint, error, value, choices, onChange }: ChoiceProps<V>) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select
        id={id}
        value={value}
        aria-invalid={error === undefined ? undefined : true}
        aria-describedby={hint === undefined && error === undefined ? undefined : `${id}-about`}
        onChange={(event) => {
          const chosen = choices.find((choice) => choice.value === event.currentTarget.value);
          if (chosen) onChange(chosen.value);
        }}
      >
        {choices.map((choice) => (
          <option key={choice.value} value={choice.value} selected={choice.value === value}>
            {choice.label}
          </option>
        ))}
      </select>
      <About id={id} hint={hint} error={error} />
    </div>
  );
}

export interface CheckProps extends FieldProps {
  readonly checked: boolean;
  readonly onChange: (checked: boolean) => void;
}

export function Check({ label, hint, checked, onChange }: CheckProps) {
  const id = useId();
  return (
    <div class="field field-check">
      <input
        id={id}
        type="checkbox"
        checked={checked}
        aria-describedby={hint === undefined ? undefined : `${id}-about`}
        onChange={(event) => onChange(event.currentTarget.checked)}
      />
      <label for={id}>{label}</label>
      <About id={id} hint={hint} error={undefined} />
    </div>
  );
}

/** A group of fields with a name, and what is wrong with them as a whole. */
export function FieldGroup({
  legend,
  hint,
  error,
  around,
  children,
}: {
  readonly legend: string;
  readonly hint?: ComponentChildren;
  readonly error?: string | undefined;
  /** Of a list that keeps the focus. */
  readonly around?: RefObject<HTMLFieldSetElement | null>;
  readonly children: ComponentChildren;
}) {
  const id = useId();
  return (
    <fieldset
      class="field-group"
      {...(around && { ref: around })}
      aria-describedby={hint === undefined && error === undefined ? undefined : id}
    >
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

function About({ id, hint, error }: { id: string; hint: ComponentChildren; error: string | undefined }) {
  if (hint === undefined && error === undefined) return null;
  return (
    <p id={`${id}-about`} class={error === undefined ? 'hint' : 'hint hint-bad'}>
      {error ?? hint}
    </p>
  );
}
