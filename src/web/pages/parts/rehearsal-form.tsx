import { useState } from 'preact/hooks';
import type { CaStatus } from '../../../operator/ca.ts';
import type { CutOffReason, Rehearsal } from '../../../operator/ca-rehearsal.ts';
import { useApi } from '../../api/context.tsx';
import { Choice, TextField } from '../../parts/fields.tsx';
import { ProblemNote } from '../../parts/problem-note.tsx';
import { SimpleTable } from '../../parts/simple-table.tsx';
import { Time } from '../../parts/time.tsx';
import { count, plural, utc } from '../../parts/words.ts';

/** Who would be cut off if one of the anchors went on a day. Nothing is changed. */
export function RehearsalForm({ status: { roots, manufacturers } }: { readonly status: CaStatus }) {
  const api = useApi();
  const anchors = [
    ...roots.map(({ fingerprint, subject, role }) => ({ value: fingerprint, label: `${subject} (ours, ${role})` })),
    ...new Map(
      manufacturers.flatMap(({ group, anchors: of }) =>
        of.map(
          ({ fingerprint, subject }) =>
            [fingerprint, { value: fingerprint, label: `${subject} (${group.name})` }] as const,
        ),
      ),
    ).values(),
  ];
  const [chosen, setChosen] = useState('');
  const [on, setOn] = useState(new Date().toISOString().slice(0, 10));
  const [state, setState] = useState<{
    readonly asking?: boolean;
    readonly data?: Rehearsal;
    readonly error?: unknown;
  }>({});
  const anchor = anchors.some(({ value }) => value === chosen) ? chosen : (anchors[0]?.value ?? '');
  const rehearse = async (): Promise<void> => {
    setState({ asking: true });
    try {
      const body = { anchor, on: Date.parse(`${on}T00:00:00Z`) };
      setState({ data: (await api.ask<Rehearsal>('POST', '/ca/rehearse', { body })).body });
    } catch (error) {
      setState({ error });
    }
  };
  if (anchors.length === 0) return <p class="muted">There is no anchor to rehearse without.</p>;
  return (
    <>
      <form
        class="entry-new"
        onSubmit={(event) => {
          event.preventDefault();
          void rehearse();
        }}
      >
        <Choice label="Anchor" value={anchor} choices={anchors} onChange={setChosen} />
        <TextField label="It goes on" type="date" required value={on} onInput={setOn} />
        <button type="submit" class="primary" disabled={state.asking === true}>
          Rehearse
        </button>
      </form>
      {state.error !== undefined && <ProblemNote error={state.error} />}
      <div aria-live="polite">
        {state.asking && <p class="muted">Judging every device without it …</p>}
        {state.data && <Findings rehearsal={state.data} />}
      </div>
    </>
  );
}

const reasons: Readonly<Record<CutOffReason, string>> = {
  'signed-under-it': 'gateways would refuse its certificate',
  'renewals-under-it': 'its next certificates would be signed under it',
  'knows-no-other': 'it would trust no hub any more',
  'no-other-anchor': 'its manufacturer certificate would not verify',
};

function Findings({
  rehearsal: { anchor, on, devices, cutOff, renewing, expired },
}: {
  readonly rehearsal: Rehearsal;
}) {
  return (
    <>
      <p class={`note ${cutOff.length === 0 ? 'note-good' : 'note-bad'}`}>
        Without {anchor.subject} on {utc(on).slice(0, 10)}, {plural(cutOff.length, 'device')} of {count(devices)} would
        be cut off. {renewing > 0 && `${count(renewing)} will have renewed by then. `}
        {expired > 0 && `${count(expired)} have certificates that end before, anyway. `}
        {cutOff.length > 0 && 'Wait until they have renewed, or give their groups another anchor first.'}
      </p>
      {cutOff.length > 0 && (
        <SimpleTable
          label="Devices that would be cut off"
          heads={['Device', 'Why', 'Its certificate ends']}
          rows={cutOff.slice(0, shown).map(({ keyId, subject, reason, until }) => ({
            key: keyId,
            cells: [<a href={`/devices/${keyId}`}>{subject || keyId}</a>, reasons[reason], <Time at={until} />],
          }))}
        />
      )}
      {cutOff.length > shown && <p>and {count(cutOff.length - shown)} more</p>}
    </>
  );
}

const shown = 100;
