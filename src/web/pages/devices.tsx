import { useState } from 'preact/hooks';
import type { DeviceTurn } from '../../operator/operations.ts';
import type { Device } from '../../store/model.ts';
import { useAllowed, usePages, useRefreshOn } from '../api/context.tsx';
import { Badge, StateBadge } from '../parts/badge.tsx';
import { type Column, DataTable } from '../parts/data-table.tsx';
import { Choice } from '../parts/fields.tsx';
import { ChoiceFilter, Filters, TextFilter } from '../parts/filters.tsx';
import { Page } from '../parts/page.tsx';
import { useQuery } from '../parts/query.ts';
import { Subject } from '../parts/subject.tsx';
import { Time } from '../parts/time.tsx';
import { useToasts } from '../parts/toasts.tsx';
import { plural } from '../parts/words.ts';
import { BulkTurnDialog, mostAtATime } from './parts/bulk-turn-dialog.tsx';
import { turns } from './parts/device-actions.tsx';
import { deviceName } from './parts/device-name.ts';
import { nameIn, useGroups, useHubs } from './parts/group-names.ts';

/** All devices: filters and the order are in the address, rows come as they are looked at. */
export function DevicesPage() {
  const [query] = useQuery();
  const { state, group, owner, hub, alarms, text, sort } = query;
  const filters = { state, group, owner, hub, alarms, text };
  const list = usePages<Device>('/devices', { ...filters, sort });
  const groups = useGroups();
  const hubs = useHubs();
  const mayChange = useAllowed('operator');
  const [chosen, setChosen] = useState<ReadonlyMap<string, Device>>(new Map());
  useRefreshOn(['device'], () => void list.refresh(), 3000);
  const flip = (device: Device): void => {
    const next = new Map(chosen);
    if (!next.delete(device.keyId) && next.size < mostAtATime) next.set(device.keyId, device);
    setChosen(next);
  };
  const columns: readonly Column<Device>[] = [
    {
      head: 'Device',
      size: 'large',
      cell: (device) => <Subject text={deviceName(device)} />,
      sort: { by: 'key', order: 'ascending', standard: true },
    },
    ...(mayChange ? [choosing(chosen, flip)] : []),
    {
      head: 'State',
      size: 'small',
      cell: ({ state: now, alarms: open }) => <StateCell state={now} alarms={open.length} />,
    },
    { head: 'Group', size: 'medium', cell: ({ groupId }) => nameIn(groups, groupId) },
    {
      head: 'Seen',
      size: 'time',
      cell: ({ lastSeenAt }) => <Time at={lastSeenAt} />,
      sort: { by: 'seen', order: 'descending' },
    },
    {
      head: 'First seen',
      size: 'time',
      cell: ({ createdAt }) => <Time at={createdAt} />,
      sort: { by: 'created', order: 'descending' },
    },
  ];
  return (
    <Page title="Devices">
      <Filters>
        <ChoiceFilter name="state" label="State" choices={states} />
        <ChoiceFilter name="group" label="Group" choices={groups.map(({ id, name }) => ({ value: id, label: name }))} />
        <ChoiceFilter name="hub" label="Hub" choices={hubs.map(({ id, name }) => ({ value: id, label: name }))} />
        <ChoiceFilter name="alarms" label="Alarms" choices={[{ value: 'true', label: 'With open alarms' }]} />
        <TextFilter name="owner" label="Owner" placeholder="name or id" />
        <TextFilter name="text" label="Subject, id, serial or address" />
      </Filters>
      {chosen.size > 0 && (
        <Chosen
          devices={[...chosen.values()]}
          onClear={() => setChosen(new Map())}
          onDone={() => {
            setChosen(new Map());
            void list.refresh();
          }}
        />
      )}
      <DataTable
        label="Devices"
        one="device"
        columns={columns}
        list={list}
        rowKey={({ keyId }) => keyId}
        href={({ keyId }) => `/devices/${keyId}`}
        empty={
          Object.values(filters).some((filter) => filter !== undefined) ? (
            <p>
              No device fits these filters. Take one out, or search for less
              {text === undefined ? null : (
                <>
                  , or <a href={`/attempts?text=${encodeURIComponent(text)}`}>among the attempts</a>
                </>
              )}
              .
            </p>
          ) : (
            <p>
              No device has come yet. <a href="/groups">Look whether a group would take it</a>; it shows up here by
              itself when it comes, and why it was refused is under <a href="/attempts">Attempts</a>.
            </p>
          )
        }
      />
    </Page>
  );
}

const states = ['pending', 'active', 'quarantined', 'disabled', 'decommissioned'].map((value) => ({
  value,
  label: value,
}));

function StateCell({ state, alarms }: { readonly state: Device['state']; readonly alarms: number }) {
  return (
    <>
      <StateBadge state={state} /> {alarms > 0 && <Badge tone="bad">{plural(alarms, 'alarm')}</Badge>}
    </>
  );
}

const choosing = (chosen: ReadonlyMap<string, Device>, flip: (device: Device) => void): Column<Device> => ({
  head: 'Choose',
  size: 'tiny',
  cell: (device) => (
    <input
      type="checkbox"
      aria-label={`Choose ${deviceName(device)}`}
      checked={chosen.has(device.keyId)}
      onChange={() => flip(device)}
    />
  ),
});

/** What can be done with the devices that are chosen. */
function Chosen({
  devices,
  onClear,
  onDone,
}: {
  readonly devices: readonly Device[];
  readonly onClear: () => void;
  readonly onDone: () => void;
}) {
  const { say } = useToasts();
  const [turn, setTurn] = useState<DeviceTurn>('approve');
  const [asked, setAsked] = useState(false);
  return (
    <section class="panel chosen" aria-label="Chosen devices">
      <p role="status">
        {plural(devices.length, 'device')} chosen{devices.length === mostAtATime && ', which is the most at a time'}
      </p>
      <Choice<DeviceTurn>
        label="Action"
        value={turn}
        choices={(Object.keys(turns) as DeviceTurn[]).map((value) => ({ value, label: turns[value].verb }))}
        onChange={setTurn}
      />
      <button type="button" class="primary" onClick={() => setAsked(true)}>
        See what it would do
      </button>
      <button type="button" onClick={onClear}>
        Choose none
      </button>
      {asked && (
        <BulkTurnDialog
          turn={turn}
          devices={devices}
          onClose={() => setAsked(false)}
          onDone={(summary) => {
            setAsked(false);
            say(summary);
            onDone();
          }}
        />
      )}
    </section>
  );
}
