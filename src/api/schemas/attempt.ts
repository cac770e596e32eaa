import Type from 'typebox';
import type { AttemptPeer } from '../../operator/attempt-peer.ts';
import type { ListedAttempt } from '../../operator/attempts.ts';
import {
  type Attempt,
  type AttemptEntry,
  type AttemptSummary,
  type RefusalCount,
  stages,
  verdicts,
} from '../../store/model.ts';
import {
  closed,
  count,
  errorCode,
  evidence,
  listOf,
  maybe,
  page,
  refusal,
  resource,
  text,
  time,
  uuid,
  which,
  words,
} from './parts.ts';

export const verdictOrOpen = words([...verdicts, 'open'], 'how it ended; open: it has not');
export const stage = words(stages, 'stage of the pipeline');
const verdict = words(
  verdicts,
  'provisioned: all steps were served; renewed: credentials only; refused: a stage said no; failed: a step broke; abandoned: the device went away',
);

const summaryFields = {
  id: uuid('UUIDv7: sorts by time'),
  keyId: maybe(uuid('key id of the device, once it is proven')),
  openedAt: time('when it began'),
  closedAt: maybe(time('when it ended; missing: it is open')),
  verdict: maybe(verdict),
  refusal: maybe(refusal),
  groupId: maybe(uuid('group that it was matched to, of a closed one')),
  ownerId: maybe(uuid('whose the device is, of a closed one')),
};

export const whichAttempt = which('attempt', 'its id, or the first 8 characters or more of it');

export const attemptSummary = resource<AttemptSummary>('AttemptSummary', 'A provisioning run in short.', summaryFields);

const peer = resource<AttemptPeer>('AttemptPeer', 'Who it was, as far as an attempt has it.', {
  subject: maybe(text('subject of the certificate that it presented, believed or not')),
  pskIdentity: maybe(text('PSK identity; in hexadecimal (0x...) when it is no text')),
  keyId: maybe(uuid('of the proven key, else of the certificate')),
  deviceId: maybe(text('device id that it asked with')),
  addresses: listOf<string>(Type.String(), 'host:port of each of its sessions'),
});

const listedAttempt = resource<ListedAttempt>('ListedAttempt', 'A provisioning run in short, with who it was.', {
  ...summaryFields,
  peer,
});

const at = time('when');
const transport = words(['coaps', 'coaps+tcp'], 'DTLS over UDP, or TLS over TCP');
const bytes = { bytesIn: count('bytes received'), bytesOut: count('bytes sent') };
const duration = Type.Number({ minimum: 0, description: 'ms' });
const type = <const T extends string>(name: T) => Type.Literal(name, { description: 'kind of the entry' });
const names = Type.Array(Type.String());
const stageTook = Type.Object(
  {
    after: Type.Number({
      minimum: 0,
      description: 'ms from `at`, when the device asked, to the beginning of the stage',
    }),
    ms: Type.Number({ minimum: 0, description: "ms of the stage's own work" }),
  },
  { ...closed, description: 'time of the stage; missing where nobody measured it' },
);

const entry = Type.Unsafe<AttemptEntry>(
  Type.Union(
    [
      Type.Object({ at, type: type('opened'), transport, peer: text('host:port') }, closed),
      Type.Object({ at, type: type('session'), transport, peer: text('host:port') }, closed),
      Type.Object(
        {
          at,
          type: type('client-hello'),
          version: text('protocol version'),
          cipherSuites: names,
          groups: names,
          signatureAlgorithms: names,
          serverName: maybe(text('SNI')),
        },
        closed,
      ),
      Type.Object(
        {
          at,
          type: type('handshake'),
          version: text('protocol version'),
          cipherSuite: text('cipher suite'),
          ms: duration,
          roundTrips: maybe(count('round trips')),
        },
        closed,
      ),
      Type.Object(
        { at, type: type('chain'), certificates: Type.Array(text('PEM'), { description: 'as presented, leaf first' }) },
        closed,
      ),
      Type.Object(
        {
          at,
          type: type('stage'),
          stage,
          result: words(['ok', 'refused'], 'result'),
          facts: evidence,
          refusal: maybe(refusal),
          took: maybe(stageTook),
        },
        closed,
      ),
      Type.Object(
        {
          at,
          type: type('exchange'),
          method: text('CoAP method'),
          path: text('path'),
          code: count('CoAP code, class * 100 + detail'),
          ...bytes,
          ms: duration,
          roundTrips: count('messages of the peer that it took'),
        },
        closed,
      ),
      Type.Object(
        { at, type: type('alarm'), kind: words(['two-places', 'ids-in-turns'], 'kind of alarm'), evidence },
        closed,
      ),
      Type.Object(
        { at, type: type('alert'), direction: words(['sent', 'received'], 'direction'), name: text('TLS alert') },
        closed,
      ),
      Type.Object({ at, type: type('status'), flags: count('provisioning status flags, a bit set') }, closed),
      Type.Object(
        {
          at,
          type: type('closed'),
          verdict,
          refusal: maybe(refusal),
          ...bytes,
          groupId: maybe(uuid('group that it was matched to')),
          ownerId: maybe(uuid('whose the device is')),
        },
        closed,
      ),
    ],
    { $id: 'AttemptEntry', description: 'Something that happened in an attempt.' },
  ),
);

export const attempt = resource<Attempt>('Attempt', 'Everything that happened in one provisioning run.', {
  id: uuid('UUIDv7: sorts by time'),
  entries: listOf<AttemptEntry>(entry, 'in order; the first is `opened`, the last of a finished run `closed`'),
});

const refusalCount = resource<RefusalCount>('RefusalCount', 'Refusals of strangers in one hour.', {
  hour: time('start of the hour'),
  code: errorCode,
  count: count('how many'),
  recorded: count('how many of them have an attempt on record'),
});

export const refusalCounts = Type.Unsafe<{ readonly items: readonly RefusalCount[] }>(
  Type.Object({ items: Type.Array(refusalCount) }, { ...closed, $id: 'RefusalCounts' }),
);

export const attemptPage = page<ListedAttempt>('AttemptPage', listedAttempt);
