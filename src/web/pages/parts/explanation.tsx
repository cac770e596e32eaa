import type { ExplainedCertificate, Explanation } from '../../../operator/explain.ts';
import { Badge } from '../../parts/badge.tsx';
import { Facts } from '../../parts/facts.tsx';
import { utc } from '../../parts/words.ts';
import { Evidence } from './evidence.tsx';
import { Reason } from './reason.tsx';

/** The explain report: verdict, first cause, what was seen, what would help, the chain as it came and as it would have to be. */
export function ExplanationView({
  explanation,
  heading,
  judgedBy,
}: {
  readonly explanation: Explanation;
  readonly heading: string;
  readonly judgedBy: string;
}) {
  const { verdict, refusal, group, by, at, stage, presented, path, needed } = explanation;
  return (
    <section class={`report ${verdict === 'accepted' ? 'tone-good' : 'tone-bad'}`}>
      <h3>{heading}</h3>
      <p class="verdict">
        <Badge tone={verdict === 'accepted' ? 'good' : 'bad'}>{verdict}</Badge>
        {group && (
          <>
            {' '}
            {verdict === 'accepted' ? 'into' : 'by'} group <a href={`/groups/${group.id}`}>{group.name}</a>
          </>
        )}
        {verdict === 'refused' && ` at stage ${stage}`}
      </p>
      {refusal && <Reason refusal={refusal} />}
      {by && Object.keys(by).length > 0 && (
        <>
          <h4>Matched by</h4>
          <Evidence facts={by} />
        </>
      )}
      <p class="muted">
        judged for {utc(at)} {judgedBy}
      </p>
      <Chain title="The chain as presented" certificates={presented} />
      {!samePlaces(path, presented) && (
        <details>
          <summary>The path as it was built</summary>
          <Chain title="The path as it was built" certificates={path} />
        </details>
      )}
      {needed.length > 0 && (
        <>
          <h4>The chain as it would have to be</h4>
          <ol class="needed" start={0}>
            {needed.map((line) => (
              <li key={line}>{line}</li>
            ))}
          </ol>
        </>
      )}
    </section>
  );
}

function Chain({
  title,
  certificates,
}: {
  readonly title: string;
  readonly certificates: readonly ExplainedCertificate[];
}) {
  if (certificates.length === 0) return null;
  return (
    <>
      <h4>{title}</h4>
      <ol class="chain" start={0}>
        {certificates.map((certificate) => (
          <CertificateCard key={certificate.fingerprint} certificate={certificate} />
        ))}
      </ol>
    </>
  );
}

function CertificateCard({ certificate }: { readonly certificate: ExplainedCertificate }) {
  const { subject, issuer, serial, key, dates, notAfter, subjectKeyId, authorityKeyId, presented, anchor, findings } =
    certificate;
  const origin = anchor ? 'registered trust anchor' : presented ? undefined : 'registered intermediate';
  return (
    <li class={findings.length > 0 ? 'certificate tone-bad' : 'certificate'}>
      <strong>{subject ?? 'a certificate that cannot be read'}</strong>
      {origin && (
        <>
          {' '}
          <Badge tone="info">{origin}</Badge>
        </>
      )}
      {subject !== undefined && (
        <Facts
          facts={[
            ['issued by', issuer ?? 'nobody'],
            ['serial', serial],
            ['key', key],
            ['dates', <span title={notAfter === undefined ? '' : `until ${utc(notAfter)}`}>{dates}</span>],
            ['key id', subjectKeyId ?? 'none'],
            ['signed by key', authorityKeyId ?? 'it does not name one'],
          ]}
        />
      )}
      {findings.length > 0 && <p class="finding">{findings.join(', ')}</p>}
    </li>
  );
}

const samePlaces = (a: readonly ExplainedCertificate[], b: readonly ExplainedCertificate[]): boolean =>
  a.length === 0 || (a.length === b.length && a.every(({ fingerprint }, at) => fingerprint === b[at]?.fingerprint));
