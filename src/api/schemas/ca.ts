import Type, { type Static } from 'typebox';
import type { AuthorityFacts, CaStatus, ListStatus, ManufacturerStatus } from '../../operator/ca.ts';
import type { CutOff, Rehearsal } from '../../operator/ca-rehearsal.ts';
import type { Rotation } from '../../operator/ca-rotation.ts';
import {
  closed,
  count,
  flag,
  hex,
  listOf,
  maybe,
  named,
  outcome,
  part,
  resource,
  text,
  time,
  uuid,
  words,
} from './parts.ts';

const certificateFields = {
  subject: text('its name'),
  fingerprint: hex('SHA-256'),
  notBefore: time('valid from'),
  notAfter: time('valid until'),
};
const authorityFields = { ...certificateFields, keyId: hex('key id') };

const listStatus = resource<ListStatus>('ListStatus', "A manufacturer's revocation list.", {
  url: maybe(text('missing: it is written in the group')),
  issuer: maybe(text('who signed it')),
  revoked: maybe(count('certificates on it')),
  thisUpdate: maybe(time('when it was signed')),
  nextUpdate: maybe(time('when the next one is due')),
  fetchedAt: maybe(time('when it was fetched')),
  stale: flag('the next one is overdue, or it could never be fetched'),
  error: maybe(text('why the last try to fetch it failed')),
});

type Root = CaStatus['roots'][number];
type Issuing = CaStatus['issuing'][number];

const root = resource<Root>('RootAuthority', 'A root of ours.', {
  role: words(['present', 'announced', 'previous'], 'announced and previous: delivered beside the present one'),
  ...authorityFields,
});
const issuing = resource<Issuing>('IssuingAuthority', 'An issuing authority of ours.', {
  role: words(['present', 'retired'], 'retired: kept for its revocation list'),
  ...authorityFields,
  live: maybe(count('identity certificates of it that have not expired')),
  revoked: maybe(count('those of them that are revoked')),
  crlNumber: maybe(count('number of its last revocation list; 0: there was none yet')),
});
const anchor = part<Omit<AuthorityFacts, 'keyId'>>(certificateFields, 'a trust anchor');

export const caStatus = resource<CaStatus>('CaStatus', 'Authorities of ours and of manufacturers as they are now.', {
  roots: listOf(root, 'roots that devices get'),
  issuing: listOf(issuing, 'the present one first'),
  manufacturers: listOf(
    resource<ManufacturerStatus>('ManufacturerStatus', 'Trust anchors and revocation lists of a group.', {
      group: named,
      anchors: listOf(anchor, 'manufacturer roots'),
      lists: listOf(listStatus, 'revocation lists'),
    }),
    'by group',
  ),
});

export const rehearsal = resource<Rehearsal>('Rehearsal', 'Who is cut off if an anchor goes on a day.', {
  anchor: part<Rehearsal['anchor']>({
    kind: words(['own', 'manufacturer'], 'whose it is'),
    subject: text('its name'),
    fingerprint: hex('SHA-256'),
    notAfter: time('its own end'),
  }),
  on: time('the day'),
  devices: count('devices that were looked at'),
  cutOff: listOf(
    resource<CutOff>('CutOff', 'A device that is cut off.', {
      keyId: uuid('key id'),
      deviceId: maybe(uuid('device id')),
      subject: text('subject of its manufacturer certificate'),
      reason: words(
        ['signed-under-it', 'renewals-under-it', 'knows-no-other', 'no-other-anchor'],
        'what it depends on',
      ),
      until: time('end of the certificate it is about'),
    }),
    'devices that are cut off',
  ),
  renewing: count('devices that will have got by themselves what does not depend on it'),
  expired: count('devices whose manufacturer certificate has ended by then'),
});

export const rotationStages = ['announce', 'switch', 'retire'] as const;

export const rotationOutcome = outcome<Rotation>(
  'RotationOutcome',
  resource<Rotation>('Rotation', 'A step of a roll-over.', {
    stage: words(['issuing', ...rotationStages], 'the step'),
    next: listOf<string>(text('a step'), 'what is left to do, in order'),
    safeFrom: maybe(time('when the next step cuts nobody off')),
    cutOff: count('devices that this step cuts off'),
  }),
);

const { notBefore: _, ...endingFields } = certificateFields;
const ending = Type.Object(endingFields, closed);

export const horizon = Type.Object(
  {
    days: Type.Array(
      Type.Object({ day: time('start of the day'), count: count('credentials, not revoked, that end on it') }, closed),
      { description: 'in order; days on which nothing ends are left out' },
    ),
    issuers: Type.Array(ending, { description: 'roots and issuing authorities of ours' }),
    anchors: Type.Array(Type.Object({ ...endingFields, group: named }, closed), {
      description: 'manufacturer roots, by group',
    }),
  },
  { ...closed, $id: 'ExpiryHorizon', description: 'What ends when.' },
);
export type Horizon = Static<typeof horizon>;
