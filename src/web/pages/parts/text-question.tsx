import { useState } from 'preact/hooks';
import { Dialog } from '../../parts/dialog.tsx';
import { DialogButtons } from '../../parts/dialog-buttons.tsx';
import { TextField } from '../../parts/fields.tsx';

/** Asks for one line that a change needs; what the change does is shown next. */
export function TextQuestion({
  title,
  label,
  hint,
  onAnswer,
  onClose,
}: {
  readonly title: string;
  readonly label: string;
  readonly hint: string;
  readonly onAnswer: (text: string) => void;
  readonly onClose: () => void;
}) {
  const [text, setText] = useState('');
  return (
    <Dialog title={title} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (text.trim() !== '') onAnswer(text.trim());
        }}
      >
        <TextField label={label} hint={hint} value={text} onInput={setText} required />
        <DialogButtons verb="Next" onCancel={onClose} />
      </form>
    </Dialog>
  );
}
