import type { Overview } from '../../api/schemas/overview.ts';
import { useRefreshOn, useResource } from '../api/context.tsx';
import { Bars } from '../numbers/bars.tsx';
import { Tile, Tiles } from '../numbers/tiles.tsx';
import { pending as pendingCode, waitingApart } from '../numbers/waiting.ts';
import { Page, Panel } from '../parts/page.tsx';
import { ProblemNote } from '../parts/problem-note.tsx';
import { count, duration, plural } from '../parts/words.ts';

/** The service at a glance: what waits for somebody comes first. */
export function OverviewPage() {
  const { data, error, refresh } = useResource<Overview>('/overview', undefined, 15_000);
  useRefreshOn(['attempt.closed', 'device', 'group', 'hub'], refresh, 3000);
  return (
    <Page title="Overview" lead={data ? `Version ${data.version}, up for ${duration(data.uptime)}` : ' '}>
      {error === undefined ? null : <ProblemNote error={error} retry={refresh} />}
      {data ? <Glance overview={data} /> : <div class="loading" />}
    </Page>
  );
}

function Glance({ overview }: { readonly overview: Overview }) {
  const { devices, pending, attempts24h, openAttempts, groups, hubs, readiness } = overview;
  const ended = Object.values(attempts24h.verdicts).reduce((sum, value) => sum + value, 0);
  const { verdicts, codes } = waitingApart(attempts24h);
  const { provisioned = 0, renewed = 0, waiting = 0 } = verdicts;
  return (
    <>
      {readiness.ready ? null : (
        <div class="note note-bad" role="status">
          <p class="note-title">The service does not take devices</p>
          <ul>
            {readiness.waitsFor.map((reason) => (
              <li key={reason}>{reason}</li>
            ))}
          </ul>
        </div>
      )}
      <Tiles>
        <Tile
          name="Wait for approval"
          value={count(pending)}
          note={pending === 0 ? 'nobody waits' : 'look at them'}
          href="/approvals"
          tone={pending > 0 ? 'warn' : 'good'}
        />
        <Tile
          name="With an alarm"
          value={count(devices.alarms)}
          note={devices.alarms === 0 ? 'no key in two places' : 'keys in two places'}
          href="/devices?alarms=true"
          tone={devices.alarms > 0 ? 'bad' : 'good'}
        />
        <Tile
          name="Devices"
          value={count(devices.total)}
          note={`${count(devices.byState.active ?? 0)} active`}
          href="/devices"
        />
        <Tile
          name="Under way"
          value={openAttempts === null ? '–' : count(openAttempts)}
          note="attempts now"
          href="/live"
        />
        <Tile
          name="In 24 hours"
          value={count(ended)}
          note={`${count(provisioned + renewed)} ended well${waiting > 0 ? `, ${count(waiting)} wait` : ''}`}
          href="/numbers"
        />
      </Tiles>
      <div class="charts">
        <Panel title="Devices by state">
          <Bars
            empty="No device has come yet."
            rows={Object.entries(devices.byState).map(([state, value]) => ({
              label: state,
              value: value ?? 0,
              href: `/devices?state=${state}`,
            }))}
          />
        </Panel>
        <Panel title="Attempts, last 24 hours">
          <Bars
            empty="No attempt ended in the last 24 hours."
            rows={Object.entries(verdicts).map(([verdict, value = 0]) => ({
              label: verdict,
              value,
              href: verdict === 'waiting' ? `/attempts?code=${pendingCode}` : `/attempts?verdict=${verdict}`,
            }))}
          />
        </Panel>
        <Panel title="Why they failed, last 24 hours">
          <Bars
            empty="Nothing failed."
            rows={Object.entries(codes)
              .toSorted(([, a = 0], [, b = 0]) => b - a)
              .slice(0, 10)
              .map(([code, value = 0]) => ({ label: code, value, href: `/attempts?code=${encodeURIComponent(code)}` }))}
          />
        </Panel>
        <Panel title="Policy">
          <p>
            <a href="/groups">{plural(groups, 'enrollment group')}</a> and <a href="/hubs">{plural(hubs, 'hub')}</a>.
            The <a href="/authorities">authorities</a> and when their certificates end.
          </p>
        </Panel>
      </div>
    </>
  );
}
