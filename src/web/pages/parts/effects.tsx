import { count } from '../../parts/words.ts';

/**
 * What a change would do, one line for each thing.
 * @param all how many there are, when not all of them are given
 * @param most how many are shown
 */
export function Effects({
  effects,
  all = effects.length,
  most = 50,
}: {
  readonly effects: readonly string[];
  readonly all?: number;
  readonly most?: number;
}) {
  if (effects.length === 0) return <p class="muted">Nothing would change.</p>;
  return (
    <div class="effects">
      <ul>
        {effects.slice(0, most).map((effect) => (
          <li key={effect}>{effect}</li>
        ))}
        {all > most && <li>and {count(all - most)} more</li>}
      </ul>
    </div>
  );
}
