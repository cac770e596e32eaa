import type { Horizon } from '../../../api/schemas/ca.ts';
import { SimpleTable } from '../../parts/simple-table.tsx';
import { Time } from '../../parts/time.tsx';
import { count, plural, utc } from '../../parts/words.ts';
import { day } from './words.ts';

/** An authority or an anchor, and whose it is. */
export type Ending = Horizon['issuers'][number] & { readonly whose: string };

/** Identity certificates that end, week by week as bars; authorities and anchors as rows of the same table. */
export function HorizonChart({ horizon, endings }: { readonly horizon: Horizon; readonly endings: readonly Ending[] }) {
  const weeks = weeksOf(horizon.days);
  const most = Math.max(1, ...weeks.map(({ ends }) => ends));
  return (
    <>
      <h3>Identity certificates, by week</h3>
      {weeks.length === 0 ? (
        <p class="muted">None of those that count now ends in the next 400 days.</p>
      ) : (
        <ol class="weeks" aria-label="Identity certificates that end, by week">
          {weeks.map(({ from, ends }) => (
            <li key={from}>
              <span title={utc(from)}>{new Date(from).toISOString().slice(0, 10)}</span>
              <meter min={0} max={most} value={ends} aria-label={plural(ends, 'certificate')} />
              <span class="end">{count(ends)}</span>
            </li>
          ))}
        </ol>
      )}
      <p class="hint">
        Devices renew theirs by themselves before the end; a bar that does not shrink has devices that do not come.
      </p>
      <h3>Authorities and anchors</h3>
      <SimpleTable
        label="Authorities and anchors, by their end"
        heads={['Name', 'Whose', 'Ends', 'Left']}
        rows={endings.map(({ subject, fingerprint, notAfter, whose }) => ({
          key: `${fingerprint} ${whose}`,
          cells: [
            subject,
            whose,
            <>
              <Time at={notAfter} /> <span class="muted">({utc(notAfter).slice(0, 10)})</span>
            </>,
            <meter
              min={0}
              max={years}
              low={90}
              high={365}
              optimum={years}
              value={Math.max(0, (notAfter - Date.now()) / day)}
              aria-label={`${Math.max(0, Math.floor((notAfter - Date.now()) / day))} days left`}
            />,
          ],
        }))}
        empty={<p>There is no authority, and no group has an anchor.</p>}
      />
    </>
  );
}

/** A full bar, days. */
const years = 3 * 365;

function weeksOf(days: Horizon['days']): readonly { readonly from: number; readonly ends: number }[] {
  const week = 7 * day;
  const found = new Map<number, number>();
  for (const { day: at, count: ends } of days) {
    const from = Math.floor(at / week) * week;
    found.set(from, (found.get(from) ?? 0) + ends);
  }
  return [...found].map(([from, ends]) => ({ from, ends })).toSorted((a, b) => a.from - b.from);
}
