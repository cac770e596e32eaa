import { useState } from 'preact/hooks';
import { Choice, TextField } from '../../parts/fields.tsx';
import type { ChangeGroup, GroupFields } from './group-draft.ts';
import { nameIn, useHubs } from './group-names.ts';
import { FieldGroup, JsonField } from './list-editors.tsx';

/** Where devices go: hubs in order, and how a device gets its first one. */
export function HubsField({
  group: { hubs, allocation = 'first' },
  onChange,
  complaint,
}: {
  readonly group: GroupFields;
  readonly onChange: ChangeGroup;
  readonly complaint: (field: string) => string | undefined;
}) {
  const known = useHubs();
  const others = known.filter(({ id }) => !hubs.includes(id));
  const [chosen, setChosen] = useState('');
  const next = others.some(({ id }) => id === chosen) ? chosen : (others[0]?.id ?? '');
  const move = (at: number, by: number): void => {
    const moved = [...hubs];
    const [hub] = moved.splice(at, 1);
    if (hub !== undefined) moved.splice(at + by, 0, hub);
    onChange({ hubs: moved });
  };
  return (
    <>
      <FieldGroup
        legend="Hubs"
        hint="In order of preference. A device gets all of them, one after another."
        error={complaint('hubs')}
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
                onClick={() => onChange({ hubs: hubs.filter((other) => other !== id) })}
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
            <button type="button" onClick={() => onChange({ hubs: [...hubs, next] })}>
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
      <Choice<AllocationKind>
        label="Which hub a device is sent to first"
        value={kindOf(allocation)}
        choices={kinds}
        error={complaint('allocation')}
        onChange={(kind) => onChange({ allocation: beginnings[kind](hubs) })}
      />
      {typeof allocation === 'object' && allocation.weights && (
        <FieldGroup legend="Weights" hint="A device's place follows from its key. 0: nobody new is sent there.">
          {hubs.map((id) => (
            <TextField
              key={id}
              label={nameIn(known, id)}
              type="number"
              value={String(allocation.weights?.[id] ?? 0)}
              onInput={(text) => onChange({ allocation: { weights: { ...allocation.weights, [id]: Number(text) } } })}
            />
          ))}
        </FieldGroup>
      )}
      {typeof allocation === 'object' && allocation.static && (
        <JsonField
          label="Devices and their hubs, as JSON"
          hint='[{"serial": "0a1b", "hub": "<id>"}], by key, serial or subject; all others go to the first hub.'
          value={allocation.static}
          onChange={(value) => Array.isArray(value) && onChange({ allocation: { static: value } })}
        />
      )}
      {typeof allocation === 'object' && allocation.webhook && (
        <FieldGroup legend="Program that is asked">
          <TextField
            label="URL"
            type="url"
            value={allocation.webhook.url}
            onInput={(url) => onChange({ allocation: { webhook: { ...allocation.webhook, url } } })}
          />
          <TextField
            label="File in the secrets folder with its bearer token (optional)"
            value={allocation.webhook.secretFile ?? ''}
            onInput={(text) => {
              const { secretFile: _, ...webhook } = allocation.webhook ?? { url: '' };
              onChange({ allocation: { webhook: text === '' ? webhook : { ...webhook, secretFile: text } } });
            }}
          />
        </FieldGroup>
      )}
    </>
  );
}

type Allocation = NonNullable<GroupFields['allocation']>;
type AllocationKind = 'first' | 'hashed' | 'weights' | 'static' | 'webhook';

const kinds: readonly { readonly value: AllocationKind; readonly label: string }[] = [
  { value: 'first', label: 'the first of the list' },
  { value: 'hashed', label: 'spread evenly by key' },
  { value: 'weights', label: 'spread by weights' },
  { value: 'static', label: 'as written for single devices' },
  { value: 'webhook', label: 'as a program says' },
];

const kindOf = (allocation: Allocation): AllocationKind =>
  typeof allocation === 'string'
    ? allocation
    : allocation.weights
      ? 'weights'
      : allocation.static
        ? 'static'
        : 'webhook';

const beginnings: Readonly<Record<AllocationKind, (hubs: readonly string[]) => Allocation>> = {
  first: () => 'first',
  hashed: () => 'hashed',
  weights: (hubs) => ({ weights: Object.fromEntries(hubs.map((id) => [id, 1])) }),
  static: () => ({ static: [] }),
  webhook: () => ({ webhook: { url: 'https://' } }),
};
