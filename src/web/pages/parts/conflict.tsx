import { plural } from '../../parts/words.ts';

/** Somebody else was faster: what they have changed, and what becomes of mine. */
export function Conflict({
  mine,
  theirs,
  onTake,
  onKeep,
}: {
  readonly mine: readonly string[];
  readonly theirs: readonly string[];
  readonly onTake: () => void;
  readonly onKeep: () => void;
}) {
  const both = mine.filter((key) => theirs.includes(key));
  return (
    <div class="note note-warn" role="alert">
      <p class="note-title">Somebody else has changed it since you opened it</p>
      <p>
        {theirs.length > 0 ? `They changed: ${theirs.join(', ')}.` : 'What they changed is what you see now.'}{' '}
        {both.length > 0 && `You both changed ${plural(both.length, 'key')}: ${both.join(', ')}.`}
      </p>
      <button type="button" onClick={onKeep}>
        Put my changes on top of theirs
      </button>
      <button type="button" onClick={onTake}>
        Drop mine, show theirs
      </button>
    </div>
  );
}
