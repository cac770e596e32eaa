import { useState } from 'preact/hooks';
import { TextField } from '../../parts/fields.tsx';
import { objectFault } from './json-field.tsx';
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
  /** Takes it, or says why not. Undefined: it can only be read. */
  readonly onChange: ((value: Record<string, unknown>) => Promise<string | undefined>) | undefined;
}) {
  const [text, setText] = useState<string>();
  const [fault, setFault] = useState<string>();
  const take = async (): Promise<void> => {
    const wrong = objectFault(text ?? '') ?? (await onChange?.(JSON.parse(text ?? '') as Record<string, unknown>));
    setFault(wrong);
    if (wrong === undefined) setText(undefined);
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
            <button type="button" disabled={text === undefined} onClick={() => void take()}>
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
