import { useState } from 'preact/hooks';
import type { CaStatus } from '../../../operator/ca.ts';
import type { Rotation, RotationOptions } from '../../../operator/ca-rotation.ts';
import { useAllowed, useApi } from '../../api/context.tsx';
import { ChangeDialog } from '../../parts/change-dialog.tsx';
import { Panel } from '../../parts/page.tsx';
import { Time } from '../../parts/time.tsx';

/** The next step of a roll-over of our own authorities, and what comes after it. */
export function RotationPanel({
  status: { roots },
  onDone,
}: {
  readonly status: CaStatus;
  readonly onDone: () => void;
}) {
  const api = useApi();
  const allowed = useAllowed('admin', { unbound: true });
  const [what, setWhat] = useState<RotationOptions['what']>();
  const [last, setLast] = useState<Rotation>();
  if (!allowed || roots.length === 0) return null;
  const stage = roots.some(({ role }) => role === 'announced')
    ? 'switch to the announced root'
    : roots.some(({ role }) => role === 'previous')
      ? 'retire the previous root'
      : 'announce a new root';
  return (
    <Panel title="Rotate">
      <p>
        Devices follow by themselves; a step that would cut devices off is refused, with the day from which it is safe.
      </p>
      <div class="actions">
        <button type="button" onClick={() => setWhat('issuing')}>
          New issuing authority
        </button>
        <button type="button" onClick={() => setWhat('root')}>
          Root: {stage}
        </button>
      </div>
      {last && (
        <div class="note" role="status">
          <p class="note-title">Done: {last.stage}. What is left to do:</p>
          <ul>
            {last.next.map((step) => (
              <li key={step}>{step}</li>
            ))}
          </ul>
          {last.safeFrom !== undefined && (
            <p>
              The next step is safe <Time at={last.safeFrom} />.
            </p>
          )}
        </div>
      )}
      {what && (
        <ChangeDialog<Rotation>
          title={what === 'issuing' ? 'New issuing authority' : `Root: ${stage}`}
          verb="Do it"
          danger
          change={({ dryRun }) => api.change<Rotation>('POST', '/ca/rotate', { body: { what }, dryRun })}
          onDone={({ result }) => {
            setLast(result);
            onDone();
          }}
          onClose={() => setWhat(undefined)}
        />
      )}
    </Panel>
  );
}
