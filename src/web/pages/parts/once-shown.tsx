import { ShortId } from '../../parts/short-id.tsx';

/** A secret that the service tells this once. */
export function OnceShown({
  what,
  secret,
  onSeen,
}: {
  readonly what: string;
  readonly secret: string;
  readonly onSeen: () => void;
}) {
  return (
    <div class="note note-warn" role="alert">
      <p class="note-title">{what}: copy it now, it is not shown again</p>
      <p>
        <ShortId id={secret} whole />
      </p>
      <button type="button" onClick={onSeen}>
        I have it
      </button>
    </div>
  );
}
