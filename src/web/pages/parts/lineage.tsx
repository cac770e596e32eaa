import type { Device } from '../../../store/model.ts';
import { Time } from '../../parts/time.tsx';
import { Evidence } from './evidence.tsx';

/** What a device has been through, newest first. */
export function Lineage({ device }: { readonly device: Pick<Device, 'lineage'> }) {
  if (device.lineage.length === 0) return <p class="empty">Nothing is on record yet.</p>;
  return (
    <ol class="timeline" reversed aria-label="Lineage">
      {device.lineage.toReversed().map(({ at, event, facts }) => (
        <li key={`${at} ${event} ${JSON.stringify(facts)}`} class="timeline-entry">
          <span class="timeline-time">
            <Time at={at} />
          </span>
          <div class="timeline-body">
            <strong>{eventNames[event]}</strong>
            <Evidence facts={facts} />
          </div>
        </li>
      ))}
    </ol>
  );
}

const eventNames: Readonly<Record<Device['lineage'][number]['event'], string>> = {
  enrolled: 'first seen',
  generation: 'a new device id (factory reset)',
  key: 'goes on from another key',
  state: 'state changed',
  group: 'group changed',
  owner: 'owner changed',
};
