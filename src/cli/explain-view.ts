import { isoTime } from '../core/clock.ts';
import { refusalLines } from '../operator/attempt-report.ts';
import type { ExplainedCertificate, Explanation } from '../operator/explain.ts';
import { bad, faint, good, strong } from './output.ts';
import { plain } from './plain.ts';

/** An explanation for people. `judgedBy` says in words what it was judged by. */
export function explanationLines(explanation: Explanation, judgedBy: string): string[] {
  const { verdict, refusal, group, by, at, presented, path, needed } = explanation;
  const matched = Object.entries(by ?? {}).map(([name, value]) => `${name} ${value}`);
  const place = group === undefined ? '' : ` ${verdict === 'accepted' ? 'into' : 'by'} the group ${group.name}`;
  const [code = '', ...why] = refusal ? refusalLines(refusal) : [];
  return [
    refusal ? `${bad('refused')}${plain(place)}: ${strong(plain(code))}` : `${good('accepted')}${plain(place)}`,
    ...why.map((line) => `  ${plain(line)}`),
    ...(matched.length === 0 ? [] : [`  matched by ${plain(matched.join(', '))}`]),
    faint(`judged for ${isoTime(at)} ${judgedBy}`),
    ...section('the chain as presented', presented),
    ...(samePlaces(path, presented) ? [] : section('the path as it was built', path)),
    ...(needed.length === 0 ? [] : ['', strong('what would be needed'), ...needed.map((line) => `  ${plain(line)}`)]),
  ];
}

function section(title: string, certificates: readonly ExplainedCertificate[]): string[] {
  if (certificates.length === 0) return [];
  return ['', strong(title), ...certificates.flatMap((certificate, depth) => certificateLines(certificate, depth))];
}

function certificateLines(certificate: ExplainedCertificate, depth: number): string[] {
  const { subject, issuer, serial, key, dates, subjectKeyId, authorityKeyId, presented, anchor, findings } =
    certificate;
  const origin = anchor ? 'registered trust anchor' : presented ? undefined : 'registered intermediate';
  const head = `  ${depth}  ${plain(subject ?? 'a certificate that cannot be read')}${origin ? faint(`  (${origin})`) : ''}`;
  if (subject === undefined) return [head];
  return [
    head,
    `     issued by ${plain(issuer ?? 'nobody')}, serial ${serial}, ${key}, ${dates}`,
    faint(`     key id ${subjectKeyId ?? 'none'}, signed by the key ${authorityKeyId ?? 'that it does not name'}`),
    ...(findings.length === 0 ? [] : [`     ${bad(findings.join(', '))}`]),
  ];
}

const samePlaces = (a: readonly ExplainedCertificate[], b: readonly ExplainedCertificate[]): boolean =>
  a.length === b.length && a.every(({ fingerprint }, at) => fingerprint === b[at]?.fingerprint);
