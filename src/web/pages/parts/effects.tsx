/** What a change would do, one line for each thing. */
export function Effects({ effects }: { readonly effects: readonly string[] }) {
  if (effects.length === 0) return <p class="muted">Nothing would change.</p>;
  return (
    <div class="effects">
      <ul>
        {effects.slice(0, most).map((effect) => (
          <li key={effect}>{effect}</li>
        ))}
        {effects.length > most && <li>and {effects.length - most} more</li>}
      </ul>
    </div>
  );
}

const most = 50;
