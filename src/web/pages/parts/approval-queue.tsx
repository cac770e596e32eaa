import { useRef, useState } from 'preact/hooks';
import type { DeviceTurn } from '../../../operator/operations.ts';
import type { Device } from '../../../store/model.ts';
import { useAllowed, useApi } from '../../api/context.tsx';
import { ChangeDialog } from '../../parts/change-dialog.tsx';
import { useShortcuts } from '../../parts/shortcuts.tsx';
import { plural } from '../../parts/words.ts';
import { TurnDialog } from './device-actions.tsx';
import { type DeviceChoice, flipped, isChosen, isNone, noDevices } from './device-choice.ts';
import { nameIn, useGroups } from './group-names.ts';
import { QueueRow } from './queue-row.tsx';

type Asked =
  | { readonly of: 'one'; readonly turn: 'approve' | 'reject'; readonly device: Device }
  | { readonly of: 'group'; readonly group: string };

/** Something to be done with many of them. */
export interface ManyAsked {
  readonly turn: DeviceTurn;
  readonly choice: DeviceChoice;
}

interface ApprovalQueueProps {
  readonly devices: readonly Device[];
  /** There are others behind these. */
  readonly more: boolean;
  readonly kept: DeviceChoice;
  readonly onChoose: (choice: DeviceChoice) => void;
  readonly onMany: (asked: ManyAsked) => void;
  readonly onChanged: () => void;
}

/** Those that wait, one below the other, to be let in or turned away one by one, several at a time, or all. */
export function ApprovalQueue({ devices, more, kept, onChoose, onMany, onChanged }: ApprovalQueueProps) {
  const api = useApi();
  const mayChange = useAllowed('operator');
  const groups = useGroups();
  const [current, setCurrent] = useState<string>();
  const [asked, setAsked] = useState<Asked>();
  const list = useRef<HTMLOListElement>(null);
  // Who waits no more is not chosen any more.
  const chosen: DeviceChoice = kept.of === 'all' ? kept : someOf(devices.filter(({ keyId }) => isChosen(kept, keyId)));
  const at = Math.max(
    0,
    devices.findIndex(({ keyId }) => keyId === current),
  );

  const walk = (by: number): void => {
    const rows = list.current?.querySelectorAll<HTMLElement>('.queue-row');
    const inside = list.current?.contains(document.activeElement) === true;
    rows?.[inside ? Math.max(0, Math.min(devices.length - 1, at + by)) : at]?.focus();
  };
  const flip = (device: Device): void => onChoose(flipped(chosen, device));
  /** The one to go on with when a device waits no more. */
  const behind = ({ keyId }: Device): Device | undefined => {
    const place = devices.findIndex((device) => device.keyId === keyId);
    return devices[place + 1] ?? devices[place - 1];
  };
  const turn = (name: 'approve' | 'reject'): void => {
    const device = devices[at];
    if (!mayChange || !device) return;
    if (!isNone(chosen)) onMany({ turn: name, choice: chosen });
    else setAsked({ of: 'one', turn: name, device });
  };
  useShortcuts([
    { keys: 'j', label: 'Next device', run: () => walk(1) },
    { keys: 'k', label: 'Device before', run: () => walk(-1) },
    ...(mayChange
      ? [
          { keys: 'a', label: 'Approve', run: () => turn('approve') },
          { keys: 'r', label: 'Reject', run: () => turn('reject') },
          {
            keys: 'x',
            label: 'Choose, to approve or reject several',
            run: () => devices[at] && flip(devices[at]),
          },
        ]
      : []),
  ]);

  const waitingGroups = [...new Set(devices.map(({ groupId }) => groupId))];
  const all = devices.every(({ keyId }) => isChosen(chosen, keyId));
  const many = wordsOf(chosen);
  return (
    <>
      <p class="muted" role="status">
        {plural(devices.length, 'device')}
        {more ? ', and more behind them' : ''}.
        <span class="keys">
          {' '}
          Keys: <kbd>j</kbd> <kbd>k</kbd> move
          {mayChange && (
            <>
              , <kbd>a</kbd> approve, <kbd>r</kbd> reject, <kbd>x</kbd> choose several
            </>
          )}
          .
        </span>
      </p>
      {mayChange && (
        <div class="queue-actions">
          <label class="choice">
            <input type="checkbox" checked={all} onChange={() => onChoose(all ? noDevices : someOf(devices))} /> All{' '}
            {devices.length}
          </label>
          {more && (
            <button type="button" onClick={() => onChoose(chosen.of === 'all' ? noDevices : everybody)}>
              {chosen.of === 'all' ? 'Choose none' : 'Choose all that wait'}
            </button>
          )}
          {!isNone(chosen) && (
            <>
              <button type="button" class="primary" onClick={() => turn('approve')}>
                Approve {many}
              </button>
              <button type="button" class="danger" onClick={() => turn('reject')}>
                Reject {many}
              </button>
            </>
          )}
          {waitingGroups.map((group) => (
            <button key={group} type="button" onClick={() => setAsked({ of: 'group', group })}>
              Approve all of {nameIn(groups, group)}
            </button>
          ))}
        </div>
      )}
      <ol
        class="queue"
        ref={list}
        aria-label="Devices that wait"
        onKeyDown={(event) => {
          const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
          if (by === undefined) return;
          event.preventDefault();
          walk(by);
        }}
      >
        {devices.map((device, index) => (
          <QueueRow
            key={device.keyId}
            device={device}
            group={nameIn(groups, device.groupId)}
            current={index === at}
            chosen={isChosen(chosen, device.keyId)}
            actions={
              mayChange
                ? {
                    onChoose: () => flip(device),
                    onApprove: () => setAsked({ of: 'one', turn: 'approve', device }),
                    onReject: () => setAsked({ of: 'one', turn: 'reject', device }),
                  }
                : undefined
            }
            onFocus={() => setCurrent(device.keyId)}
          />
        ))}
      </ol>
      {asked?.of === 'one' && (
        <TurnDialog
          turn={asked.turn}
          device={asked.device}
          anyRevision
          onDone={() => {
            setCurrent(behind(asked.device)?.keyId);
            onChanged();
          }}
          onClose={() => setAsked(undefined)}
        />
      )}
      {asked?.of === 'group' && (
        <ChangeDialog
          title={`Approve all of ${nameIn(groups, asked.group)}`}
          verb="Approve all"
          reason="optional"
          change={({ dryRun, reason }) =>
            api.change<readonly string[]>('POST', `/groups/${asked.group}/approve`, { body: { reason }, dryRun })
          }
          onDone={onChanged}
          onClose={() => setAsked(undefined)}
        />
      )}
    </>
  );
}

const someOf = (devices: readonly Device[]): DeviceChoice => ({
  of: 'some',
  devices: new Map(devices.map((device) => [device.keyId, device])),
});

function wordsOf(choice: DeviceChoice): string {
  if (choice.of === 'some') return `${choice.devices.size} chosen`;
  return choice.except.size === 0 ? choice.words : `${choice.words}, but for ${choice.except.size}`;
}

const everybody: DeviceChoice = { of: 'all', words: 'all that wait', filter: { state: 'pending' }, except: new Set() };
