import { useState } from 'preact/hooks';
import type { DeviceTurn } from '../../../operator/operations.ts';
import type { Device, DeviceState } from '../../../store/model.ts';
import { useApi } from '../../api/context.tsx';
import { ChangeDialog } from '../../parts/change-dialog.tsx';
import { deviceName } from './device-name.ts';
import { TextQuestion } from './text-question.tsx';

interface TurnWords {
  readonly verb: string;
  /** States in which it makes sense. */
  readonly from: readonly DeviceState[];
  readonly danger?: boolean;
  /** Takes devices out of service: of many, how many they are has to be typed. */
  readonly weighty?: boolean;
}

/** What an operator can do to a device with nothing but a reason. */
export const turns: Readonly<Record<DeviceTurn, TurnWords>> = {
  approve: { verb: 'Approve', from: ['pending', 'decommissioned'] },
  reject: { verb: 'Reject', from: ['pending'], danger: true, weighty: true },
  release: { verb: 'Release', from: ['quarantined'] },
  enable: { verb: 'Enable', from: ['disabled'] },
  quarantine: { verb: 'Quarantine', from: ['pending', 'active', 'disabled'], weighty: true },
  disable: { verb: 'Disable', from: ['pending', 'active', 'quarantined'], weighty: true },
  'allow-reset': { verb: 'Allow a factory reset', from: ['active'] },
  'clear-alarms': { verb: 'Clear alarms', from: ['pending', 'active', 'quarantined', 'disabled', 'decommissioned'] },
  decommission: {
    verb: 'Decommission',
    from: ['pending', 'active', 'quarantined', 'disabled'],
    danger: true,
    weighty: true,
  },
};

const fits = (turn: DeviceTurn, { state, alarms, resetAllowed }: Device): boolean =>
  turns[turn].from.includes(state) &&
  (turn !== 'clear-alarms' || alarms.length > 0) &&
  (turn !== 'allow-reset' || !resetAllowed);

/** The buttons of a device; each shows what it would do, and asks why, before it is done. */
export function DeviceActions({ device, onChanged }: { readonly device: Device; readonly onChanged: () => void }) {
  const [action, setAction] = useState<DeviceTurn | 'transfer' | 'rekey'>();
  const more = { device, onDone: onChanged, onClose: () => setAction(undefined) };
  return (
    <>
      {(Object.keys(turns) as DeviceTurn[])
        .filter((turn) => fits(turn, device))
        .map((turn) => (
          <button
            key={turn}
            type="button"
            class={turns[turn].danger ? 'danger' : turn === 'approve' ? 'primary' : undefined}
            onClick={() => setAction(turn)}
          >
            {turns[turn].verb}
          </button>
        ))}
      <button type="button" onClick={() => setAction('transfer')}>
        Transfer
      </button>
      <button type="button" onClick={() => setAction('rekey')}>
        Give to another key
      </button>
      {action === 'transfer' && <TransferDialog {...more} />}
      {action === 'rekey' && <RekeyDialog {...more} />}
      {action !== undefined && action !== 'transfer' && action !== 'rekey' && <TurnDialog turn={action} {...more} />}
    </>
  );
}

interface DialogProps {
  readonly device: Device;
  readonly onDone: () => void;
  readonly onClose: () => void;
}

/**
 * One turn of one device; refused when the device has changed since it was shown, unless `anyRevision`: the record of a device
 * that waits changes each time it comes.
 */
export function TurnDialog({
  turn,
  device,
  anyRevision = false,
  onDone,
  onClose,
}: DialogProps & { readonly turn: DeviceTurn; readonly anyRevision?: boolean }) {
  const api = useApi();
  const { verb, danger = false } = turns[turn];
  const { keyId } = device;
  const revision = anyRevision ? undefined : device.revision;
  return (
    <ChangeDialog
      title={`${verb}: ${deviceName(device)}`}
      verb={verb}
      danger={danger}
      reason="optional"
      change={({ dryRun, reason }) =>
        api.change<Device>('POST', `/devices/${keyId}/${turn}`, { body: { reason }, revision, dryRun })
      }
      onDone={onDone}
      onClose={onClose}
    />
  );
}

function TransferDialog({ device, onDone, onClose }: DialogProps) {
  const api = useApi();
  const [owner, setOwner] = useState<string>();
  if (owner === undefined) {
    return (
      <TextQuestion
        title={`Transfer: ${deviceName(device)}`}
        label="New owner"
        hint="A name, or a UUID. It counts when the device has been provisioned again."
        onAnswer={setOwner}
        onClose={onClose}
      />
    );
  }
  const { keyId, revision } = device;
  return (
    <ChangeDialog
      title={`Transfer to ${owner}: ${deviceName(device)}`}
      verb="Transfer"
      reason="optional"
      change={({ dryRun, reason }) =>
        api.change<Device>('POST', `/devices/${keyId}/transfer`, { body: { owner, reason }, revision, dryRun })
      }
      onDone={onDone}
      onClose={onClose}
    />
  );
}

function RekeyDialog({ device, onDone, onClose }: DialogProps) {
  const api = useApi();
  const [to, setTo] = useState<string>();
  if (to === undefined) {
    return (
      <TextQuestion
        title={`Give to another key: ${deviceName(device)}`}
        label="The other key"
        hint="Key id of the device that came after a repair, or the whole key id of one that has not come yet."
        onAnswer={setTo}
        onClose={onClose}
      />
    );
  }
  const { keyId, revision } = device;
  return (
    <ChangeDialog
      title={`Give ${deviceName(device)} to key ${to}`}
      verb="Give to this key"
      danger
      reason="optional"
      change={({ dryRun, reason }) =>
        api.change<Device>('POST', `/devices/${keyId}/rekey`, { body: { to, reason }, revision, dryRun })
      }
      onDone={onDone}
      onClose={onClose}
    />
  );
}
