import { useState } from 'preact/hooks';
import { Choice, FieldGroup } from '../../parts/fields.tsx';
import { AllocationFields } from './allocation-fields.tsx';
import { useEntryFocus } from './entry-focus.ts';
import type { GroupFormProps } from './group-draft.ts';
import { nameIn, useHubs } from './group-names.ts';

/** Where devices go: hubs in order, and how a device gets its first one. */
export function HubsField(props: GroupFormProps) {
  const {
    group: { hubs },
    onChange,
    complaint,
  } = props;
  const known = useHubs();
  const { around, onEntry, onNew } = useEntryFocus();
  const others = known.filter(({ id }) => !hubs.includes(id));
  const [chosen, setChosen] = useState('');
  const next = others.some(({ id }) => id === chosen) ? chosen : (others[0]?.id ?? '');
  const move = (at: number, by: number): void => {
    const moved = [...hubs];
    const [hub] = moved.splice(at, 1);
    if (hub !== undefined) moved.splice(at + by, 0, hub);
    onChange({ hubs: moved });
    onEntry(at + by, 'button');
  };
  return (
    <>
      <FieldGroup
        legend="Hubs"
        hint="In order of preference. A device gets all of them, one after another."
        error={complaint('hubs')}
        around={around}
      >
        <ol class="entries">
          {hubs.map((id, at) => (
            <li key={id}>
              <div class="entry-body">
                <a href={`/hubs/${id}`}>{nameIn(known, id)}</a>
              </div>
              <button
                type="button"
                disabled={at === 0}
                aria-label={`${nameIn(known, id)}: up`}
                onClick={() => move(at, -1)}
              >
                ↑
              </button>
              <button
                type="button"
                disabled={at === hubs.length - 1}
                aria-label={`${nameIn(known, id)}: down`}
                onClick={() => move(at, 1)}
              >
                ↓
              </button>
              <button
                type="button"
                aria-label={`Take out ${nameIn(known, id)}`}
                onClick={() => {
                  onChange({ hubs: hubs.filter((other) => other !== id) });
                  onEntry(at, 'button');
                }}
              >
                Take out
              </button>
            </li>
          ))}
        </ol>
        {others.length > 0 ? (
          <div class="entry-new">
            <Choice
              label="Another hub"
              value={next}
              choices={others.map(({ id, name }) => ({ value: id, label: name }))}
              onChange={setChosen}
            />
            <button
              type="button"
              onClick={() => {
                onChange({ hubs: [...hubs, next] });
                onNew();
              }}
            >
              Add
            </button>
          </div>
        ) : (
          <p class="hint">
            {known.length === 0 ? 'There is no hub yet: ' : 'All hubs are in the list. '}
            <a href="/new/hub">Make a hub</a>
          </p>
        )}
      </FieldGroup>
      <AllocationFields {...props} known={known} />
    </>
  );
}
