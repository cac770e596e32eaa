import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseCoapUri } from '../../src/coap/uri.ts';
import { decodePem } from '../../src/codec/pem.ts';
import { toHex } from '../../src/core/bytes.ts';
import { seconds, systemTimers } from '../../src/core/clock.ts';
import { systemRandom } from '../../src/core/random.ts';
import { startGateway } from '../../src/gateway.ts';
import { parseCertificate } from '../../src/pki/certificate.ts';
import { createEndEntity } from '../../src/pki/end-entity.ts';
import { uuidSubject } from '../../src/pki/name.ts';
import { profiles } from '../../src/pki/profile.ts';
import { readCrl } from '../../src/pki/revocation-list.ts';
import { keyIdOf } from '../../src/pki/roll-over.ts';
import type { Identity } from '../../src/secure/association.ts';
import { createSecureContext } from '../../src/secure/engine.ts';
import { dial } from '../../src/transport/client.ts';
import { SkippingTimers, startTestService, type TestService } from '../support/service.ts';
import { someCredential } from '../support/store-records.ts';

/** The service's revocation lists over HTTP on real sockets, and a gateway that goes by them. */
describe('revocation lists over HTTP', () => {
  const timers = new SkippingTimers();
  let running: TestService;
  let keyId: string;
  beforeAll(async () => {
    running = await startTestService({ timers });
    keyId = keyIdOf(running.pki.authority.issuing);
  });
  afterAll(async () => {
    await running.close();
  });
  const get = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`${running.service.issuerUrl}${path}`, { headers });

  it('are those of the store, by the present authority, by key id and all together', async () => {
    const serial = '5a'.repeat(16);
    await running.service.store.addCredential(
      someCredential(serial, {
        issuerKeyId: keyId,
        notAfter: timers.now() + 1e9,
        revoked: { at: timers.now(), reason: 'affiliationChanged' },
      }),
    );
    timers.skip(seconds(2));
    const [present, named, all] = [await get('/crl'), await get(`/crl/${keyId}.crl`), await get('/crl.pem')];
    expect([present, named, all].map(({ status, headers }) => [status, headers.get('content-type')])).toEqual([
      [200, 'application/pkix-crl'],
      [200, 'application/pkix-crl'],
      [200, 'application/x-pem-file'],
    ]);
    const der = new Uint8Array(await present.arrayBuffer());
    expect(readCrl(der).revoked).toEqual([expect.objectContaining({ serial, reason: 'affiliationChanged' })]);
    expect(toHex(new Uint8Array(await named.arrayBuffer()))).toBe(toHex(der));
    expect(decodePem(await all.text()).map((block) => toHex(block.der))).toEqual([toHex(der)]);
  });

  it('may be cached until they are signed again, and are not sent twice', async () => {
    const first = await get('/crl');
    const { nextUpdate, thisUpdate } = readCrl(new Uint8Array(await first.arrayBuffer()));
    expect(Date.parse(first.headers.get('expires') ?? '')).toBe(nextUpdate);
    expect(Date.parse(first.headers.get('last-modified') ?? '')).toBe(thisUpdate);
    expect(first.headers.get('cache-control')).toMatch(/^public, max-age=3[0-9]{3}$/);
    const again = await get('/crl', { 'if-none-match': first.headers.get('etag') ?? '' });
    expect([again.status, await again.text()]).toEqual([304, '']);
  });

  it.each(['/crl/ffff.crl', '/crl/nothing', '/crl/..%2f..%2ftoken-key.pem'])('%s is not there', async (path) => {
    expect((await get(path)).status).toBe(404);
  });

  it('keep a revoked device out of a gateway, from its first session on', async () => {
    const { pki, service } = running;
    const { hubId, gateway: identity, authority } = pki;
    const { trustAnchors } = authority;
    const gateway = await startGateway({
      host: '127.0.0.1',
      port: 0,
      hubId,
      identity,
      trustAnchors,
      issuer: service.issuerUrl,
      timers,
    });
    try {
      const deviceId = '21565d33-acc1-44ce-5dd0-25c86cbd0bce';
      const identityOf = () => {
        const { chain, privateKey } = createEndEntity({
          issuer: authority.issuing,
          profile: profiles.identity,
          subject: uuidSubject(deviceId),
          altNames: [],
          now: timers.now(),
          random: systemRandom,
        });
        return { chain: [...chain, ...authority.chain], privateKey };
      };
      const [good, bad] = [identityOf(), identityOf()];
      const { serial, notAfter } = parseCertificate(bad.chain[0] ?? new Uint8Array());
      expect([await comesIn(gateway.uri, good), await comesIn(gateway.uri, bad)]).toEqual([true, true]);
      await service.store.addCredential(
        someCredential(serial, {
          issuerKeyId: keyId,
          notAfter,
          revoked: { at: timers.now(), reason: 'keyCompromise' },
        }),
      );
      const open = session(gateway.uri, bad);
      expect(await open.ask()).toBe(205);
      timers.skip(seconds(150));
      expect(await open.ask()).toBe(205);
      timers.skip(seconds(151));
      await open.ended;
      expect([await comesIn(gateway.uri, good), await comesIn(gateway.uri, bad)]).toEqual([true, false]);
    } finally {
      await gateway.close();
    }
  });
});

/** Whether a request is answered: a client of TLS 1.3 learns of a refused certificate only then. */
async function comesIn(uri: string, identity: Identity): Promise<boolean> {
  const { ask, close } = session(uri, identity);
  const code = await ask();
  close();
  return code === 205;
}

function session(uri: string, identity: Identity) {
  const parsed = parseCoapUri(uri);
  if (!parsed.ok) throw new Error(uri);
  const waiting = new Map<number, (code: number | undefined) => void>();
  let up = (): void => undefined;
  let end = (): void => undefined;
  const established = new Promise<void>((resolve) => {
    up = resolve;
  });
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const dialed = dial({
    uri: parsed.value,
    context: createSecureContext({ transport: 'stream', role: 'client', identity, alpn: 'coap' }),
    timers: systemTimers,
    random: systemRandom,
    owner: () => (event) => {
      if (event.type === 'established') up();
      if (event.type === 'response') waiting.get(event.id)?.(event.response.code);
      if (event.type !== 'closed') return;
      up();
      end();
      for (const answer of waiting.values()) answer(undefined);
    },
  });
  return {
    ended,
    close: () => dialed.close(),
    ask: async (): Promise<number | undefined> => {
      await established;
      const id = dialed.request({ method: 'GET', path: ['x.plgd.dev', 'time'] });
      if (id === undefined) return undefined;
      return new Promise((resolve) => waiting.set(id, resolve));
    },
  };
}
