import type { ComponentChildren } from 'preact';

/** A short table, all of it at once; the first cell names the row. On a phone rows are cards. */
export function SimpleTable({
  label,
  heads,
  rows,
  empty,
}: {
  readonly label: string;
  readonly heads: readonly string[];
  readonly rows: readonly { readonly key: string; readonly cells: readonly ComponentChildren[] }[];
  readonly empty?: ComponentChildren;
}) {
  if (rows.length === 0 && empty !== undefined) return <div class="empty">{empty}</div>;
  return (
    <table class="simple" aria-label={label}>
      <thead>
        <tr>
          {heads.map((head) => (
            <th key={head} scope="col">
              {head}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map(({ key, cells }) => (
          <tr key={key}>
            {cells.map((cell, index) => {
              const head = heads[index] ?? '';
              return index === 0 ? (
                <th key={head} scope="row">
                  {cell}
                </th>
              ) : (
                <td key={head} data-head={head}>
                  {cell}
                </td>
              );
            })}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
