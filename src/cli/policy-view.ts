import { decodeCertificates } from '../codec/pem.ts';
import type { PolicyWarning } from '../config/place.ts';
import type { PolicyDocument } from '../config/policy.ts';
import type { Millis } from '../core/clock.ts';
import { parseCertificate } from '../pki/certificate.ts';
import { decodeCrls, readCrl } from '../pki/revocation-list.ts';
import type { EnrollmentGroup } from '../store/model.ts';
import { bad, shownPath, strong } from './output.ts';
import { plain } from './plain.ts';
import { table } from './table.ts';
import { moment, whenWords } from './times.ts';

/** What a policy says, for people: groups, hubs, certificates with their ends, revocation lists with their age. */
export function policyLines({ groups, hubs }: Pick<PolicyDocument, 'groups' | 'hubs'>, now: Millis): string[] {
  const names = new Map(hubs.map(({ id, name }) => [id, name]));
  const groupRows = groups.map((group) => [
    group.name,
    group.enabled ? group.admission : 'disabled',
    group.owner.name,
    group.hubs.map((id) => names.get(id) ?? id).join(', '),
    group.source,
  ]);
  const hubRows = hubs.map(({ name, id, gateways, source }) => [name, id, gateways.join(', '), source]);
  const certificates = groups.flatMap(authoritiesOf);
  const certificateRows = certificates.map(({ group, as, subject, notAfter }) => [
    subject,
    as,
    group,
    `${notAfter < now ? 'EXPIRED ' : ''}${moment(notAfter)} (${whenWords(notAfter, now)})`,
  ]);
  const crlRows = groups
    .flatMap(listsOf)
    .map(({ group, issuer, entries, thisUpdate, nextUpdate }) => [
      issuer,
      group,
      entries,
      thisUpdate === undefined ? '-' : moment(thisUpdate),
      nextUpdate === undefined ? '-' : `${nextUpdate < now ? 'STALE ' : ''}${moment(nextUpdate)}`,
    ]);
  return [
    ...section('groups', table(groupRows, ['name', 'admission', 'owner', 'hubs', 'written by'])),
    ...section('hubs', table(hubRows, ['name', 'id', 'gateways', 'written by'])),
    ...section('authorities', table(certificateRows, ['subject', 'as', 'group', 'ends'])),
    ...section('revocation lists', table(crlRows, ['issuer', 'group', 'entries', 'made', 'next due'])),
  ];
}

/** The same for programs, without keys. */
export const policyFacts = ({ groups, hubs }: Pick<PolicyDocument, 'groups' | 'hubs'>) => ({
  groups: groups.map((group) => ({
    id: group.id,
    name: group.name,
    owner: group.owner,
    enabled: group.enabled,
    admission: group.admission,
    hubs: group.hubs,
    source: group.source,
    authorities: authoritiesOf(group).map(({ as, subject, notAfter }) => ({ as, subject, notAfter })),
    revocationLists: listsOf(group),
  })),
  hubs: hubs.map(({ id, name, gateways, provider, source }) => ({ id, name, gateways, provider, source })),
});

export const warningLine = ({ file, line, key, text }: PolicyWarning): string =>
  `${bad('warning')} ${plain(`${shownPath(file)}, line ${line}${key && `, key ${key}`}: ${text}`)}`;

function authoritiesOf({ name, attestation: { x509 } }: EnrollmentGroup) {
  const parts = [
    ['anchor', x509?.anchors],
    ['lead', x509?.leads],
    ['intermediate', x509?.intermediates],
  ] as const;
  return parts.flatMap(([as, pems]) =>
    (pems ?? []).flatMap(decodeCertificates).map((der) => {
      const { subject, notAfter } = parseCertificate(der);
      return { group: name, as, subject: subject.text, notAfter };
    }),
  );
}

interface ListFacts {
  readonly group: string;
  readonly issuer: string;
  readonly entries: string;
  readonly thisUpdate: Millis | undefined;
  readonly nextUpdate: Millis | undefined;
}

function listsOf({ name, attestation: { x509 } }: EnrollmentGroup): ListFacts[] {
  const inFiles = (x509?.crls ?? []).flatMap(decodeCrls).map((der) => {
    const { issuer, revoked, thisUpdate, nextUpdate } = readCrl(der);
    return { group: name, issuer: issuer.text, entries: String(revoked.length), thisUpdate, nextUpdate };
  });
  const fetched = (x509?.crlUrls ?? []).map((url) => ({
    group: name,
    issuer: url,
    entries: 'fetched while the service runs',
    thisUpdate: undefined,
    nextUpdate: undefined,
  }));
  return [...inFiles, ...fetched];
}

const section = (title: string, lines: readonly string[]): string[] => [strong(title), ...lines.map(indented), ''];

const indented = (line: string): string => `  ${line}`;
