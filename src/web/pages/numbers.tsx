import { useMemo } from 'preact/hooks';
import type { StatisticsView } from '../../operator/statistics-view.ts';
import { stages } from '../api/attempt-words.ts';
import { useResource } from '../api/context.tsx';
import { Chart } from '../numbers/chart.tsx';
import { verdictColours } from '../numbers/colours.ts';
import { Latency } from '../numbers/latency.tsx';
import { addUp, layersOf, quantile, sumOf, timesOf } from '../numbers/series.ts';
import { rangeOf, type Span, spans } from '../numbers/spans.ts';
import { Tile, Tiles } from '../numbers/tiles.tsx';
import { waitingApart } from '../numbers/waiting.ts';
import { Page, Panel } from '../parts/page.tsx';
import { ProblemNote } from '../parts/problem-note.tsx';
import { useQuery } from '../parts/query.ts';
import { useClock } from '../parts/time.tsx';
import { bytes, count, duration } from '../parts/words.ts';

/** What the fleet did over a span of time: how many came, what became of them, how long it took, what it cost. */
export function NumbersPage() {
  const [query, change] = useQuery();
  const span = spans.find(({ value }) => value === query.span) ?? spans[0];
  useClock(30_000);
  const { since, until } = rangeOf(span, Date.now());
  const { data, error, refresh } = useResource<StatisticsView>(
    '/statistics',
    { since, until, step: span.step },
    30_000,
  );
  return (
    <Page
      title="Numbers"
      lead="Of attempts that ended in the span. Read again every 30 seconds."
      actions={
        <fieldset class="segments">
          <legend class="unseen">Span</legend>
          {spans
            .toSorted((a, b) => a.length - b.length)
            .map(({ value, label }) => (
              <label key={value}>
                <input
                  type="radio"
                  name="span"
                  value={value}
                  checked={value === span.value}
                  onChange={() => change({ span: value === spans[0].value ? undefined : value })}
                />
                <span>{label}</span>
              </label>
            ))}
        </fieldset>
      }
    >
      {error === undefined ? null : <ProblemNote error={error} retry={refresh} />}
      {data ? <Numbers answer={data} span={span} since={since} until={until} /> : <div class="loading" />}
    </Page>
  );
}

interface NumbersProps {
  readonly answer: StatisticsView;
  readonly span: Span;
  readonly since: number;
  readonly until: number;
}

function Numbers({ answer, span, since, until }: NumbersProps) {
  const { at, slots } = useMemo(() => timesOf(answer, since, until), [answer, since, until]);
  const sorted = useMemo(() => slots.map((slot) => slot && waitingApart(slot)), [slots]);
  const verdicts = useMemo(
    () =>
      layersOf(
        sorted.map((slot) => slot?.verdicts),
        6,
      ).map((it) => ({ ...it, colour: verdictColours[it.label] ?? it.colour })),
    [sorted],
  );
  const codes = useMemo(
    () =>
      layersOf(
        sorted.map((slot) => slot?.codes),
        7,
      ),
    [sorted],
  );
  const traffic = useMemo(
    () => [
      { label: 'from devices', colour: '--chart-1', values: slots.map((slot) => slot?.bytesIn ?? 0) },
      { label: 'to devices', colour: '--chart-2', values: slots.map((slot) => slot?.bytesOut ?? 0) },
    ],
    [slots],
  );
  const sums = sumOf(sorted.map((slot) => slot?.verdicts));
  const all = Object.values(sums).reduce((sum, value) => sum + value, 0);
  const waiting = sums.waiting ?? 0;
  const judged = all - waiting;
  const good = (sums.provisioned ?? 0) + (sums.renewed ?? 0);
  const runs = addUp(slots.map((slot) => slot?.runs));
  const carried = slots.reduce((sum, slot) => sum + (slot?.bytesIn ?? 0) + (slot?.bytesOut ?? 0), 0);
  return (
    <>
      <Tiles>
        <Tile name="Attempts" value={count(all)} note={`${count((all / span.length) * 60_000)} a minute`} />
        <Tile name="Provisioned" value={count(sums.provisioned ?? 0)} note={`${count(sums.renewed ?? 0)} renewed`} />
        <Tile
          name="Ended well"
          value={judged === 0 ? '–' : `${((100 * good) / judged).toFixed(1)} %`}
          note={`${count(judged - good)} did not${waiting > 0 ? `, ${count(waiting)} wait` : ''}`}
        />
        <Tile
          name="First boot takes"
          value={took(quantile(runs, answer.bounds.runs, 0.5), answer.bounds.runs)}
          note={`p99 ${took(quantile(runs, answer.bounds.runs, 0.99), answer.bounds.runs)}`}
        />
        <Tile
          name="Carried"
          value={bytes(carried)}
          note={all === 0 ? '' : `${bytes(Math.round(carried / all))} an attempt`}
        />
      </Tiles>
      <div class="charts">
        <Panel title="Attempts">
          <Chart
            label="Attempts by verdict"
            kind="bars"
            at={at}
            series={verdicts}
            empty="No attempt ended in this span."
          />
        </Panel>
        <Panel title="Failures by reason">
          <Chart label="Failures by reason" kind="bars" at={at} series={codes} empty="Nothing failed in this span." />
        </Panel>
        <Panel title="Time by stage">
          <Latency
            label="Time by stage"
            rows={[
              ...stageOrder.map((name) => ({
                name,
                counts: addUp(slots.map((slot) => slot?.stages[name])),
                bounds: answer.bounds.stages,
              })),
              { name: 'first boot', counts: runs, bounds: answer.bounds.runs },
            ]}
          />
          <p class="muted small">
            The service's own time for each stage; a first boot is from its first session to its last answer.
          </p>
        </Panel>
        <Panel title="Bytes">
          <Chart
            label="Bytes"
            kind="lines"
            at={at}
            series={traffic}
            format={bytes}
            empty="Nothing was carried in this span."
          />
        </Panel>
      </div>
    </>
  );
}

const stageOrder = ['handshake', ...stages] as const;

const took = (ms: number | undefined, bounds: readonly number[]): string => {
  if (ms === undefined) return '–';
  return Number.isFinite(ms) ? duration(ms) : `> ${duration(bounds.at(-1) ?? 0)}`;
};
