import { useState } from 'preact/hooks';
import type { Device } from '../../store/model.ts';
import type { ListAnswer } from '../api/answers.ts';
import { useRefreshOn, useResource } from '../api/context.tsx';
import { Page } from '../parts/page.tsx';
import { useToasts } from '../parts/toasts.tsx';
import { ApprovalQueue, type ManyAsked } from './parts/approval-queue.tsx';
import { BulkTurnDialog } from './parts/bulk-turn-dialog.tsx';
import { type DeviceChoice, noDevices } from './parts/device-choice.ts';
import { Loaded } from './parts/loaded.tsx';

/** Devices that wait for somebody to let them in, the newest first. They show up and go by themselves. */
export function ApprovalsPage() {
  const waiting = useResource<ListAnswer<Device>>('/devices', {
    state: 'pending',
    sort: 'created',
    limit: shown,
  });
  const { say } = useToasts();
  const [choice, setChoice] = useState<DeviceChoice>(noDevices);
  // Here and not in the queue, which is gone when nobody waits any more: that may be before all is told.
  const [asked, setAsked] = useState<ManyAsked>();
  useRefreshOn(['device', 'group'], waiting.refresh, 300);
  const settled = (): void => {
    setChoice(noDevices);
    waiting.refresh();
  };
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
            <ApprovalQueue
              devices={items}
              more={next !== null}
              kept={choice}
              onChoose={setChoice}
              onMany={setAsked}
              onChanged={settled}
            />
          )
        }
      </Loaded>
      {asked && (
        <BulkTurnDialog
          {...asked}
          onClose={() => setAsked(undefined)}
          onDone={(summary) => {
            say(summary);
            setAsked(undefined);
            settled();
          }}
        />
      )}
    </Page>
  );
}

/** So many are in the document; there may be more behind them. */
const shown = 200;
