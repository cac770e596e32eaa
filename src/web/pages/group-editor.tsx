import { useMemo, useState } from 'preact/hooks';
import { useLocation, useRoute } from 'preact-iso/router';
import { useAllowed, useApi, useConnection, useRefreshOn, useResource } from '../api/context.tsx';
import { Badge } from '../parts/badge.tsx';
import { ChangeDialog } from '../parts/change-dialog.tsx';
import { Page } from '../parts/page.tsx';
import { AccessLists } from './parts/access-lists.tsx';
import { emptyGroup, fieldsOf, type GroupFields, type WrittenGroup } from './parts/group-draft.ts';
import { GroupForm } from './parts/group-form.tsx';
import { Loaded } from './parts/loaded.tsx';
import { PolicyEditor } from './parts/policy-editor.tsx';
import { PolicyReplay } from './parts/policy-replay.tsx';
import { type Draft, useDraft } from './parts/use-draft.ts';

interface View {
  readonly group: WrittenGroup;
  readonly devices: Readonly<Record<string, number>>;
}

/** A group: what it says, and what changing it would do. */
export function GroupEditorPage() {
  const which = useRoute().params.group;
  return which === undefined ? <NewGroup /> : <KnownGroup key={which} which={which} />;
}

function NewGroup() {
  const { session } = useConnection();
  const { route } = useLocation();
  const read = useMemo(
    () => ({ fields: session.ownerId ? { ...emptyGroup, owner: session.ownerId } : emptyGroup, revision: undefined }),
    [session],
  );
  const draft = useDraft<GroupFields>(read);
  return (
    <Page title="New group" lead="Nobody comes in by it before it is saved.">
      {draft && (
        <Editor draft={draft} path={undefined} readOnly={undefined} onSaved={({ id }) => route(`/groups/${id}`)} />
      )}
    </Page>
  );
}

function KnownGroup({ which }: { readonly which: string }) {
  const path = `/groups/${encodeURIComponent(which)}`;
  const view = useResource<View>(path);
  const { route } = useLocation();
  const admin = useAllowed('admin');
  const [deleting, setDeleting] = useState(false);
  useRefreshOn(['group', 'policy', 'device'], view.refresh, 3000);
  const group = view.data?.group;
  const read = useMemo(() => group && { fields: fieldsOf(group), revision: group.revision }, [group]);
  const draft = useDraft<GroupFields>(read);
  const readOnly =
    group?.source === 'file'
      ? 'It is written in a configuration file: change the file; the service takes it up by itself within seconds, or at a reload. Long lists can be changed here.'
      : admin
        ? undefined
        : 'Changing groups takes the role admin.';
  return (
    <Page
      title={group ? group.name : 'Group'}
      lead={view.data && <Lead view={view.data} />}
      actions={
        draft && readOnly === undefined ? (
          <button type="button" class="danger" onClick={() => setDeleting(true)}>
            Delete
          </button>
        ) : undefined
      }
    >
      <Loaded resource={view}>
        {() =>
          draft && (
            <>
              <Editor draft={draft} path={path} readOnly={readOnly} onSaved={view.refresh} />
              <AccessLists group={path} />
            </>
          )
        }
      </Loaded>
      {deleting && group && (
        <DeleteDialog group={group} path={path} onClose={() => setDeleting(false)} onDone={() => route('/groups')} />
      )}
    </Page>
  );
}

function Lead({ view: { group, devices } }: { readonly view: View }) {
  const all = Object.entries(devices).filter(([, number]) => number > 0);
  return (
    <p>
      {group.enabled === false && <Badge tone="bad">disabled</Badge>}{' '}
      {group.source === 'file' && <Badge>from a file</Badge>}{' '}
      {all.length === 0
        ? 'no devices yet'
        : all.map(([state, number], at) => (
            <>
              {at > 0 && ', '}
              <a href={`/devices?group=${group.id}&state=${state}`}>
                {number} {state}
              </a>
            </>
          ))}
    </p>
  );
}

function DeleteDialog({
  group,
  path,
  onDone,
  onClose,
}: {
  readonly group: WrittenGroup;
  readonly path: string;
  readonly onDone: () => void;
  readonly onClose: () => void;
}) {
  const api = useApi();
  return (
    <ChangeDialog
      title={`Delete group ${group.name}`}
      verb="Delete"
      danger
      change={({ dryRun }) => api.change<WrittenGroup>('DELETE', path, { dryRun, revision: group.revision })}
      onDone={onDone}
      onClose={onClose}
    />
  );
}

function Editor({
  draft,
  ...rest
}: {
  readonly draft: Draft<GroupFields>;
  readonly path: string | undefined;
  readonly readOnly: string | undefined;
  readonly onSaved: (group: WrittenGroup) => void;
}) {
  const { fields } = draft;
  return (
    <PolicyEditor
      {...rest}
      kind="group"
      draft={draft}
      fieldsOf={fieldsOf}
      form={({ edit, complaint }) => <GroupForm group={fields} onChange={edit} complaint={complaint} />}
      foresight={<PolicyReplay group={fields} />}
    />
  );
}
