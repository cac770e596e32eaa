import type { ComponentChildren } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { Choice, TextField } from './fields.tsx';
import { useQuery } from './query.ts';

/** Controls above a list; each is a part of the address. */
export function Filters({ children }: { readonly children: ComponentChildren }) {
  return (
    <search class="filters" aria-label="Filter">
      {children}
    </search>
  );
}

/** Free text: into the address when the typing stops. */
export function TextFilter({ name, label, placeholder }: { name: string; label: string; placeholder?: string }) {
  const [query, change] = useQuery();
  const present = query[name] ?? '';
  const [text, setText] = useState(present);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  // At once: after a paint it would take back what was typed since.
  useLayoutEffect(() => setText(present), [present]);
  useEffect(() => () => clearTimeout(timer.current), []);
  return (
    <TextField
      type="search"
      label={label}
      value={text}
      {...(placeholder !== undefined && { placeholder })}
      onInput={(value) => {
        setText(value);
        clearTimeout(timer.current);
        timer.current = setTimeout(() => change({ [name]: value }), 250);
      }}
    />
  );
}

/** One of a few, or any. */
export function ChoiceFilter({
  name,
  label,
  any = 'Any',
  choices,
}: {
  name: string;
  label: string;
  /** What it is called when nothing is chosen. */
  any?: string;
  choices: readonly { readonly value: string; readonly label: string }[];
}) {
  const [query, change] = useQuery();
  return (
    <Choice
      label={label}
      value={query[name] ?? ''}
      choices={[{ value: '', label: any }, ...choices]}
      onChange={(value) => change({ [name]: value })}
    />
  );
}
