import { useAllowed, useRefreshOn, useResource } from '../api/context.tsx';
import { Page } from '../parts/page.tsx';
import { SimpleTable } from '../parts/simple-table.tsx';
import { count } from '../parts/words.ts';
import type { WrittenHub } from './parts/hub-draft.ts';
import { Loaded } from './parts/loaded.tsx';

interface Row {
  readonly hub: WrittenHub;
  readonly groups: number;
  readonly devices: number;
}

/** The clouds that devices are sent to. */
export function HubsPage() {
  const hubs = useResource<{ readonly items: readonly Row[] }>('/hubs');
  const admin = useAllowed('admin');
  useRefreshOn(['hub', 'policy'], hubs.refresh, 5000);
  return (
    <Page
      title="Hubs"
      lead="The clouds that devices are sent to."
      actions={
        admin && (
          <a class="button primary" href="/new/hub">
            New hub
          </a>
        )
      }
    >
      <Loaded resource={hubs}>
        {({ items }) => (
          <SimpleTable
            label="Hubs"
            heads={['Hub', 'Gateways', 'Tokens', 'Groups', 'Devices', 'Written']}
            rows={items.map(({ hub: { id = '', name, gateways, oauth, source }, groups, devices }) => ({
              key: id,
              cells: [
                <a href={`/hubs/${id}`}>{name ?? id}</a>,
                gateways.join(', '),
                oauth ? oauth.authority : 'built-in issuer',
                count(groups),
                <a href={`/devices?hub=${id}`}>{count(devices)}</a>,
                source === 'file' ? 'in a file' : 'here',
              ],
            }))}
            empty={
              <p>
                There is no hub yet, so no group can send devices anywhere.{' '}
                {admin ? <a href="/new/hub">Make the first one</a> : 'Somebody with the role admin can make one.'}
              </p>
            }
          />
        )}
      </Loaded>
    </Page>
  );
}
