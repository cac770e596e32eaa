import { useMemo } from 'preact/hooks';
import type { Horizon } from '../../api/schemas/ca.ts';
import type { CaStatus } from '../../operator/ca.ts';
import { useRefreshOn, useResource } from '../api/context.tsx';
import { Badge } from '../parts/badge.tsx';
import { Page, Panel } from '../parts/page.tsx';
import { ShortId } from '../parts/short-id.tsx';
import { SimpleTable } from '../parts/simple-table.tsx';
import { Time } from '../parts/time.tsx';
import { count } from '../parts/words.ts';
import { type Ending, HorizonChart } from './parts/horizon-chart.tsx';
import { Loaded } from './parts/loaded.tsx';
import { RehearsalForm } from './parts/rehearsal-form.tsx';
import { RotationPanel } from './parts/rotation-panel.tsx';
import { day } from './parts/words.ts';

/** Authorities of ours and of manufacturers: what ends when, and what to do before it does. */
export function AuthoritiesPage() {
  const status = useResource<CaStatus>('/ca');
  const range = useMemo(() => ({ since: Date.now() - day, until: Date.now() + 400 * day }), []);
  const horizon = useResource<Horizon>('/ca/horizon', range);
  useRefreshOn(['ca', 'group', 'policy'], status.refresh, 2000);
  return (
    <Page title="Authorities" lead="What ends when, and what to do before it does.">
      <Panel title="What ends when">
        <Loaded resource={horizon}>
          {(data) => (
            <>
              <Advice endings={endingsIn(data)} />
              <HorizonChart horizon={data} endings={endingsIn(data)} />
            </>
          )}
        </Loaded>
      </Panel>
      <Loaded resource={status}>
        {(data) => (
          <>
            <Panel title="Ours">
              <Ours status={data} />
            </Panel>
            <RotationPanel status={data} onDone={status.refresh} />
            <Panel title="Manufacturers">
              <Manufacturers status={data} />
            </Panel>
            <Panel title="Rehearse: what if an anchor goes?">
              <RehearsalForm status={data} />
            </Panel>
          </>
        )}
      </Loaded>
    </Page>
  );
}

const endingsIn = ({ issuers, anchors }: Horizon): readonly Ending[] =>
  [
    ...issuers.map((issuer) => ({ ...issuer, whose: 'ours' })),
    ...anchors.map(({ group, ...anchor }) => ({ ...anchor, whose: `group ${group.name}` })),
  ].toSorted((a, b) => a.notAfter - b.notAfter);

/** What to do next, by what ends first. */
function Advice({ endings }: { readonly endings: readonly Ending[] }) {
  const now = Date.now();
  const soon = endings.filter(({ notAfter }) => notAfter < now + 90 * day);
  if (soon.length === 0) {
    const [first] = endings;
    return (
      <p class="note note-good">
        Nothing to do now.{' '}
        {first && (
          <>
            {first.subject} is the first to end, <Time at={first.notAfter} />.
          </>
        )}
      </p>
    );
  }
  return (
    <ul class="advice">
      {soon.map(({ subject, fingerprint, notAfter, whose }) => (
        <li key={`${fingerprint} ${whose}`} class={`note ${notAfter < now + 14 * day ? 'note-bad' : 'note-warn'}`}>
          <p class="note-title">
            {subject} ({whose}) {notAfter <= now ? 'has ended' : 'ends'} <Time at={notAfter} />
          </p>
          <p class="fix">
            {whose === 'ours'
              ? 'Rotate it: a new issuing authority at once, a new root in the steps announce, switch, retire.'
              : 'Get the new root from the manufacturer, add it to the group beside this one, and rehearse what happens without this one.'}
          </p>
        </li>
      ))}
    </ul>
  );
}

function Ours({ status: { roots, issuing } }: { readonly status: CaStatus }) {
  return (
    <SimpleTable
      label="Authorities of this service"
      heads={['Subject', 'What', 'Ends', 'Certificates', 'Revoked', 'Last list', 'Key id']}
      rows={[
        ...roots.map(({ subject, role, notAfter, keyId, fingerprint }) => ({
          key: `root ${fingerprint}`,
          cells: [
            subject,
            <Badge tone={role === 'present' ? 'good' : 'info'}>{role} root</Badge>,
            <Time at={notAfter} />,
            '',
            '',
            '',
            <ShortId id={keyId} />,
          ],
        })),
        ...issuing.map(({ subject, role, notAfter, keyId, fingerprint, live, revoked, crlNumber }) => ({
          key: `issuing ${fingerprint}`,
          cells: [
            subject,
            <Badge tone={role === 'present' ? 'good' : 'quiet'}>{role === 'present' ? 'issues now' : 'retired'}</Badge>,
            <Time at={notAfter} />,
            live === undefined ? 'unknown' : count(live),
            revoked === undefined ? 'unknown' : count(revoked),
            <a href={`/api/v1/crl/${keyId}`} download>
              {crlNumber ? `number ${crlNumber}` : 'none yet'}
            </a>,
            <ShortId id={keyId} />,
          ],
        })),
      ]}
      empty={<p>This service has no authority of its own.</p>}
    />
  );
}

function Manufacturers({ status: { manufacturers } }: { readonly status: CaStatus }) {
  const rows = manufacturers.flatMap(({ group, anchors, lists }) => [
    ...anchors.map(({ subject, notAfter, fingerprint }) => ({
      key: `${group.id} ${fingerprint}`,
      cells: [
        <a href={`/groups/${group.id}`}>{group.name}</a>,
        'trust anchor',
        subject,
        <Time at={notAfter} />,
        <ShortId id={fingerprint} />,
      ],
    })),
    ...lists.map(({ url, issuer, nextUpdate, stale, error, revoked }, at) => ({
      key: `${group.id} list ${url ?? at}`,
      cells: [
        <a href={`/groups/${group.id}`}>{group.name}</a>,
        <>revocation list {stale && <Badge tone="bad">stale</Badge>}</>,
        <>
          {issuer ?? url ?? 'unknown'}
          {error && `: ${error}`}
        </>,
        nextUpdate === undefined ? '' : <Time at={nextUpdate} />,
        revoked === undefined ? '' : `${count(revoked)} revoked`,
      ],
    })),
  ]);
  return (
    <SimpleTable
      label="Anchors and revocation lists of manufacturers"
      heads={['Group', 'What', 'Name', 'Ends', 'Fingerprint']}
      rows={rows}
      empty={
        <p>
          No group has a trust anchor: devices come in by pins or pre-shared keys only.{' '}
          <a href="/groups">Look at the groups</a>
        </p>
      }
    />
  );
}
