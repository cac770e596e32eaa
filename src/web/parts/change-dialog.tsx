import { useEffect, useState } from 'preact/hooks';
import type { Outcome } from '../../operator/change.ts';
import { Dialog } from './dialog.tsx';
import { DialogButtons } from './dialog-buttons.tsx';
import { TextField } from './fields.tsx';
import { ProblemNote } from './problem-note.tsx';
import { useToasts } from './toasts.tsx';
import { told } from './told.ts';

export interface ChangeDialogProps<T> {
  /** `Approve device 3f0c..` */
  readonly title: string;
  /** Of the button: `Approve`. */
  readonly verb: string;
  /** Asks for one line that goes on record, if there is something to say. */
  readonly reason?: 'optional';
  readonly danger?: boolean;
  /** Does it, or says what it would do. */
  readonly change: (options: { readonly dryRun: boolean; readonly reason: string | undefined }) => Promise<Outcome<T>>;
  readonly onDone?: (outcome: Outcome<T>) => void;
  readonly onClose: () => void;
}

/** Shows what a change would do, and does it when asked to. */
export function ChangeDialog<T>({
  title,
  verb,
  reason,
  danger = false,
  change,
  onDone,
  onClose,
}: ChangeDialogProps<T>) {
  const { say } = useToasts();
  const [text, setText] = useState('');
  const [preview, setPreview] = useState<{ readonly effects?: readonly string[]; readonly error?: unknown }>({});
  const [busy, setBusy] = useState(false);
  const given = text.trim() === '' ? undefined : text.trim();
  useEffect(() => {
    change({ dryRun: true, reason: undefined }).then(
      ({ effects }) => setPreview({ effects }),
      (error: unknown) => setPreview({ error }),
    );
  }, []);
  const apply = async () => {
    setBusy(true);
    try {
      const outcome = await change({ dryRun: false, reason: given });
      say(told(outcome.effects));
      onDone?.(outcome);
      onClose();
    } catch (error) {
      setPreview({ ...preview, error });
      setBusy(false);
    }
  };
  const { effects, error } = preview;
  return (
    <Dialog title={title} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void apply();
        }}
      >
        <div aria-live="polite" class="effects">
          {effects === undefined && error === undefined ? <p class="muted">Looking what this would do …</p> : null}
          {effects?.length === 0 ? <p class="muted">There is nothing to do.</p> : null}
          {effects !== undefined && effects.length > 0 ? (
            <ul>
              {effects.map((effect) => (
                <li key={effect}>{effect}</li>
              ))}
            </ul>
          ) : null}
        </div>
        {error === undefined ? null : <ProblemNote error={error} />}
        {reason === undefined ? null : (
          <TextField label="Reason (optional)" hint="One line; it goes on record." value={text} onInput={setText} />
        )}
        <DialogButtons
          verb={verb}
          danger={danger}
          disabled={busy || effects === undefined || effects.length === 0}
          onCancel={onClose}
        />
      </form>
    </Dialog>
  );
}
