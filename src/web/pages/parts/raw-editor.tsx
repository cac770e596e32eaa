import { useState } from 'preact/hooks';
import { TextField } from '../../parts/fields.tsx';
import { TextBlock } from './text-block.tsx';
import { yamlText } from './yaml-text.ts';

/** The same as text: JSON to edit, and YAML as a policy file has it. */
export function RawEditor({
  value,
  kind,
  onChange,
}: {
  readonly value: object;
  readonly kind: 'groups' | 'hubs';
  /** Undefined: it can only be read. */
  readonly onChange: ((value: Record<string, unknown>) => void) | undefined;
}) {
  const [text, setText] = useState<string>();
  const [fault, setFault] = useState<string>();
  const take = (): void => {
    try {
      const read: unknown = JSON.parse(text ?? '');
      if (typeof read !== 'object' || read === null || Array.isArray(read)) throw new SyntaxError('expected an object');
      onChange?.(read as Record<string, unknown>);
      setText(undefined);
      setFault(undefined);
    } catch (failed) {
      setFault(failed instanceof Error ? failed.message : String(failed));
    }
  };
  return (
    <details class="panel">
      <summary>As text</summary>
      {onChange && (
        <>
          <TextField
            label="JSON, as the API takes it"
            value={text ?? JSON.stringify(value, null, 2)}
            rows={18}
            code
            error={fault}
            onInput={setText}
          />
          <p>
            <button type="button" disabled={text === undefined} onClick={take}>
              Take it into the form
            </button>
          </p>
        </>
      )}
      <h3>YAML, as a policy file has it</h3>
      <TextBlock text={yamlText({ [kind]: [value] })} />
    </details>
  );
}
