import { useState } from 'preact/hooks';
import type { Device } from '../../store/model.ts';
import { useAllowed, usePages, useRefreshOn } from '../api/context.tsx';
import { Badge, StateBadge } from '../parts/badge.tsx';
import { type Column, DataTable } from '../parts/data-table.tsx';
import { ChoiceFilter, Filters, TextFilter } from '../parts/filters.tsx';
import { Page } from '../parts/page.tsx';
import { useQuery } from '../parts/query.ts';
import { Subject } from '../parts/subject.tsx';
import { Time } from '../parts/time.tsx';
import { plural } from '../parts/words.ts';
import { ChosenDevices } from './parts/chosen-devices.tsx';
import { type DeviceChoice, flipped, isChosen, isNone, noDevices } from './parts/device-choice.ts';
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
  const filtered = Object.values(filters).some((filter) => filter !== undefined);
  const all: DeviceChoice = {
    of: 'all',
    words: filtered ? 'all that fit the filters' : 'all devices',
    filter: filters,
    except: new Set(),
  };
  const [choice, setChosen] = useState<DeviceChoice>(noDevices);
  // All that fit are those that fitted when they were chosen.
  const stale = choice.of === 'all' && JSON.stringify(choice.filter) !== JSON.stringify(filters);
  const chosen = stale ? noDevices : choice;
  useRefreshOn(['device'], () => void list.refresh(), 3000);
  const columns: readonly Column<Device>[] = [
    {
      head: 'Device',
      size: 'large',
      cell: (device) => <Subject text={deviceName(device)} />,
      sort: { by: 'key', order: 'ascending', standard: true },
    },
    ...(mayChange ? [choosing(chosen, (device) => setChosen(flipped(chosen, device)))] : []),
    {
      head: 'State',
      size: 'badges',
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
      {mayChange && (list.count > 0 || !isNone(chosen)) && (
        <ChosenDevices
          choice={chosen}
          all={all}
          size={list.complete ? list.count : undefined}
          onChange={setChosen}
          onDone={() => void list.refresh()}
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
          filtered ? (
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

const choosing = (chosen: DeviceChoice, flip: (device: Device) => void): Column<Device> => ({
  head: 'Choose',
  size: 'choice',
  cell: (device) => (
    <input
      type="checkbox"
      aria-label={`Choose ${deviceName(device)}`}
      checked={isChosen(chosen, device.keyId)}
      onChange={() => flip(device)}
    />
  ),
});
