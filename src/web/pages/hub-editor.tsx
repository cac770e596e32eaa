import { useMemo, useState } from 'preact/hooks';
import { useLocation, useRoute } from 'preact-iso/router';
import { useAllowed, useApi, useConnection, useRefreshOn, useResource } from '../api/context.tsx';
import { ChangeDialog } from '../parts/change-dialog.tsx';
import { Page, Panel } from '../parts/page.tsx';
import { ShortId } from '../parts/short-id.tsx';
import { type HubFields, hubFieldsOf, type WrittenHub } from './parts/hub-draft.ts';
import { HubForm } from './parts/hub-form.tsx';
import { Loaded } from './parts/loaded.tsx';
import { PolicyEditor } from './parts/policy-editor.tsx';
import { type Draft, useDraft } from './parts/use-draft.ts';

interface View {
  readonly hub: WrittenHub;
  readonly groups: readonly { readonly id: string; readonly name: string }[];
}

/** A hub: what it says, who uses it, and what changing it would do. */
export function HubEditorPage() {
  const which = useRoute().params.hub;
  return which === undefined ? <NewHub /> : <KnownHub key={which} which={which} />;
}

function NewHub() {
  const { route } = useLocation();
  const read = useMemo(() => ({ fields: { id: crypto.randomUUID(), gateways: [] }, revision: undefined }), []);
  const draft = useDraft<HubFields>(read);
  return (
    <Page title="New hub" lead="A cloud that groups can send devices to.">
      {draft && (
        <Editor draft={draft} path={undefined} readOnly={undefined} onSaved={({ id }) => route(`/hubs/${id}`)} />
      )}
    </Page>
  );
}

function KnownHub({ which }: { readonly which: string }) {
  const api = useApi();
  const { session } = useConnection();
  const { route } = useLocation();
  const admin = useAllowed('admin');
  const path = `/hubs/${encodeURIComponent(which)}`;
  const view = useResource<View>(path);
  useRefreshOn(['hub', 'policy'], view.refresh, 3000);
  const [deleting, setDeleting] = useState(false);
  const hub = view.data?.hub;
  const read = useMemo(() => hub && { fields: hubFieldsOf(hub), revision: hub.revision }, [hub]);
  const draft = useDraft<HubFields>(read);
  const readOnly = reasonNot({ hub, admin, shared: session.ownerId != null && hub?.ownerId === undefined });
  return (
    <Page
      title={hub?.name ?? 'Hub'}
      lead={hub?.id && <ShortId id={hub.id} />}
      actions={
        draft && readOnly === undefined ? (
          <button type="button" class="danger" onClick={() => setDeleting(true)}>
            Delete
          </button>
        ) : undefined
      }
    >
      <Loaded resource={view}>
        {({ groups }) =>
          draft && (
            <>
              <Editor draft={draft} path={path} readOnly={readOnly} onSaved={view.refresh} />
              <Panel title="Groups that send devices there">
                {groups.length === 0 ? (
                  <p>None yet: put it into the list of hubs of a group.</p>
                ) : (
                  <ul>
                    {groups.map(({ id, name }) => (
                      <li key={id}>
                        <a href={`/groups/${id}`}>{name}</a>
                      </li>
                    ))}
                  </ul>
                )}
              </Panel>
            </>
          )
        }
      </Loaded>
      {deleting && hub && (
        <ChangeDialog
          title={`Delete hub ${hub.name ?? hub.id}`}
          verb="Delete"
          danger
          change={({ dryRun }) => api.change<WrittenHub>('DELETE', path, { dryRun, revision: hub.revision })}
          onDone={() => route('/hubs')}
          onClose={() => setDeleting(false)}
        />
      )}
    </Page>
  );
}

function reasonNot({
  hub,
  admin,
  shared,
}: {
  readonly hub: WrittenHub | undefined;
  readonly admin: boolean;
  readonly shared: boolean;
}): string | undefined {
  if (hub?.source === 'file')
    return 'It is written in a configuration file: change the file; the service takes it up by itself within seconds, or at a reload.';
  if (!admin) return 'Changing hubs takes the role admin.';
  return shared ? 'It is shared: your groups may use it, but only who sees everything can change it.' : undefined;
}

function Editor({
  draft,
  path,
  ...rest
}: {
  readonly draft: Draft<HubFields>;
  readonly path: string | undefined;
  readonly readOnly: string | undefined;
  readonly onSaved: (hub: WrittenHub) => void;
}) {
  return (
    <PolicyEditor
      {...rest}
      kind="hub"
      draft={draft}
      path={path}
      fieldsOf={hubFieldsOf}
      form={({ edit, complaint }) => (
        <HubForm hub={draft.fields} isNew={path === undefined} onChange={edit} complaint={complaint} />
      )}
    />
  );
}
