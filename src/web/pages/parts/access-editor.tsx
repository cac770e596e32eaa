import { useState } from 'preact/hooks';
import { Choice, FieldGroup } from '../../parts/fields.tsx';
import { AccessEntry } from './access-entry.tsx';
import { type Entry, standardAcl } from './access-words.ts';
import { useEntryFocus } from './entry-focus.ts';
import type { GroupFormProps } from './group-draft.ts';

/** Who may do what on the devices of a group: the standard list, or one of its own. */
export function AccessEditor({ group: { acl }, onChange, complaint }: GroupFormProps) {
  const { around, onEntry } = useEntryFocus();
  // Whoever looks at the other choice finds the own list again.
  const [left, setLeft] = useState<readonly Entry[]>(standardAcl);
  const put = (entries: readonly Entry[]): void => onChange({ acl: [...entries] });
  const missing = acl ? needed.filter((who) => !acl.some(({ subject }) => subject === who)) : [];
  return (
    <>
      <Choice<'standard' | 'own'>
        label="Access control list"
        value={acl ? 'own' : 'standard'}
        hint={
          acl
            ? 'It takes the place of the standard one, so it has to name the owner and the hub itself.'
            : 'The owner and every hub may do everything, and anybody may discover the device.'
        }
        choices={[
          { value: 'standard', label: 'the standard one' },
          { value: 'own', label: 'one of its own' },
        ]}
        onChange={(kind) => {
          if (kind === 'standard' && acl) setLeft(acl);
          onChange({ acl: kind === 'standard' ? undefined : [...left] });
        }}
      />
      {acl && (
        <FieldGroup legend="Entries" hint={aboutTexts} error={complaint('acl', 'exactly')} around={around}>
          <ol class="entries">
            {acl.map((entry, at) => (
              <AccessEntry
                // Entries have no name of their own, and nothing in them but what they are given.
                key={at}
                entry={entry}
                at={at}
                complaint={(place, how) => complaint(`acl.${at}${place === '' ? '' : `.${place}`}`, how)}
                onChange={(next) => put(acl.map((other, place) => (place === at ? next : other)))}
                onTakeOut={() => {
                  put(acl.filter((_, place) => place !== at));
                  onEntry(at, 'button');
                }}
              />
            ))}
          </ol>
          <div class="entry-new">
            <button
              type="button"
              onClick={() => {
                put([...acl, { subject: 'authenticated', permission: ['retrieve'], resources: [] }]);
                onEntry(acl.length);
              }}
            >
              Add an entry
            </button>
          </div>
          {missing.length > 0 && (
            <p class="note note-warn">
              No entry names {missing.map((who) => (who === 'owner' ? 'the owner' : 'the hub')).join(' or ')}: its
              devices are out of reach for {missing.length > 1 ? 'both' : 'it'}.
            </p>
          )}
        </FieldGroup>
      )}
    </>
  );
}

const needed = ['owner', 'hub'] as const;

const aboutTexts = `In UUIDs, roles and paths, \${device.id}, \${owner.id}, \${hub.id} and \${cert.subject.cn} stand for what each device has.`;
