import { Choice, FieldGroup, TextField } from '../../parts/fields.tsx';
import { useEntryFocus } from './entry-focus.ts';
import type { GroupFields, GroupFormProps } from './group-draft.ts';
import { type Named, nameIn } from './group-names.ts';
import { type By, selectorChoices } from './list-editors.tsx';

type Allocation = Exclude<NonNullable<GroupFields['allocation']>, string>;
type StaticHub = NonNullable<Allocation['static']>[number];

/** Devices with the hub that is written down for them; of several that fit a device the first counts. */
export function StaticHubs({
  devices,
  hubs,
  known,
  complaint,
  onChange,
}: Pick<GroupFormProps, 'complaint'> & {
  readonly devices: readonly StaticHub[];
  readonly hubs: readonly string[];
  readonly known: readonly Named[];
  readonly onChange: (devices: readonly StaticHub[]) => void;
}) {
  const { around, onEntry } = useEntryFocus();
  return (
    <FieldGroup
      legend="Devices and their hubs"
      hint="The first that fits a device counts; all others go to the first hub of the list."
      error={complaint('allocation.static', 'exactly')}
      around={around}
    >
      <ol class="entries">
        {devices.map((device, at) => (
          <li key={at} class="entry-card">
            <StaticHubFields
              device={device}
              at={at}
              choices={hubs.includes(device.hub) ? hubs : [device.hub, ...hubs]}
              known={known}
              complaint={complaint}
              onChange={(next) => onChange(devices.map((other, place) => (place === at ? next : other)))}
            />
            <div class="actions">
              <button
                type="button"
                disabled={at === 0}
                aria-label={`Entry ${at + 1}: up`}
                onClick={() => {
                  onChange(devices.toSpliced(at - 1, 2, device, ...devices.slice(at - 1, at)));
                  onEntry(at - 1, 'button');
                }}
              >
                ↑
              </button>
              <button
                type="button"
                aria-label={`Take out entry ${at + 1}`}
                onClick={() => {
                  onChange(devices.toSpliced(at, 1));
                  onEntry(at, 'button');
                }}
              >
                Take out
              </button>
            </div>
          </li>
        ))}
      </ol>
      <div class="entry-new">
        <button
          type="button"
          disabled={hubs.length === 0}
          onClick={() => {
            onChange([...devices, { subject: '', hub: hubs[0] ?? '' }]);
            onEntry(devices.length);
          }}
        >
          Add a device
        </button>
      </div>
    </FieldGroup>
  );
}

function StaticHubFields({
  device,
  at,
  choices,
  known,
  complaint,
  onChange,
}: Pick<GroupFormProps, 'complaint'> & {
  readonly device: StaticHub;
  readonly at: number;
  readonly choices: readonly string[];
  readonly known: readonly Named[];
  readonly onChange: (device: StaticHub) => void;
}) {
  const { hub, ...selector } = device;
  const [by = 'subject', value = ''] = Object.entries(selector)[0] ?? [];
  const place = `allocation.static.${at}`;
  return (
    <FieldGroup legend={`Entry ${at + 1}`} error={complaint(place, 'exactly')}>
      <div class="field-row">
        <Choice<By>
          label="Known by"
          value={by as By}
          choices={selectorChoices}
          onChange={(next) => onChange({ [next]: value, hub })}
        />
        <TextField
          label="Which"
          code
          value={value}
          error={complaint(`${place}.${by}`)}
          onInput={(text) => onChange({ [by]: text, hub })}
        />
        <Choice
          label="Its hub"
          value={hub}
          choices={choices.map((id) => ({ value: id, label: nameIn(known, id) }))}
          error={complaint(`${place}.hub`)}
          onChange={(next) => onChange({ ...selector, hub: next })}
        />
      </div>
    </FieldGroup>
  );
}
