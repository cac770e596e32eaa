import { useState } from 'preact/hooks';
import { Choice, FieldGroup, NumberField, TextField } from '../../parts/fields.tsx';
import type { GroupFields, GroupFormProps } from './group-draft.ts';
import { type Named, nameIn } from './group-names.ts';
import { StaticHubs } from './static-hubs.tsx';

type Allocation = NonNullable<GroupFields['allocation']>;
type Written = Exclude<Allocation, string>;

/** How a device gets the hub that it is sent to first. @param known hubs that there are, for their names */
export function AllocationFields({
  group: { hubs, allocation = 'first' },
  known,
  onChange,
  complaint,
}: GroupFormProps & { readonly known: readonly Named[] }) {
  // Whoever looks at another choice finds this one as it was.
  const [left, setLeft] = useState<Partial<Record<AllocationKind, Allocation>>>({});
  const kind = kindOf(allocation);
  const put = (written: Allocation): void => onChange({ allocation: written });
  return (
    <>
      <Choice<AllocationKind>
        label="Which hub a device is sent to first"
        value={kind}
        choices={kinds}
        error={complaint('allocation', 'exactly')}
        onChange={(next) => {
          setLeft({ ...left, [kind]: allocation });
          put(left[next] ?? beginnings[next](hubs));
        }}
      />
      {typeof allocation === 'object' && allocation.weights && (
        <Weights
          weights={allocation.weights}
          hubs={hubs}
          known={known}
          complaint={complaint}
          onChange={(weights) => put({ weights })}
        />
      )}
      {typeof allocation === 'object' && allocation.static && (
        <StaticHubs
          devices={allocation.static}
          hubs={hubs}
          known={known}
          complaint={complaint}
          onChange={(devices) => put({ static: [...devices] })}
        />
      )}
      {typeof allocation === 'object' && allocation.webhook && (
        <AskedProgram webhook={allocation.webhook} complaint={complaint} onChange={(webhook) => put({ webhook })} />
      )}
    </>
  );
}

function Weights({
  weights,
  hubs,
  known,
  complaint,
  onChange,
}: Pick<GroupFormProps, 'complaint'> & {
  readonly weights: NonNullable<Written['weights']>;
  readonly hubs: readonly string[];
  readonly known: readonly Named[];
  readonly onChange: (weights: NonNullable<Written['weights']>) => void;
}) {
  const all = hubs.reduce((sum, id) => sum + (weights[id] ?? 0), 0);
  const shareOf = (id: string): string =>
    all === 0 ? 'no share yet' : `${Math.round(((weights[id] ?? 0) * 1000) / all) / 10} % of the devices`;
  const without = (id: string) => Object.fromEntries(Object.entries(weights).filter(([other]) => other !== id));
  const gone = Object.keys(weights).filter((id) => !hubs.includes(id));
  return (
    <FieldGroup
      legend="Weights"
      hint="A device's place follows from its key, so more for one hub only moves devices to it. 0: nobody new is sent there."
      error={complaint('allocation.weights', 'exactly')}
    >
      {hubs.map((id) => (
        <NumberField
          key={id}
          label={nameIn(known, id)}
          min={0}
          hint={shareOf(id)}
          value={weights[id]}
          placeholder="0"
          error={complaint(`allocation.weights.${id}`)}
          onInput={(weight) => onChange(weight === undefined ? without(id) : { ...weights, [id]: weight })}
        />
      ))}
      {gone.length > 0 && (
        <ul class="entries">
          {gone.map((id) => (
            <li key={id}>
              <div class="entry-body">
                {nameIn(known, id)}: {weights[id]}
                <span class="hint hint-bad">It is not among the hubs of the group (any more).</span>
              </div>
              <button
                type="button"
                aria-label={`Take out the weight of ${nameIn(known, id)}`}
                onClick={() => onChange(without(id))}
              >
                Take out
              </button>
            </li>
          ))}
        </ul>
      )}
    </FieldGroup>
  );
}

function AskedProgram({
  webhook,
  complaint,
  onChange,
}: Pick<GroupFormProps, 'complaint'> & {
  readonly webhook: NonNullable<Written['webhook']>;
  readonly onChange: (webhook: NonNullable<Written['webhook']>) => void;
}) {
  return (
    <FieldGroup
      legend="Program that is asked"
      hint="It is sent the device by POST and answers one of the group's hubs. While it is down, devices hear 5.03 and try again."
      error={complaint('allocation.webhook', 'exactly')}
    >
      <TextField
        label="URL"
        type="url"
        value={webhook.url}
        error={complaint('allocation.webhook.url')}
        onInput={(url) => onChange({ ...webhook, url })}
      />
      <NumberField
        label="Seconds that its answer may take (optional)"
        min={0.1}
        max={15}
        placeholder="5"
        value={webhook.timeoutSeconds}
        error={complaint('allocation.webhook.timeoutSeconds')}
        onInput={(timeoutSeconds) => {
          const { timeoutSeconds: _, ...rest } = webhook;
          onChange(timeoutSeconds === undefined ? rest : { ...rest, timeoutSeconds });
        }}
      />
      <TextField
        label="File in the secrets folder with its bearer token (optional)"
        value={webhook.secretFile ?? ''}
        error={complaint('allocation.webhook.secretFile')}
        onInput={(secretFile) => {
          const { secretFile: _, ...rest } = webhook;
          onChange(secretFile === '' ? rest : { ...rest, secretFile });
        }}
      />
    </FieldGroup>
  );
}

type AllocationKind = 'first' | 'hashed' | 'weights' | 'static' | 'webhook';

const kinds: readonly { readonly value: AllocationKind; readonly label: string }[] = [
  { value: 'first', label: 'first: the first of the list' },
  { value: 'hashed', label: 'hashed: spread evenly by key' },
  { value: 'weights', label: 'weights: spread by weights' },
  { value: 'static', label: 'static: as written for single devices' },
  { value: 'webhook', label: 'webhook: as a program says' },
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
