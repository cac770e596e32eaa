import { useState } from 'preact/hooks';
import type { ImportReport } from '../../../operator/imports.ts';
import type { AccessEntry, AccessList } from '../../../store/model.ts';
import { useAllowed, useApi, usePages, useRefreshOn } from '../../api/context.tsx';
import { ChangeDialog } from '../../parts/change-dialog.tsx';
import { DataTable } from '../../parts/data-table.tsx';
import { Choice, TextField } from '../../parts/fields.tsx';
import { Panel } from '../../parts/page.tsx';
import { Time } from '../../parts/time.tsx';
import { useToasts } from '../../parts/toasts.tsx';
import { told } from '../../parts/told.ts';
import { AccessImport } from './access-import.tsx';
import { selectorChoices } from './list-editors.tsx';

const lists: readonly { readonly value: AccessList; readonly label: string }[] = [
  { value: 'allow', label: 'allow: only these come in' },
  { value: 'deny', label: 'deny: these never do' },
  { value: 'preauthorized', label: 'preauthorized: these need no approval' },
];

/** The long lists of a group. @param group its path */
export function AccessLists({ group }: { readonly group: string }) {
  const [list, setList] = useState<AccessList>('allow');
  const [removed, setRemoved] = useState<AccessEntry>();
  const [report, setReport] = useState<ImportReport>();
  const api = useApi();
  const mayChange = useAllowed('operator');
  const pages = usePages<AccessEntry>(`${group}/access`, { list });
  const again = (): void => void pages.refresh();
  useRefreshOn(['access'], again, 1000);
  const name = ({ device: { by, value } }: AccessEntry): string => `${by} ${value}`;
  return (
    <Panel title="Long lists">
      <Choice label="List" value={list} choices={lists} onChange={setList} />
      {mayChange && (
        <>
          <AddEntry group={group} list={list} onAdded={again} />
          <AccessImport
            group={group}
            list={list}
            report={report}
            onReport={(done) => {
              setReport(done);
              again();
            }}
          />
        </>
      )}
      <DataTable
        label={`Devices on the ${list} list`}
        one="entry"
        list={pages}
        rowKey={name}
        columns={[
          {
            head: 'Device',
            size: 'large',
            cell: ({ device: { by, value } }) => (
              <>
                {by} <code>{value}</code>
              </>
            ),
          },
          { head: 'Note', size: 'medium', cell: ({ note }) => note },
          { head: 'Added', size: 'small', cell: ({ addedAt }) => <Time at={addedAt} /> },
          ...(mayChange
            ? [
                {
                  head: 'Remove',
                  size: 'small' as const,
                  cell: (entry: AccessEntry) => (
                    <button type="button" aria-label={`Remove ${name(entry)}`} onClick={() => setRemoved(entry)}>
                      Remove
                    </button>
                  ),
                },
              ]
            : []),
        ]}
        empty={<p>Nobody is on this list. Add a device, or import a file.</p>}
      />
      {removed && (
        <ChangeDialog
          title={`Remove ${name(removed)} from the ${removed.list} list`}
          verb="Remove"
          danger
          change={({ dryRun }) =>
            api.change<AccessEntry>('DELETE', `${group}/access`, {
              query: { list: removed.list, by: removed.device.by, value: removed.device.value },
              dryRun,
            })
          }
          onDone={again}
          onClose={() => setRemoved(undefined)}
        />
      )}
    </Panel>
  );
}

function AddEntry({
  group,
  list,
  onAdded,
}: {
  readonly group: string;
  readonly list: AccessList;
  readonly onAdded: () => void;
}) {
  const api = useApi();
  const { say, complain } = useToasts();
  const [by, setBy] = useState<AccessEntry['device']['by']>('serial');
  const [value, setValue] = useState('');
  const [note, setNote] = useState('');
  const add = async (): Promise<void> => {
    try {
      const { effects } = await api.change<AccessEntry>('POST', `${group}/access`, {
        body: { list, device: { by, value: value.trim() }, ...(note.trim() !== '' && { note: note.trim() }) },
      });
      say(told(effects, 'It is on the list already'));
      setValue('');
      setNote('');
      onAdded();
    } catch (error) {
      complain(error);
    }
  };
  return (
    <form
      class="entry-new"
      onSubmit={(event) => {
        event.preventDefault();
        void add();
      }}
    >
      <Choice label="Known by" value={by} choices={selectorChoices} onChange={setBy} />
      <TextField label={`Device, by ${by}`} required value={value} onInput={setValue} />
      <TextField label="Note (optional)" value={note} onInput={setNote} />
      <button type="submit">Add to the list</button>
    </form>
  );
}
