import { useState } from 'preact/hooks';
import type { WebhookView } from '../../operator/operations.ts';
import { useApi, useRefreshOn, useResource } from '../api/context.tsx';
import { Badge } from '../parts/badge.tsx';
import { ChangeDialog } from '../parts/change-dialog.tsx';
import { Page, Panel } from '../parts/page.tsx';
import { SimpleTable } from '../parts/simple-table.tsx';
import { count } from '../parts/words.ts';
import { Deliveries } from './parts/deliveries.tsx';
import { Loaded } from './parts/loaded.tsx';
import { WebhookForm } from './parts/webhook-form.tsx';

/** Programs that are told of events by HTTP, and how that goes. */
export function WebhooksPage() {
  const api = useApi();
  const webhooks = useResource<{ readonly items: readonly WebhookView[] }>('/webhooks', undefined, 15_000);
  const [edited, setEdited] = useState<string>();
  const [shown, setShown] = useState<string>();
  const [deleted, setDeleted] = useState<WebhookView['webhook']>();
  useRefreshOn(['webhook', 'attempt.closed'], webhooks.refresh, 3000);
  const found = (id: string | undefined) => webhooks.data?.items.find(({ webhook }) => webhook.id === id);
  const [open, editing] = [found(shown), found(edited)];
  return (
    <Page title="Webhooks" lead="Programs that are told of events. Requests are signed as Standard Webhooks are.">
      <Panel title={editing ? `Change ${editing.webhook.name}` : 'New webhook'}>
        <WebhookForm
          key={edited ?? 'new'}
          webhook={editing?.webhook}
          onSaved={() => {
            setEdited(undefined);
            webhooks.refresh();
          }}
          onCancel={() => setEdited(undefined)}
        />
      </Panel>
      <Panel title="Webhooks that there are">
        <Loaded resource={webhooks}>
          {({ items }) => (
            <SimpleTable
              label="Webhooks"
              heads={['Name', 'URL', 'Events', 'State', 'Waiting', 'Given up', 'Actions']}
              rows={items.map(({ webhook, waiting, dead, lastError }) => ({
                key: webhook.id,
                cells: [
                  webhook.name,
                  webhook.url,
                  webhook.types.length === 0 ? 'all' : webhook.types.join(', '),
                  <>
                    <Badge tone={webhook.enabled ? (lastError ? 'warn' : 'good') : 'quiet'}>
                      {webhook.enabled ? (lastError ? 'failing' : 'enabled') : 'disabled'}
                    </Badge>{' '}
                    {lastError}
                  </>,
                  count(waiting),
                  dead > 0 ? <Badge tone="bad">{count(dead)}</Badge> : '0',
                  <div class="actions">
                    <button
                      type="button"
                      aria-expanded={shown === webhook.id}
                      aria-label={`Deliveries of ${webhook.name}`}
                      onClick={() => setShown(shown === webhook.id ? undefined : webhook.id)}
                    >
                      Deliveries
                    </button>
                    <button type="button" aria-label={`Change ${webhook.name}`} onClick={() => setEdited(webhook.id)}>
                      Change
                    </button>
                    <button
                      type="button"
                      class="danger"
                      aria-label={`Delete ${webhook.name}`}
                      onClick={() => setDeleted(webhook)}
                    >
                      Delete
                    </button>
                  </div>,
                ],
              }))}
              empty={<p>Nobody is told yet. Name a URL above, and choose the events that it wants.</p>}
            />
          )}
        </Loaded>
      </Panel>
      {open && <Deliveries key={open.webhook.id} webhook={open.webhook} onChanged={webhooks.refresh} />}
      {deleted && (
        <ChangeDialog
          title={`Delete webhook ${deleted.name}`}
          verb="Delete"
          danger
          change={({ dryRun }) =>
            api.change<WebhookView>('DELETE', `/webhooks/${deleted.id}`, { dryRun, revision: deleted.revision })
          }
          onDone={webhooks.refresh}
          onClose={() => setDeleted(undefined)}
        />
      )}
    </Page>
  );
}
