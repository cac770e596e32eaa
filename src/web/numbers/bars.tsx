import { count } from '../parts/words.ts';

/** Counts by name as bars, each a link to what was counted. */
export function Bars({
  rows,
  empty,
}: {
  readonly rows: readonly { readonly label: string; readonly value: number; readonly href: string }[];
  readonly empty: string;
}) {
  const most = Math.max(...rows.map(({ value }) => value), 0);
  if (most === 0) return <p class="muted">{empty}</p>;
  return (
    <ul class="bars">
      {rows.map(({ label, value, href }) => (
        <li key={label}>
          <a href={href}>
            <span class="label">{label}</span>
            <span>{count(value)}</span>
            <svg class="range" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" focusable="false">
              <rect class="range-ground" width="100" height="8" />
              <rect class="range-bar" width={(100 * value) / most} height="8" />
            </svg>
          </a>
        </li>
      ))}
    </ul>
  );
}
