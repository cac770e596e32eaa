import { afterAll, beforeAll, expect, test } from 'vitest';
import { RevocationGuard, revocationsOverHttp } from '../../src/cloud/gateway-revocations.ts';
import { days, systemTimers } from '../../src/core/clock.ts';
import { silentLog } from '../../src/core/log.ts';
import { systemRandom } from '../../src/core/random.ts';
import { parseCertificate } from '../../src/pki/certificate.ts';
import { createEndEntity } from '../../src/pki/end-entity.ts';
import { uuidSubject } from '../../src/pki/name.ts';
import { profiles } from '../../src/pki/profile.ts';
import { readCrl } from '../../src/pki/revocation-list.ts';
import { keyIdOf } from '../../src/pki/roll-over.ts';
import { startTestService, type TestService } from '../support/service.ts';
import { someCredential } from '../support/store-records.ts';

/** As many revoked certificates as a large owner may have, from the store over HTTP to a gateway that goes by them. */
const many = 100_000;
const now = Date.now();
let running: TestService;

beforeAll(async () => {
  running = await startTestService();
});
afterAll(() => running.close());

test('a list of 100,000 revoked certificates is published, and read and obeyed by a gateway', async () => {
  const { service, pki } = running;
  const { issuing, chain, trustAnchors } = pki.authority;
  const leaf = createEndEntity({
    issuer: issuing,
    profile: profiles.identity,
    subject: uuidSubject('21565d33-acc1-44ce-5dd0-25c86cbd0bce'),
    altNames: [],
    now,
    random: systemRandom,
  });
  const presented = [...leaf.chain, ...chain];
  const { serial } = parseCertificate(presented[0] ?? new Uint8Array());
  const revoked = { at: now, reason: 'superseded' as const };
  const credential = (name: string) =>
    someCredential(name, { issuerKeyId: keyIdOf(issuing), notAfter: now + days(80), revoked });
  const others = Array.from({ length: many - 1 }, (_, at) => credential(`5${at.toString(16).padStart(31, '0')}`));
  expect(await service.store.commit({ newCredentials: [credential(serial), ...others] })).toBe(true);

  const warnings: unknown[] = [];
  const guard = new RevocationGuard({
    fetch: revocationsOverHttp(service.issuerUrl, systemTimers),
    trustAnchors: () => trustAnchors,
    timers: systemTimers,
    log: { ...silentLog, warn: (fields) => void warnings.push(fields) },
  });
  let closed = false;
  const close = (): void => {
    closed = true;
  };
  await guard.enter({ presented, close }, now);
  guard.stop();
  expect(warnings).toEqual([]);
  const [der = new Uint8Array()] = guard.crls();
  expect(readCrl(der).revoked).toHaveLength(many);
  expect(closed).toBe(true);

  // Whoever asks again is told that it is still the same list: it was signed once.
  const etag = `"${keyIdOf(issuing).slice(0, 16)}-1"`;
  for (let at = 0; at < 12; at++) {
    const response = await fetch(`${service.issuerUrl}/crl`, { headers: { 'if-none-match': etag } });
    expect(response.status).toBe(304);
  }
});
