import { useAllowed, useRefreshOn, useResource } from '../api/context.tsx';
import { Badge } from '../parts/badge.tsx';
import { Page } from '../parts/page.tsx';
import { SimpleTable } from '../parts/simple-table.tsx';
import { count } from '../parts/words.ts';
import type { WrittenGroup } from './parts/group-draft.ts';
import { Loaded } from './parts/loaded.tsx';

interface Row {
  readonly group: WrittenGroup;
  readonly devices: Readonly<Record<string, number>>;
}

/** The enrollment groups: whose devices come in where, and how many have. */
export function GroupsPage() {
  const groups = useResource<{ readonly items: readonly Row[] }>('/groups');
  const admin = useAllowed('admin');
  useRefreshOn(['group', 'policy', 'device'], groups.refresh, 5000);
  return (
    <Page
      title="Groups"
      lead="Which devices may come in, and what they get."
      actions={
        admin && (
          <a class="button primary" href="/new/group">
            New group
          </a>
        )
      }
    >
      <Loaded resource={groups}>
        {({ items }) => (
          <SimpleTable
            label="Groups"
            heads={['Group', 'Owner', 'Admission', 'Active', 'Waiting', 'Held', 'Written']}
            rows={items
              .toSorted((a, b) => a.group.name.localeCompare(b.group.name))
              .map((row) => ({ key: row.group.id ?? row.group.name, cells: cellsOf(row) }))}
            empty={
              <p>
                There is no group yet, so nobody comes in.{' '}
                {admin ? <a href="/new/group">Make the first one</a> : 'Somebody with the role admin can make one.'}
              </p>
            }
          />
        )}
      </Loaded>
    </Page>
  );
}

function cellsOf({ group: { id, name, owner, admission, enabled, source }, devices }: Row) {
  const number = (state: string) => {
    const many = devices[state] ?? 0;
    return many === 0 ? '0' : <a href={`/devices?group=${id}&state=${state}`}>{count(many)}</a>;
  };
  const held = (devices.quarantined ?? 0) + (devices.disabled ?? 0);
  return [
    <>
      <a href={`/groups/${id}`}>{name}</a> {enabled === false && <Badge tone="bad">disabled</Badge>}
    </>,
    owner,
    admission ?? 'auto',
    number('active'),
    number('pending'),
    count(held),
    source === 'file' ? 'in a file' : 'here',
  ];
}
