import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toBase64, utf8 } from '../../src/core/bytes.ts';
import { approveDevice, quarantineDevice } from '../../src/operator/devices.ts';
import { parseCertificate } from '../../src/pki/certificate.ts';
import { manufacturerKeyId } from '../../src/pki/public-key.ts';
import { pinOf } from '../../src/provision/pins.ts';
import { engineStatistics } from '../../src/secure/engine.ts';
import { withGroup } from '../support/enrollment.ts';
import { makeIdentities } from '../support/identities.ts';
import { askDatagram, contentOf, deviceRequest, paths, RawStream } from '../support/raw-coap.ts';
import { RawSession, type RawSessionOptions } from '../support/raw-session.ts';
import { refusalOf, startTestService, type TestService } from '../support/service.ts';
import { until } from '../support/until.ts';

/** Who comes in at the door of the running service: real sockets, real handshakes. */
const identities = makeIdentities(Date.now());
const { selfSigned, good, expired } = identities.named;
const leafOf = (chain: readonly Uint8Array[]) => parseCertificate(chain[0] ?? new Uint8Array());

const shared = utf8('the key of all lamps');
const master = utf8('the master of all meters');
const derivedFor = (identity: string) => new Uint8Array(createHmac('sha256', master).update(identity).digest());

let running: TestService;

beforeAll(async () => {
  running = await startTestService({
    devices: 3,
    settings: (settings) => {
      const pins = [selfSigned, expired].map(({ chain }) => pinOf(leafOf(chain).spki));
      const psk = [
        { identity: 'lamp-*', key: toBase64(shared), derived: false },
        { identity: 'meter-*', key: toBase64(master), derived: true },
      ];
      const { groups, ...rest } = withGroup(withGroup(settings, 'pinned', { pins }), 'keys', { psk });
      return { ...rest, groups: groups.map((row, at) => (at === 0 ? { ...row, admission: 'manual' } : row)) };
    },
  });
});
afterAll(async () => {
  await running.close();
  expect(engineStatistics().sessions).toBe(0);
});

describe.each([
  ['DTLS 1.2', 'udp', 0],
  ['TLS 1.2', 'tcp', 1],
] as const)('over %s', (_, transport, index) => {
  const enter = (options: Pick<RawSessionOptions, 'identity' | 'psk'>): Promise<RawSession> =>
    RawSession.open({ transport, port: running.port[transport], maxVersion: '1.2', ...options });

  const ask = (session: RawSession, path: string) =>
    transport === 'udp' ? askDatagram(session, deviceRequest(path)) : new RawStream(session).ask(deviceRequest(path));

  const codeFor = async (options: Pick<RawSessionOptions, 'identity' | 'psk'>): Promise<number> => {
    const session = await (await enter(options)).established();
    const { code } = await ask(session, paths.ownership);
    session.close();
    return code;
  };

  const operator = () => ({
    store: running.service.store,
    now: Date.now,
    actor: { kind: 'operator', name: 'anna', from: 'test' } as const,
  });

  it('a device waits with 5.03, comes in when it is approved, and is held in the middle of its session', async () => {
    const identity = running.device(index);
    const keyId = manufacturerKeyId(leafOf(identity.chain).spki);
    expect(await codeFor({ identity })).toBe(503);
    const attempt = await running.attempt((a) => refusalOf(a)?.evidence.keyId === keyId);
    expect(refusalOf(attempt)).toMatchObject({
      code: 'admit.pending',
      fix: `if it is yours: firstboot device approve ${keyId}`,
    });
    await approveDevice(operator(), keyId);
    const session = await (await enter({ identity })).established();
    expect(contentOf(await ask(session, paths.ownership))).toHaveProperty('devowneruuid');
    await quarantineDevice(operator(), keyId, { reason: 'odd' });
    expect((await ask(session, paths.ownership)).code).toBe(403);
    session.close();
  });

  it('pinned keys come in with a self-signed and with an expired certificate, another one is refused in the handshake', async () => {
    expect(await codeFor({ identity: selfSigned })).toBe(205);
    expect(await codeFor({ identity: expired })).toBe(205);
    const before = await running.service.store.devices({ limit: 100 });
    const stranger = await enter({ identity: good });
    await stranger.ended();
    expect(stranger.has('established')).toBe(false);
    const attempt = await running.attempt((a) => refusalOf(a)?.code === 'attest.unknown-issuer');
    expect(refusalOf(attempt)?.evidence).toMatchObject({ issuer: 'O=Acme, CN=Acme Root CA' });
    expect(await running.service.store.devices({ limit: 100 })).toHaveLength(before.length);
  });

  it('a device comes in with the key of its group, and another one with a key of its own', async () => {
    const lamp = `lamp-${transport}`;
    const meter = `meter-${transport}`;
    expect(await codeFor({ psk: { identity: utf8(lamp), key: shared } })).toBe(205);
    expect(await codeFor({ psk: { identity: utf8(meter), key: derivedFor(meter) } })).toBe(205);
    const devices = await running.service.store.devices({ limit: 100 });
    expect(devices.map(({ manufacturer: { subject } }) => subject)).toEqual(expect.arrayContaining([lamp, meter]));
  });

  it("a meter that has another one's key does not get through the handshake", async () => {
    const session = await enter({ psk: { identity: utf8('meter-b'), key: derivedFor('meter-a') } });
    // Over DTLS a Finished that does not verify is passed over in silence, until the time for the handshake is over.
    if (transport === 'tcp') await session.ended();
    else {
      await until(() => session.sent.length > 2);
      // What came later has been read and answered.
      expect(await codeFor({ psk: { identity: utf8('meter-c'), key: derivedFor('meter-c') } })).toBe(205);
    }
    expect(session.has('established')).toBe(false);
    if (transport === 'tcp') {
      const attempt = await running.attempt((a) => refusalOf(a)?.code === 'attest.wrong-psk');
      expect(refusalOf(attempt)?.evidence).toMatchObject({ identity: 'meter-b' });
    }
    session.cut();
  });
});
