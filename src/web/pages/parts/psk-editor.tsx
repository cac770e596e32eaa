import { useState } from 'preact/hooks';
import { Check, FieldGroup, TextField } from '../../parts/fields.tsx';
import { useEntryFocus } from './entry-focus.ts';
import type { WrittenPsk } from './group-draft.ts';

/** Pre-shared keys: those that are there are never shown; a new key replaces one. */
export function PskEditor({
  keys,
  error,
  onChange,
}: {
  readonly keys: readonly WrittenPsk[];
  readonly error?: string | undefined;
  readonly onChange: (keys: readonly WrittenPsk[]) => void;
}) {
  const [identity, setIdentity] = useState('');
  const { around, onEntry } = useEntryFocus();
  const put = (at: number, changes: Partial<WrittenPsk>): void =>
    onChange(keys.map((psk, other) => (other === at ? { ...psk, ...changes } : psk)));
  return (
    <FieldGroup
      legend="Pre-shared keys"
      hint="16 to 64 bytes in hexadecimal. Keys that are there are not shown; leave a field empty to keep its key."
      error={error}
      around={around}
    >
      <ul class="entries">
        {keys.map((psk, at) => (
          <li key={psk.identity}>
            <div class="entry-body">
              <code>{psk.identity}</code>
              <TextField
                label={`Key of ${psk.identity}`}
                type="password"
                value={psk.key ?? ''}
                placeholder={psk.key === null ? 'keep the one that is there' : ''}
                onInput={(key) => put(at, { key: key === '' ? null : key })}
              />
              <Check
                label="It is a master: each device has one derived from it and its identity"
                checked={psk.derived === true}
                onChange={(derived) => put(at, { derived })}
              />
            </div>
            <button
              type="button"
              aria-label={`Take out ${psk.identity}`}
              onClick={() => {
                onChange(keys.filter((_, other) => other !== at));
                onEntry(at, 'button');
              }}
            >
              Take out
            </button>
          </li>
        ))}
      </ul>
      <div class="entry-new">
        <TextField label="New identity (a trailing * stands for any ending)" value={identity} onInput={setIdentity} />
        <button
          type="button"
          disabled={identity.trim() === '' || keys.some((psk) => psk.identity === identity.trim())}
          onClick={() => {
            onChange([...keys, { identity: identity.trim(), key: '' }]);
            setIdentity('');
            onEntry(keys.length);
          }}
        >
          Add
        </button>
      </div>
    </FieldGroup>
  );
}
