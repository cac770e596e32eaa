import type { ComponentChildren } from 'preact';
import type { Evidence, Refusal } from '../../../core/errors.ts';
import type { Attempt, AttemptEntry, StageTook } from '../../../store/model.ts';
import { bytes, plural, utc } from '../../parts/words.ts';
import { Evidence as EvidenceList } from './evidence.tsx';
import { flagNames } from './flags.ts';
import { Reason } from './reason.tsx';
import { spanText } from './span.ts';
import { TextBlock } from './text-block.tsx';

/** What happened in an attempt, in order: ms since its beginning, and each kind of entry in words. */
export function AttemptTimeline({ attempt }: { readonly attempt: Pick<Attempt, 'entries'> }) {
  const begin = attempt.entries[0]?.at ?? 0;
  return (
    <ol class="timeline" aria-label="What happened">
      {attempt.entries.map((entry, at) => (
        <li key={at} class={`timeline-entry ${toneOf(entry)}`}>
          <span class="timeline-time" title={utc(entry.at)}>
            +{entry.at - begin} ms
          </span>
          <div class="timeline-body">
            <EntryView entry={entry} />
          </div>
        </li>
      ))}
    </ol>
  );
}

function EntryView({ entry }: { readonly entry: AttemptEntry }) {
  switch (entry.type) {
    case 'opened':
      return <Line title={`opened over ${transportNames[entry.transport]}`}>from {entry.peer}</Line>;
    case 'session':
      return <Line title={`another session over ${transportNames[entry.transport]}`}>from {entry.peer}</Line>;
    case 'client-hello':
      return (
        <details>
          <summary>
            <strong>ClientHello</strong> {entry.version}
            {entry.serverName ? ` for ${entry.serverName}` : ''}, {entry.cipherSuites.length} cipher suites
          </summary>
          <EvidenceList
            facts={{
              suites: entry.cipherSuites.join(' '),
              groups: entry.groups.join(' '),
              signatures: entry.signatureAlgorithms.join(' '),
            }}
          />
        </details>
      );
    case 'handshake':
      return (
        <Line title="handshake done">
          {entry.version}, {entry.cipherSuite}, {spanText(entry.ms)}
        </Line>
      );
    case 'chain':
      return (
        <details>
          <summary>
            <strong>chain as presented</strong>, {plural(entry.certificates.length, 'certificate')}
          </summary>
          <TextBlock text={entry.certificates.join('\n')} />
        </details>
      );
    case 'stage':
      return <StageView {...entry} />;
    case 'exchange':
      return (
        <Line title={`${entry.method} ${entry.path}`}>
          {codeText(entry.code)}, {bytes(entry.bytesIn)} in, {bytes(entry.bytesOut)} out, {spanText(entry.ms)},{' '}
          {plural(entry.roundTrips, 'round trip')}
        </Line>
      );
    case 'alarm':
      return (
        <>
          <strong>alarm: {entry.kind}</strong>
          <EvidenceList facts={entry.evidence} />
        </>
      );
    case 'alert':
      return <Line title={`alert ${entry.name}`}>{entry.direction}</Line>;
    case 'status':
      return <Line title="status of the device">{flagNames(entry.flags).join(', ') || 'nothing done yet'}</Line>;
    case 'closed':
      return (
        <>
          <Line title={entry.verdict}>
            {bytes(entry.bytesIn)} in, {bytes(entry.bytesOut)} out
          </Line>
          {entry.refusal && <Reason refusal={entry.refusal} brief />}
        </>
      );
  }
}

function StageView({
  stage,
  result,
  facts,
  refusal,
  took,
}: {
  readonly stage: string;
  readonly result: 'ok' | 'refused';
  readonly facts: Evidence;
  readonly refusal?: Refusal;
  readonly took?: StageTook;
}) {
  return (
    <>
      <Line title={`${stage}: ${result}`}>{took && spanText(took.ms)}</Line>
      {refusal ? <Reason refusal={refusal} /> : <EvidenceList facts={facts} />}
    </>
  );
}

const Line = ({ title, children }: { readonly title: string; readonly children?: ComponentChildren }) => (
  <div class="timeline-line">
    <strong>{title}</strong> <span class="muted">{children}</span>
  </div>
);

function toneOf(entry: AttemptEntry): string {
  if (entry.type === 'alarm') return 'tone-warning';
  if (entry.type === 'stage') return entry.result === 'ok' ? 'tone-good' : 'tone-bad';
  if (entry.type !== 'closed') return '';
  return entry.verdict === 'provisioned' || entry.verdict === 'renewed' ? 'tone-good' : 'tone-bad';
}

const transportNames = { coaps: 'DTLS (UDP)', 'coaps+tcp': 'TLS (TCP)' } as const;

/** 205 -> 2.05 (RFC 7252 §3). */
const codeText = (code: number): string => `${Math.floor(code / 100)}.${String(code % 100).padStart(2, '0')}`;
