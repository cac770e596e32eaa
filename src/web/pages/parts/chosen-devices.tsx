import { useRef, useState } from 'preact/hooks';
import type { DeviceTurn } from '../../../operator/operations.ts';
import { Choice } from '../../parts/fields.tsx';
import { useToasts } from '../../parts/toasts.tsx';
import { count, plural } from '../../parts/words.ts';
import { BulkTurnDialog } from './bulk-turn-dialog.tsx';
import { turns } from './device-actions.tsx';
import { type DeviceChoice, isNone, noDevices } from './device-choice.ts';

/** Which devices are chosen, and what can be done with them. */
export function ChosenDevices({
  choice,
  all,
  size,
  onChange,
  onDone,
}: {
  readonly choice: DeviceChoice;
  /** Everything that can be chosen here. */
  readonly all: DeviceChoice & { readonly of: 'all' };
  /** How many that are, as soon as somebody knows. */
  readonly size: number | undefined;
  readonly onChange: (choice: DeviceChoice) => void;
  readonly onDone: () => void;
}) {
  const { say } = useToasts();
  const [turn, setTurn] = useState<DeviceTurn>('approve');
  const [asked, setAsked] = useState(false);
  const toggle = useRef<HTMLButtonElement>(null);
  const none = isNone(choice);
  return (
    <section class={none ? 'chosen' : 'panel chosen'} aria-label="Chosen devices">
      {!none && (
        <>
          <p role="status">{wordsOf(choice, size)}</p>
          <Choice<DeviceTurn>
            label="Action"
            value={turn}
            choices={(Object.keys(turns) as DeviceTurn[]).map((value) => ({ value, label: turns[value].verb }))}
            onChange={setTurn}
          />
          <button type="button" class="primary" onClick={() => setAsked(true)}>
            See what it would do
          </button>
        </>
      )}
      <button type="button" ref={toggle} onClick={() => onChange(choice.of === 'all' ? noDevices : all)}>
        {choice.of === 'all' ? 'Choose none' : `Choose ${all.words}${size === undefined ? '' : ` (${count(size)})`}`}
      </button>
      {choice.of === 'some' && !none && (
        <button
          type="button"
          onClick={() => {
            onChange(noDevices);
            toggle.current?.focus();
          }}
        >
          Choose none
        </button>
      )}
      {asked && (
        <BulkTurnDialog
          turn={turn}
          choice={choice}
          onClose={() => setAsked(false)}
          onDone={(summary) => {
            setAsked(false);
            say(summary);
            onChange(noDevices);
            onDone();
          }}
        />
      )}
    </section>
  );
}

function wordsOf(choice: DeviceChoice, size: number | undefined): string {
  if (choice.of === 'some') return `${plural(choice.devices.size, 'device')} chosen`;
  const { words, except } = choice;
  const but = except.size === 0 ? '' : `, but for ${count(except.size)},`;
  return `${words[0]?.toUpperCase()}${words.slice(1)}${size === undefined ? '' : ` (${count(size)})`}${but} are chosen`;
}
