import type { Device } from '../../../store/model.ts';
import { ShortId } from '../../parts/short-id.tsx';
import { Time } from '../../parts/time.tsx';
import { deviceName } from './device-name.ts';

/** A device that waits: who it says it is, and what can be done about it. Rows are walked with arrows or j and k. */
export function QueueRow({
  device,
  group,
  current,
  chosen,
  actions,
  onFocus,
}: {
  readonly device: Device;
  readonly group: string;
  readonly current: boolean;
  readonly chosen: boolean;
  readonly actions:
    | { readonly onChoose: () => void; readonly onApprove: () => void; readonly onReject: () => void }
    | undefined;
  readonly onFocus: () => void;
}) {
  const name = deviceName(device);
  const { keyId, groupId, manufacturer, createdAt, lastPeer } = device;
  return (
    <li class={`queue-row${chosen ? ' chosen' : ''}`} tabIndex={current ? 0 : -1} onFocusIn={onFocus}>
      {actions && <input type="checkbox" aria-label={`Choose ${name}`} checked={chosen} onChange={actions.onChoose} />}
      <div class="queue-facts">
        <a href={`/devices/${keyId}`}>{name}</a>
        <p class="muted">
          {manufacturer.serial && `serial ${manufacturer.serial}, `}group <a href={`/groups/${groupId}`}>{group}</a>,
          first seen <Time at={createdAt} />
          {lastPeer && `, last from ${lastPeer}`}
        </p>
        <p class="muted">
          key <ShortId id={keyId} />
        </p>
      </div>
      {actions && (
        <div class="queue-buttons">
          <button type="button" class="primary" aria-label={`Approve ${name}`} onClick={actions.onApprove}>
            Approve
          </button>
          <button type="button" class="danger" aria-label={`Reject ${name}`} onClick={actions.onReject}>
            Reject
          </button>
        </div>
      )}
    </li>
  );
}
