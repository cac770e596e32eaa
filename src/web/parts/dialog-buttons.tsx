/** The foot of a dialog with a form: out of it, or on. */
export function DialogButtons({
  verb,
  danger = false,
  disabled = false,
  onCancel,
}: {
  /** Of the button that sends the form: `Approve`. */
  readonly verb: string;
  readonly danger?: boolean;
  readonly disabled?: boolean;
  readonly onCancel: () => void;
}) {
  return (
    <div class="dialog-foot">
      <button type="button" onClick={onCancel}>
        Cancel
      </button>
      <button type="submit" class={danger ? 'danger' : 'primary'} disabled={disabled}>
        {verb}
      </button>
    </div>
  );
}
