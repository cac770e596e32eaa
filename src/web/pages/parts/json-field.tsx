import { useState } from 'preact/hooks';
import { TextField } from '../../parts/fields.tsx';
import { jsonFault } from './json-fault.ts';

/** An object as JSON; what cannot be read stays in the field, says where and why, and holds up saving. */
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
  readonly value: Readonly<Record<string, unknown>> | undefined;
  /** `undefined`: the field is empty. */
  readonly onChange: (value: Readonly<Record<string, unknown>> | undefined) => void;
}) {
  const [text, setText] = useState(value === undefined ? '' : JSON.stringify(value, null, 2));
  const fault = text.trim() === '' ? undefined : objectFault(text);
  return (
    <TextField
      label={label}
      hint={hint}
      error={error}
      fault={fault}
      value={text}
      rows={Math.min(16, Math.max(4, text.split('\n').length))}
      code
      onInput={(next) => {
        setText(next);
        if (next.trim() === '') onChange(undefined);
        else if (objectFault(next) === undefined) onChange(JSON.parse(next) as Readonly<Record<string, unknown>>);
      }}
    />
  );
}

/** Why a text is no JSON object, with line and column. */
export const objectFault = (text: string): string | undefined =>
  jsonFault(text) ?? (text.trim().startsWith('{') ? undefined : 'line 1, column 1: expected an object: { … }');
