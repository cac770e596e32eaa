import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { concatBytes, fromHex } from '../../src/core/bytes.ts';
import { minutes, seconds } from '../../src/core/clock.ts';
import { errorTable } from '../../src/core/errors.ts';
import { limits } from '../../src/core/limits.ts';
import { seededRandom } from '../../src/core/random.ts';
import { SimulatedDevice } from '../../src/index.ts';
import { engineStatistics } from '../../src/secure/engine.ts';
import { residentBytes } from '../support/memory.ts';
import { damaged, drawn, pick } from '../support/mutation.ts';
import { askDatagram, contentOf, deviceRequest, paths } from '../support/raw-coap.ts';
import { RawSession } from '../support/raw-session.ts';
import {
  entriesOf,
  entryOf,
  refusalOf,
  SkippingTimers,
  startTestService,
  type TestService,
} from '../support/service.ts';
import { until } from '../support/until.ts';

/** Everything that can be thrown at the UDP port of the running service, from one seed. */
const random = seededRandom(20_251);
const datagrams = 100_000;
const oversized = 300;

/** The reference device's ClientHello (plgd-device c1). */
const clientHello = concatBytes(
  fromHex('16fefd0000000000000000006a0100005e000000000000005efefd'),
  seededRandom(1).bytes(32),
  fromHex(
    '0000000ec02bc023c02cc024c02fc03000ff01000026000a0006000400170018000d000e000c060306010503050104030401000b0002010000170000',
  ),
);

describe('the UDP port', () => {
  const timers = new SkippingTimers();
  let running: TestService;
  let open: RawSession;
  const attackers: Socket[] = [];

  beforeAll(async () => {
    running = await startTestService({ devices: 3, timers });
    open = await RawSession.open({ transport: 'udp', port: running.port.udp, identity: running.device(0) });
    await open.established();
    for (let k = 0; k < 48; k++) {
      const socket = createSocket('udp4');
      socket.on('message', () => undefined);
      socket.connect(running.port.udp, '127.0.0.1');
      await once(socket, 'connect');
      attackers.push(socket);
    }
  });
  afterAll(async () => {
    for (const socket of attackers) socket.close();
    await running.close();
  });

  const askTime = async (): Promise<unknown> => contentOf(await askDatagram(open, deviceRequest(paths.time))).time;

  it(`survives ${datagrams.toLocaleString('en')} hostile datagrams: others are served meanwhile, and nothing is left`, async () => {
    await askTime();
    const records = open.sent.filter(([type]) => type === 23);
    const attack = (): { readonly bytes: Uint8Array; readonly fromSession: boolean } => {
      const stranger = (bytes: Uint8Array) => ({ bytes, fromSession: false });
      switch (drawn(random, 8)) {
        case 0:
          return stranger(random.bytes(1 + drawn(random, 400)));
        case 1:
          return stranger(clientHello.subarray(0, drawn(random, clientHello.length)));
        case 2:
        case 3:
          return stranger(damaged(clientHello, random));
        case 4:
          return stranger(withCookie(random.bytes(drawn(random, 40))));
        case 5:
          // A record of a session that nobody has.
          return stranger(concatBytes(fromHex('17fefd0001000000000007'), fromHex('0040'), random.bytes(64)));
        case 6:
          return { bytes: damaged(pick(random, records), random), fromSession: true };
        default:
          return { bytes: pick(random, [damaged(clientHello, random), random.bytes(100)]), fromSession: true };
      }
    };

    const before = await residentBytes();
    const honest = await SimulatedDevice.create({
      endpoint: running.service.endpoints.udp ?? '',
      identity: { ...running.device(1), serviceCa: [running.pki.serviceCa.certificate.der] },
    });
    const provisioned = honest.provision();
    let served = 0;
    for (let sent = 0; sent < datagrams; ) {
      for (let burst = 0; burst < 100; burst++, sent++) {
        const { bytes, fromSession } = attack();
        if (fromSession) open.sendRaw(bytes);
        else if (bytes.length > 0) pick(random, attackers).send(bytes);
      }
      // Until the service has read them, 32 in a turn of the loop: what does not fit the socket's buffer would test nothing.
      for (let turn = 0; turn < 5; turn++) await setImmediate();
      if (sent % 5_000 === 0) {
        await askTime();
        served++;
      }
    }
    for (let k = 0; k < oversized; k++) {
      const head = pick(random, [clientHello, records[0] ?? clientHello, random.bytes(50)]);
      pick(random, attackers).send(concatBytes(head, random.bytes(20_000 + drawn(random, 40_000))));
      await setImmediate();
    }
    await askTime();
    expect(served).toBe(datagrams / 5_000);
    const report = await provisioned;
    expect(report.deviceId).toBe(honest.deviceId);
    await honest.close();

    // No stranger got as far as a session, so there is nothing to show for them but the two honest ones.
    expect(engineStatistics().sessions).toBeLessThanOrEqual(6);
    expect(running.service.provisioner.openAttempts).toBeLessThanOrEqual(2);
    expect((await residentBytes()) - before).toBeLessThan(64 << 20);
    expect(running.errors).toEqual([]);
  });

  it('survives handshakes whose later flights are damaged, and knows of each why it came to nothing', async () => {
    const rounds = 240;
    const earlier = (await running.attempts()).length;
    const before = await residentBytes();
    let hostile: RawSession[] = [];
    for (let k = 0; k < rounds; k++) {
      const from = 2 + drawn(random, 4);
      hostile.push(
        await RawSession.open({
          transport: 'udp',
          port: running.port.udp,
          identity: running.device(2),
          // The first two are the ClientHellos without and with the cookie.
          tamper: (bytes, index) => (index < from ? [bytes] : [damaged(bytes, random)]),
        }),
      );
      if (hostile.length < 16) continue;
      // Each has said who it is, and the service has read it: it came before a question that has been answered.
      await until(() => hostile.every(({ sent }) => sent.length > 2));
      await askTime();
      for (const session of hostile) session.cut();
      hostile = [];
      await askTime();
    }
    expect(engineStatistics().sessions).toBeLessThan(2 * limits.secure.halfOpen);
    // Whoever has gone silent is given up when the time for a handshake is over, or for a session in which nothing is said.
    await until(async () => {
      timers.skip(limits.secure.handshake + seconds(1));
      await askTime();
      return engineStatistics().sessions <= 2;
    });
    await running.service.provisioner.sweep(timers.now());
    const strangers = (await running.attempts()).slice(earlier).filter((attempt) => !entryOf(attempt, 'handshake'));
    expect(strangers.length).toBeGreaterThan(rounds / 6);
    for (const attempt of strangers) {
      const refusal = refusalOf(attempt);
      expect(Object.keys(errorTable)).toContain(refusal?.code);
      expect(refusal?.fix).not.toBe('');
      expect(entriesOf(attempt, 'client-hello')).toHaveLength(1);
    }
    expect((await residentBytes()) - before).toBeLessThan(64 << 20);
    expect(running.errors).toEqual([]);
  });

  it('has no session left when all have gone silent', async () => {
    open.cut();
    timers.skip(minutes(3));
    await until(() => engineStatistics().sessions === 0);
    expect(engineStatistics()).toMatchObject({ sessions: 0, jobs: 0 });
  });
});

/** The ClientHello with a cookie that nobody has given out; its lengths fit. */
function withCookie(cookie: Uint8Array): Uint8Array {
  const cookieAt = 60;
  const bytes = concatBytes(
    clientHello.subarray(0, cookieAt),
    Uint8Array.of(cookie.length),
    cookie,
    clientHello.subarray(cookieAt + 1),
  );
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  view.setUint16(11, 0x6a + cookie.length);
  view.setUint16(15, 0x5e + cookie.length);
  view.setUint16(23, 0x5e + cookie.length);
  return bytes;
}
