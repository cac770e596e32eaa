import { isoTime, type Millis } from '../core/clock.ts';
import { type Evidence, errorTable, type Refusal, unreachable } from '../core/errors.ts';
import { statusNames } from '../core/status.ts';
import { counted } from '../core/words.ts';
import { certificateInPem } from '../pki/certificate.ts';
import type { Attempt, AttemptEntry } from '../store/model.ts';

/**
 * An attempt as a timeline for people: one line for each thing that happened, with ms since its beginning in front, and
 * what was seen and what would help below a refusal. Texts of the peer are in it as recorded: escape them for a terminal.
 */
export function attemptLines({ id, entries }: Attempt): string[] {
  const begin = entries[0]?.at ?? 0;
  const last = entries.at(-1)?.at ?? begin;
  const widest = `+${last - begin} ms`.length;
  const indent = ' '.repeat(widest + 2);
  return [
    `attempt ${id}, ${isoTime(begin)}, ${durationText(last - begin)}`,
    ...entries.flatMap((entry) => {
      const [first = '', ...more] = entryLines(entry);
      return [`${`+${entry.at - begin} ms`.padStart(widest)}  ${first}`, ...more.map((line) => `${indent}  ${line}`)];
    }),
    ...totals(entries),
  ];
}

function entryLines(entry: AttemptEntry): string[] {
  switch (entry.type) {
    case 'opened':
      return [`opened over ${transportName(entry.transport)} from ${entry.peer}`];
    case 'session':
      return [`another session over ${transportName(entry.transport)} from ${entry.peer}`];
    case 'client-hello':
      return [
        `ClientHello: ${entry.version}${entry.serverName === undefined ? '' : ` for ${entry.serverName}`}`,
        `suites ${listText(entry.cipherSuites)}`,
        `groups ${listText(entry.groups)}`,
        `signatures ${listText(entry.signatureAlgorithms)}`,
      ];
    case 'handshake':
      return [`handshake done: ${entry.version}, ${entry.cipherSuite}, ${durationText(entry.ms)}`];
    case 'chain':
      return ['chain as presented', ...entry.certificates.map((pem, depth) => `${depth}: ${subjectOf(pem)}`)];
    case 'stage': {
      const facts = factsText(entry.facts);
      const took = entry.took ? `, ${durationText(entry.took.ms)}` : '';
      if (entry.result === 'ok') return [`${entry.stage}: ok${took}${facts === '' ? '' : ` (${facts})`}`];
      return [
        `${entry.stage}: refused${took}${entry.facts.step === undefined ? '' : ` (step ${entry.facts.step})`}`,
        ...(entry.refusal ? refusalLines(entry.refusal) : []),
      ];
    }
    case 'exchange': {
      const { method, path, code, bytesIn, bytesOut, ms, roundTrips } = entry;
      const times = counted(roundTrips, 'round trip');
      return [
        `${method} ${path} -> ${codeText(code)}, ${bytesIn} bytes in, ${bytesOut} out, ${durationText(ms)}, ${times}`,
      ];
    }
    case 'alarm':
      return [`ALARM ${entry.kind}`, factsText(entry.evidence)];
    case 'alert':
      return [`alert ${entry.name} ${entry.direction}`];
    case 'status':
      return [`status: ${statusNames(entry.flags).join(', ') || 'nothing done'}`];
    case 'closed':
      return [
        `${entry.verdict}${entry.refusal ? `: ${entry.refusal.code}` : ''}, ${entry.bytesIn} bytes in, ${entry.bytesOut} out`,
      ];
    default:
      return unreachable(entry);
  }
}

/** A refusal in three lines: what, what was seen, what would help. */
export function refusalLines({ code, evidence, fix }: Refusal): string[] {
  const facts = factsText(evidence);
  return [
    `${code}: ${errorTable[code].text}`,
    ...(facts === '' ? [] : [`seen: ${facts}`]),
    ...(fix === '' ? [] : [`fix:  ${fix}`]),
  ];
}

const factsText = (facts: Evidence): string =>
  Object.entries(facts)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');

function totals(entries: readonly AttemptEntry[]): string[] {
  const exchanges = entries.filter((entry) => entry.type === 'exchange');
  if (exchanges.length === 0) return [];
  const trips = exchanges.reduce((sum, { roundTrips }) => sum + roundTrips, 0);
  const time = exchanges.reduce((sum, { ms }) => sum + ms, 0);
  return [
    `${counted(exchanges.length, 'request')}, ${counted(trips, 'round trip')}, answered in ${durationText(time)} altogether`,
  ];
}

const transportName = (transport: 'coaps' | 'coaps+tcp'): string => (transport === 'coaps' ? 'DTLS' : 'TLS');

/** 205 -> 2.05 (RFC 7252 §3). */
const codeText = (code: number): string => `${Math.floor(code / 100)}.${String(code % 100).padStart(2, '0')}`;

/** 0.31 ms, 23 ms, 12.5 s. */
function durationText(ms: Millis): string {
  if (ms < 10) return `${Number(ms.toPrecision(2))} ms`;
  return ms < 10_000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

const listText = (names: readonly string[]): string => (names.length === 0 ? 'none' : names.join(' '));

function subjectOf(pem: string): string {
  const certificate = certificateInPem(pem);
  if (!certificate) return 'cannot be read';
  const { subject, issuer, serial, notAfter } = certificate;
  return `${subject.text}, issued by ${issuer.text}, serial ${serial}, until ${isoTime(notAfter)}`;
}
