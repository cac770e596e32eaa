import { useRef, useState } from 'preact/hooks';
import type { DeviceTurn } from '../../operator/operations.ts';
import type { Device } from '../../store/model.ts';
import type { ListAnswer } from '../api/answers.ts';
import { useAllowed, useApi, useRefreshOn, useResource } from '../api/context.tsx';
import { ChangeDialog } from '../parts/change-dialog.tsx';
import { Page } from '../parts/page.tsx';
import { useShortcuts } from '../parts/shortcuts.tsx';
import { useToasts } from '../parts/toasts.tsx';
import { plural } from '../parts/words.ts';
import { BulkTurnDialog, mostAtATime } from './parts/bulk-turn-dialog.tsx';
import { TurnDialog } from './parts/device-actions.tsx';
import { nameIn, useGroups } from './parts/group-names.ts';
import { Loaded } from './parts/loaded.tsx';
import { QueueRow } from './parts/queue-row.tsx';

/** Devices that wait for somebody to let them in, the newest first. They show up and go by themselves. */
export function ApprovalsPage() {
  const waiting = useResource<ListAnswer<Device>>('/devices', {
    state: 'pending',
    sort: 'created',
    limit: mostAtATime,
  });
  useRefreshOn(['device', 'group'], waiting.refresh, 300);
  return (
    <Page title="Approvals" lead="Devices that wait for somebody to let them in.">
      <Loaded resource={waiting}>
        {({ items, next }) =>
          items.length === 0 && next !== null ? (
            <p class="empty">
              Those who wait came before many others: <a href="/devices?state=pending">the list of devices</a> has them.
            </p>
          ) : items.length === 0 ? (
            <div class="empty">
              <p>
                Nobody waits. A device shows up here by itself when it comes to a group with the admission{' '}
                <code>manual</code>: <a href="/groups">look at the groups</a>.
              </p>
            </div>
          ) : (
            <Queue devices={items} more={next !== null} onChanged={waiting.refresh} />
          )
        }
      </Loaded>
    </Page>
  );
}

type Asked =
  | { readonly of: 'one'; readonly turn: 'approve' | 'reject'; readonly device: Device }
  | { readonly of: 'many'; readonly turn: DeviceTurn; readonly devices: readonly Device[] }
  | { readonly of: 'group'; readonly group: string };

interface QueueProps {
  readonly devices: readonly Device[];
  readonly more: boolean;
  readonly onChanged: () => void;
}

function Queue({ devices, more, onChanged }: QueueProps) {
  const api = useApi();
  const { say } = useToasts();
  const mayChange = useAllowed('operator');
  const groups = useGroups();
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [current, setCurrent] = useState<string>();
  const [asked, setAsked] = useState<Asked>();
  const list = useRef<HTMLOListElement>(null);
  const selected = devices.filter(({ keyId }) => chosen.has(keyId));
  const at = Math.max(
    0,
    devices.findIndex(({ keyId }) => keyId === current),
  );

  const walk = (by: number): void => {
    const rows = list.current?.querySelectorAll<HTMLElement>('.queue-row');
    const inside = list.current?.contains(document.activeElement) === true;
    rows?.[inside ? Math.max(0, Math.min(devices.length - 1, at + by)) : at]?.focus();
  };
  const flip = (keyId: string): void => {
    const next = new Set(chosen);
    if (!next.delete(keyId)) next.add(keyId);
    setChosen(next);
  };
  const settled = (): void => {
    setChosen(new Set());
    onChanged();
  };
  /** The one to go on with when a device waits no more. */
  const behind = ({ keyId }: Device): Device | undefined => {
    const place = devices.findIndex((device) => device.keyId === keyId);
    return devices[place + 1] ?? devices[place - 1];
  };
  const turn = (name: 'approve' | 'reject'): void => {
    const device = devices[at];
    if (!mayChange || !device) return;
    if (selected.length > 0) setAsked({ of: 'many', turn: name, devices: selected });
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
            run: () => devices[at] && flip(devices[at].keyId),
          },
        ]
      : []),
  ]);

  const waitingGroups = [...new Set(devices.map(({ groupId }) => groupId))];
  const all = selected.length === devices.length;
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
            <input
              type="checkbox"
              checked={all}
              onChange={() => setChosen(all ? new Set() : new Set(devices.map(({ keyId }) => keyId)))}
            />{' '}
            All {devices.length}
          </label>
          {selected.length > 0 && (
            <>
              <button type="button" class="primary" onClick={() => turn('approve')}>
                Approve {selected.length} chosen
              </button>
              <button type="button" class="danger" onClick={() => turn('reject')}>
                Reject {selected.length} chosen
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
            chosen={chosen.has(device.keyId)}
            actions={
              mayChange
                ? {
                    onChoose: () => flip(device.keyId),
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
            settled();
          }}
          onClose={() => setAsked(undefined)}
        />
      )}
      {asked?.of === 'many' && (
        <BulkTurnDialog
          turn={asked.turn}
          devices={asked.devices}
          onClose={() => setAsked(undefined)}
          onDone={(summary) => {
            say(summary);
            setAsked(undefined);
            settled();
          }}
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
          onDone={settled}
          onClose={() => setAsked(undefined)}
        />
      )}
    </>
  );
}
