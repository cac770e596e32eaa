import { useState } from 'preact/hooks';
import type { WebhookView } from '../../../operator/operations.ts';
import type { Delivery } from '../../../store/model.ts';
import { useApi, usePages } from '../../api/context.tsx';
import { Badge } from '../../parts/badge.tsx';
import { ChangeDialog } from '../../parts/change-dialog.tsx';
import { DataTable } from '../../parts/data-table.tsx';
import { Check } from '../../parts/fields.tsx';
import { Panel } from '../../parts/page.tsx';
import { Time } from '../../parts/time.tsx';

/** Events on their way to a webhook, and those that were given up. */
export function Deliveries({
  webhook,
  onChanged,
}: {
  readonly webhook: WebhookView['webhook'];
  readonly onChanged: () => void;
}) {
  const api = useApi();
  const [dead, setDead] = useState(false);
  const [again, setAgain] = useState<{ readonly event?: string }>();
  const path = `/webhooks/${webhook.id}`;
  const list = usePages<Delivery>(`${path}/deliveries`, dead ? { dead } : {});
  return (
    <Panel
      title={`Deliveries of ${webhook.name}`}
      actions={
        <button type="button" onClick={() => setAgain({})}>
          Try all dead letters again
        </button>
      }
    >
      <Check label="Only those that were given up" checked={dead} onChange={setDead} />
      <DataTable
        label="Deliveries"
        one="delivery"
        list={list}
        rowKey={({ event }) => event.id}
        columns={[
          { head: 'Event', size: 'medium', cell: ({ event }) => <code>{event.type}</code> },
          { head: 'Happened', size: 'small', cell: ({ event }) => <Time at={event.at} /> },
          { head: 'Tries', size: 'small', align: 'end', cell: ({ attempts }) => attempts },
          {
            head: 'Next try',
            size: 'small',
            cell: ({ dueAt }) => (dueAt === undefined ? <Badge tone="bad">given up</Badge> : <Time at={dueAt} />),
          },
          { head: 'Why it failed', size: 'large', cell: ({ error }) => error },
          {
            head: 'Again',
            size: 'small',
            cell: ({ event, dueAt }) =>
              dueAt === undefined && (
                <button
                  type="button"
                  aria-label={`Try ${event.id} again`}
                  onClick={() => setAgain({ event: event.id })}
                >
                  Try again
                </button>
              ),
          },
        ]}
        empty={<p>{dead ? 'Nothing was given up.' : 'Nothing waits: what happened has been told.'}</p>}
      />
      {again && (
        <ChangeDialog
          title={
            again.event === undefined ? `Try all dead letters of ${webhook.name} again` : `Try ${again.event} again`
          }
          verb="Try again"
          change={({ dryRun }) => api.change<number>('POST', `${path}/redeliver`, { body: again, dryRun })}
          onDone={() => {
            void list.refresh();
            onChanged();
          }}
          onClose={() => setAgain(undefined)}
        />
      )}
    </Panel>
  );
}
