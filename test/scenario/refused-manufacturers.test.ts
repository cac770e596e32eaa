import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { days } from '../../src/core/clock.ts';
import { errorTable } from '../../src/core/errors.ts';
import { engineStatistics } from '../../src/secure/engine.ts';
import type { Attempt } from '../../src/store/model.ts';
import { manufacturer, withGroup } from '../support/enrollment.ts';
import { type IdentityName, makeIdentities, type TestIdentity } from '../support/identities.ts';
import { askDatagram, contentOf, deviceRequest, paths, RawStream } from '../support/raw-coap.ts';
import { RawSession } from '../support/raw-session.ts';
import { entryOf, refusalOf, startTestService, type TestService } from '../support/service.ts';

/** Every named manufacturer identity, good and bad, at the door of the running service (certs/README.md lists them). */
const identities = makeIdentities(Date.now());

/** What each bad one sees of the refusal, and what its record says beside the reason. */
const refusals: Partial<Record<IdentityName, { readonly alert: string; readonly evidence: Record<string, unknown> }>> =
  {
    expired: { alert: 'certificate_expired', evidence: { depth: 0, notAfter: expect.stringMatching(/^\d{4}-/) } },
    notYetValid: { alert: 'bad_certificate', evidence: { depth: 0, notBefore: expect.stringMatching(/^\d{4}-/) } },
    unknownAuthority: { alert: 'unknown_ca', evidence: { issuer: expect.stringContaining('Stranger') } },
    lookAlikeAuthority: { alert: 'unknown_ca', evidence: { registeredKeyId: expect.stringMatching(/^[0-9a-f]{40}$/) } },
    selfSigned: { alert: 'unknown_ca', evidence: { depth: 0 } },
    serverUsageOnly: { alert: 'unsupported_certificate', evidence: { extendedKeyUsage: expect.any(String) } },
    incomplete: { alert: 'unknown_ca', evidence: { presented: 1, nearestGroup: 'Acme' } },
    expiredIntermediate: { alert: 'certificate_expired', evidence: { depth: 1 } },
    notAnAuthority: { alert: 'unknown_ca', evidence: {} },
    endEntityAsAuthority: { alert: 'unknown_ca', evidence: {} },
    pathTooLong: { alert: 'unknown_ca', evidence: { finding: 'PATH_LENGTH_EXCEEDED' } },
    unknownCriticalExtension: { alert: 'certificate_unknown', evidence: {} },
    alteredSignature: { alert: 'decrypt_error', evidence: { depth: 0 } },
    sha1Signature: { alert: 'bad_certificate', evidence: { signature: expect.stringContaining('SHA1') } },
    weakKey: { alert: 'bad_certificate', evidence: { key: expect.stringContaining('1024') } },
    revoked: { alert: 'certificate_revoked', evidence: { serial: expect.stringMatching(/^[0-9a-f]+$/) } },
  };

const all = Object.entries(identities.named) as [IdentityName, TestIdentity][];
const good = all.filter(([, { expected }]) => expected === 'accepted');
const bad = all.filter(([, { expected }]) => expected !== 'accepted');

const channels = [
  ['DTLS 1.2', 'udp', '1.2'],
  ['TLS 1.2', 'tcp', '1.2'],
  ['TLS 1.3', 'tcp', '1.3'],
] as const;

let running: TestService;
let graceful: TestService;

beforeAll(async () => {
  const { anchors, crls } = identities;
  running = await startTestService({
    settings: (settings) => withGroup(settings, 'Acme', manufacturer({ anchors, crls })),
  });
  graceful = await startTestService({
    settings: (settings) => withGroup(settings, 'Acme', manufacturer({ anchors, expiredGrace: days(2) })),
  });
});
afterAll(async () => {
  await running.close();
  await graceful.close();
  expect(engineStatistics().sessions).toBe(0);
});

it('every bad identity has its line in the table above', () => {
  expect(Object.keys(refusals).toSorted()).toEqual(bad.map(([name]) => name).toSorted());
});

describe.each(channels)('over %s', (_, transport, maxVersion) => {
  const open = (identity: TestIdentity, service = running): Promise<RawSession> =>
    RawSession.open({ transport, port: service.port[transport], identity, maxVersion });

  const ask = (session: RawSession, path: string) =>
    transport === 'udp' ? askDatagram(session, deviceRequest(path)) : new RawStream(session).ask(deviceRequest(path));

  it.each(bad)('%s is refused: its own reason is on record, and it sees the right alert', async (name, identity) => {
    const at = Date.now();
    const before = await running.service.store.devices({ limit: 100 });
    const session = await open(identity);
    await session.ended();
    const alerts = session.events.flatMap((event) =>
      event.type === 'alert' && event.direction === 'received' ? [event.name] : [],
    );
    expect(alerts).toEqual([refusals[name]?.alert]);
    session.cut();

    const attempt = await running.attempt((a) => since(a, at) && entryOf(a, 'closed') !== undefined);
    expect(entryOf(attempt, 'closed')).toMatchObject({ verdict: 'refused' });
    const refusal = refusalOf(attempt);
    expect(refusal).toMatchObject({ code: identity.expected, evidence: refusals[name]?.evidence });
    expect(refusal?.fix).toMatch(/\w+ \w+/);
    // The record holds what it showed, and what it was told.
    expect(entryOf(attempt, 'chain')?.certificates).toHaveLength(identity.chain.length);
    expect(entryOf(attempt, 'alert')).toMatchObject({ direction: 'sent', name: refusals[name]?.alert });
    expect(await running.service.store.devices({ limit: 100 })).toEqual(before);
  });

  it.each(good)('%s is let in', async (name, identity) => {
    const session = await (await open(identity)).established();
    expect(contentOf(await ask(session, paths.ownership))).toHaveProperty('devowneruuid');
    session.close();
    const { chain } = identities.named[name];
    const devices = await running.service.store.devices({ limit: 100 });
    const keys = devices.map(({ manufacturer: { certificate = '' } }) =>
      certificate.replaceAll(/-----.*-----|\s/g, ''),
    );
    expect(keys).toContain(Buffer.from(chain[0] ?? []).toString('base64'));
  });

  it('an expired one within the grace of its group is let in, one whose intermediate expired is told 4.01', async () => {
    const late = await (await open(identities.named.expired, graceful)).established();
    expect(contentOf(await ask(late, paths.ownership))).toHaveProperty('devowneruuid');
    late.close();

    const at = Date.now();
    const broken = await (await open(identities.named.expiredIntermediate, graceful)).established();
    const { code, payload } = await ask(broken, paths.time);
    expect([code, Buffer.from(payload).toString()]).toEqual([
      401,
      `attest.authority-expired: ${errorTable['attest.authority-expired'].text}`,
    ]);
    broken.close();
    const attempt = await graceful.attempt((a) => since(a, at) && refusalOf(a) !== undefined);
    expect(refusalOf(attempt)).toMatchObject({ code: 'attest.authority-expired', evidence: { depth: 1 } });
  });
});

it('a device that does not hold the key of its certificate is refused, and the record says so', async () => {
  const session = await RawSession.open({
    transport: 'tcp',
    port: running.port.tcp,
    identity: identities.named.good,
    maxVersion: '1.2',
    tamper: (bytes) => [withOtherProof(bytes)],
  });
  await session.ended();
  expect(session.events).toContainEqual(expect.objectContaining({ type: 'alert', name: 'decrypt_error' }));
  session.cut();
  const attempt = await running.attempt((a) => refusalOf(a)?.evidence.error === 'bad signature');
  expect(refusalOf(attempt)).toMatchObject({ code: 'attest.wrong-key', fix: expect.stringContaining('private key') });
});

it('no certificate was ever issued to any of them', async () => {
  for (const { keyId } of await running.service.store.devices({ limit: 100 })) {
    expect(await running.service.store.credentials(keyId)).toEqual([]);
  }
  expect([...running.errors, ...graceful.errors]).toEqual([]);
});

const since = ({ entries }: Attempt, at: number): boolean => (entries[0]?.at ?? 0) >= at;

/** Changes the signature in a CertificateVerify (RFC 5246 §7.4.8), which is a record of its own and in clear. */
function withOtherProof(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(bytes);
  for (let at = 0; at + 5 <= copy.length; ) {
    const end = at + 5 + (((copy[at + 3] ?? 0) << 8) | (copy[at + 4] ?? 0));
    if (copy[at] === 22 && copy[at + 5] === 15) copy[end - 1] = (copy[end - 1] ?? 0) ^ 1;
    at = end;
  }
  return copy;
}
