import type { ExplainedCertificate, Explanation } from '../../operator/explain.ts';
import type { AttemptExplanation, ChainExplanation } from '../../operator/operations.ts';
import { stage } from './attempt.ts';
import {
  count,
  evidence,
  flag,
  hex,
  listOf,
  maybe,
  named,
  refusal,
  resource,
  text,
  time,
  uuid,
  words,
} from './parts.ts';

const certificate = resource<ExplainedCertificate>(
  'ExplainedCertificate',
  'A certificate of a chain that was judged.',
  {
    subject: maybe(text('missing: it cannot be read')),
    issuer: maybe(text('name of its issuer')),
    serial: maybe(hex('serial number')),
    notBefore: maybe(time('valid from')),
    notAfter: maybe(time('valid until')),
    dates: text('the same in words: `expired 3 hours ago`'),
    key: maybe(text('kind of key')),
    subjectKeyId: maybe(hex('subject key id')),
    authorityKeyId: maybe(hex('authority key id')),
    fingerprint: hex('SHA-256 of the DER'),
    presented: flag('the device sent it'),
    anchor: flag('it is a registered trust anchor'),
    findings: listOf<string>(text('X509_V_ERR_* without the prefix'), 'what the path check found on it'),
  },
);

const explanation = resource<Explanation>('Explanation', 'What comes of a chain, and why.', {
  verdict: words(['accepted', 'refused'], 'what comes of it'),
  at: time('the time that it was judged for'),
  stage,
  refusal: maybe(refusal),
  group: maybe(named),
  by: maybe(evidence),
  keyId: maybe(uuid('key id of the device')),
  path: listOf(certificate, 'the path as far as it could be built, the device first; empty for what is only on record'),
  presented: listOf(certificate, 'the chain as it came'),
  needed: listOf<string>(text('a certificate'), 'the chain as it would have to be, where it is not that'),
});

export const chainExplanation = resource<ChainExplanation>(
  'ChainExplanation',
  'What comes of a chain by the present policy.',
  {
    explanation,
    groups: count('how many groups it was judged by'),
  },
);

export const attemptExplanation = resource<AttemptExplanation>(
  'AttemptExplanation',
  'What was decided on an attempt, and what the present policy says of it.',
  {
    attempt: uuid('its id'),
    recorded: explanation,
    now: maybe(explanation),
    groups: count('how many groups it was judged by'),
  },
);
