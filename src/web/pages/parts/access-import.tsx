import { useRef, useState } from 'preact/hooks';
import type { ImportReport } from '../../../operator/imports.ts';
import type { AccessList } from '../../../store/model.ts';
import { useApi } from '../../api/context.tsx';
import { Check } from '../../parts/fields.tsx';
import { ProblemNote } from '../../parts/problem-note.tsx';
import { SimpleTable } from '../../parts/simple-table.tsx';
import { count, plural } from '../../parts/words.ts';
import { Effects } from './effects.tsx';

/** Puts the devices of a file on a list: looked at first, line by line. */
export function AccessImport({
  group,
  list,
  report,
  onReport,
}: {
  readonly group: string;
  readonly list: AccessList;
  readonly report: ImportReport | undefined;
  readonly onReport: (report: ImportReport) => void;
}) {
  const api = useApi();
  const input = useRef<HTMLInputElement>(null);
  const [file, setFile] = useState<File>();
  const [partial, setPartial] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const send = async (dryRun: boolean): Promise<void> => {
    if (!file) return;
    setBusy(true);
    setError(undefined);
    try {
      const type = /\.(ndjson|jsonl|json)$/i.test(file.name) ? 'application/x-ndjson' : 'text/csv';
      const { body } = await api.ask<ImportReport>('POST', `${group}/access/import`, {
        query: { list, partial, dryRun },
        body: new Blob([file], { type }),
      });
      onReport(body);
      if (body.applied) {
        setFile(undefined);
        if (input.current) input.current.value = '';
      }
    } catch (failed) {
      setError(failed);
    }
    setBusy(false);
  };
  return (
    <details>
      <summary>Import a file</summary>
      <div class="entry-new">
        <div class="field">
          <label for="import-file">
            CSV with a header line (key, serial, subject, note), or NDJSON with the same names
          </label>
          <input
            id="import-file"
            ref={input}
            type="file"
            accept=".csv,.ndjson,.jsonl,text/csv,application/x-ndjson"
            onChange={({ currentTarget }) => setFile(currentTarget.files?.[0])}
          />
        </div>
        <Check label="Take what is right, and leave out lines with problems" checked={partial} onChange={setPartial} />
        <button type="button" disabled={!file || busy} onClick={() => void send(true)}>
          See what it would do
        </button>
        <button type="button" class="primary" disabled={!file || busy} onClick={() => void send(false)}>
          Import to the {list} list
        </button>
      </div>
      {busy && <progress aria-label="Importing" />}
      {error !== undefined && <ProblemNote error={error} />}
      {report && <Report report={report} />}
    </details>
  );
}

function Report({
  report: { applied, effects, added, duplicates, problems, lines },
}: {
  readonly report: ImportReport;
}) {
  const told = lines.filter(({ outcome }) => outcome !== 'added');
  return (
    <div role="status">
      <p>
        <strong>{applied ? 'Imported.' : 'Nothing is written yet.'}</strong> {plural(added, 'device')} new,{' '}
        {count(duplicates)} there already, {plural(problems, 'line')} with problems.
      </p>
      {!applied && <Effects effects={effects} />}
      {told.length > 0 && (
        <SimpleTable
          label="Lines that were not added"
          heads={['Line', 'What', 'Expected']}
          rows={told.slice(0, shown).map((line) => ({
            key: String(line.line),
            cells: [
              line.line,
              line.outcome === 'problem' ? `problem: ${line.field}` : 'duplicate',
              line.outcome === 'problem'
                ? line.expected
                : line.outcome === 'duplicate' && (line.of === 'list' ? 'it is on the list' : `it is line ${line.of}`),
            ],
          }))}
        />
      )}
      {told.length > shown && <p>and {count(told.length - shown)} more</p>}
    </div>
  );
}

const shown = 200;
