import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { concatBytes, fromHex, utf8 } from '../../src/core/bytes.ts';
import { minutes, seconds } from '../../src/core/clock.ts';
import { errorTable } from '../../src/core/errors.ts';
import { limits } from '../../src/core/limits.ts';
import { seededRandom } from '../../src/core/random.ts';
import { SimulatedDevice } from '../../src/index.ts';
import { engineStatistics } from '../../src/secure/engine.ts';
import type { Attempt } from '../../src/store/model.ts';
import { residentBytes } from '../support/memory.ts';
import { damaged, drawn } from '../support/mutation.ts';
import { contentOf, deviceRequest, paths, RawStream } from '../support/raw-coap.ts';
import { RawSession } from '../support/raw-session.ts';
import { entryOf, refusalOf, SkippingTimers, startTestService, type TestService } from '../support/service.ts';
import { until } from '../support/until.ts';

/** Everything that can be thrown at the TCP port of the running service, from one seed. */
const random = seededRandom(20_252);

describe('the TCP port', () => {
  const timers = new SkippingTimers();
  let running: TestService;
  let open: RawSession;
  let openStream: RawStream;
  const sockets: Socket[] = [];

  beforeAll(async () => {
    running = await startTestService({ devices: 3, timers });
    open = await RawSession.open({ transport: 'tcp', port: running.port.tcp, identity: running.device(0) });
    await open.established();
    openStream = new RawStream(open);
  });
  afterAll(async () => {
    for (const socket of sockets) socket.destroy();
    await running.close();
  });

  const askTime = async (): Promise<unknown> => contentOf(await openStream.ask(deviceRequest(paths.time))).time;

  const dial = async (): Promise<Socket> => {
    const socket = connect({ port: running.port.tcp, host: '127.0.0.1', noDelay: true });
    sockets.push(socket);
    socket.on('error', () => undefined);
    await new Promise<void>((resolve) => socket.once('connect', resolve));
    return socket;
  };

  /** Sends bytes as a stranger; resolves with what came back when the service has closed its side. */
  async function answered(bytes: Uint8Array): Promise<Uint8Array> {
    const socket = await dial();
    const pieces: Uint8Array[] = [];
    socket.on('data', (piece) => pieces.push(piece));
    socket.write(bytes);
    await new Promise<void>((resolve) => socket.once('close', () => resolve()));
    return concatBytes(...pieces);
  }

  /** The attempt of the stranger who came last. */
  const lastStranger = (): Promise<Attempt> =>
    running.attempt((attempt) => !entryOf(attempt, 'handshake') && entryOf(attempt, 'closed') !== undefined);

  const alert = { record_overflow: 22, unexpected_message: 10, protocol_version: 70 };

  it.each([
    ['an HTTP request', utf8('GET / HTTP/1.1\r\nHost: example.com\r\n\r\n'), undefined, 'who speaks to this port'],
    ['zeros', new Uint8Array(4096), undefined, 'who speaks to this port'],
    ['random bytes', random.bytes(4096), undefined, 'who speaks to this port'],
    ['an SSH banner', utf8('SSH-2.0-OpenSSH_9.2\r\n'), undefined, 'who speaks to this port'],
    ['a record that is too long', concatBytes(fromHex('1603015000'), new Uint8Array(0x5000)), 'record_overflow', ''],
    ['data before any hello', concatBytes(fromHex('1703030010'), random.bytes(16)), 'unexpected_message', ''],
    ['a ClientHello of TLS 1.1', oldHello('0302'), 'protocol_version', ''],
    ['a ClientHello of 16 MB', concatBytes(fromHex('160301000401ffffff'), new Uint8Array(20_000)), undefined, ' '],
  ] as const)('%s is hung up on, with its reason on record', async (_, bytes, alertName, wanted) => {
    const back = await answered(bytes);
    if (alertName) expect([back[0], back[6]]).toEqual([21, alert[alertName]]);
    const refusal = refusalOf(await lastStranger());
    expect(Object.keys(errorTable)).toContain(refusal?.code);
    expect(refusal?.evidence.error).not.toBe('');
    expect(refusal?.fix).not.toBe('');
    expect(refusal?.fix).toContain(wanted);
    await askTime();
  });

  it('whoever says nothing, half a hello, or a byte now and then is hung up on when the time for a handshake is over', async () => {
    const hello = await capturedHello();
    const silent = await dial();
    const half = await dial();
    half.write(hello.subarray(0, 60));
    const slow = await dial();
    const closed = [silent, half, slow].map(
      (socket) => new Promise<void>((resolve) => socket.on('close', () => resolve()).resume()),
    );
    for (let at = 0; at < 20; at++) {
      slow.write(hello.subarray(at, at + 1));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await askTime();
    timers.skip(limits.secure.handshake + seconds(1));
    await Promise.all(closed);
    await running.attempt((attempt) => refusalOf(attempt)?.evidence.how === 'handshake-timeout');
  });

  it('damaged handshakes come to nothing one by one, while an honest device is provisioned', async () => {
    const rounds = 240;
    const earlier = (await running.attempts()).length;
    const before = await residentBytes();
    const honest = await SimulatedDevice.create({
      endpoint: running.service.endpoints.tcp ?? '',
      identity: { ...running.device(1), serviceCa: [running.pki.serviceCa.certificate.der] },
    });
    const provisioned = honest.provision();
    for (let k = 0; k < rounds; k += 16) {
      const hostile = await Promise.all(
        Array.from({ length: 16 }, async (_, at) =>
          RawSession.open({
            transport: 'tcp',
            port: running.port.tcp,
            identity: running.device(2),
            maxVersion: at % 2 ? '1.3' : '1.2',
            tamper: (bytes) => [drawn(random, 2) ? damaged(bytes, random) : bytes],
          }),
        ),
      );
      // The service has read what they said when it has answered others, and answered it when those have asked again.
      for (let turn = 0; turn < 3; turn++) await askTime();
      for (const session of hostile) session.cut();
      await askTime();
    }
    expect((await provisioned).deviceId).toBe(honest.deviceId);
    await honest.close();
    await until(() => engineStatistics().sessions <= 2);
    await running.service.provisioner.sweep(timers.now());
    const strangers = (await running.attempts()).slice(earlier).filter((attempt) => !entryOf(attempt, 'handshake'));
    expect(strangers.length).toBeGreaterThan(rounds / 4);
    for (const attempt of strangers) {
      expect(Object.keys(errorTable)).toContain(refusalOf(attempt)?.code);
      expect(refusalOf(attempt)?.fix).not.toBe('');
    }
    expect((await residentBytes()) - before).toBeLessThan(64 << 20);
    expect(running.errors).toEqual([]);
  });

  it('a bit that is changed in a record ends that session alone', async () => {
    const victim = await RawSession.open({
      transport: 'tcp',
      port: running.port.tcp,
      identity: running.device(2),
      maxVersion: '1.2',
    });
    await victim.established();
    const stream = new RawStream(victim);
    await stream.ask(deviceRequest(paths.time));
    const record = victim.sent.findLast(([type]) => type === 23) ?? new Uint8Array();
    victim.sendRaw(record.map((byte, at) => (at === 20 ? byte ^ 1 : byte)));
    await victim.ended();
    expect(victim.events).toContainEqual(expect.objectContaining({ type: 'alert', name: 'bad_record_mac' }));
    await askTime();
  });

  it('a hundred connections at once that are reset leave nothing behind', async () => {
    const all = await Promise.all(Array.from({ length: 100 }, dial));
    for (const socket of all) socket.write(random.bytes(1 + drawn(random, 3)));
    for (const socket of all) socket.resetAndDestroy();
    await until(() => engineStatistics().sessions <= 2);
    await askTime();
  });

  it('has no session left when all have gone silent', async () => {
    const answer = await askTime();
    expect(answer).toEqual(expect.any(String));
    timers.skip(minutes(3));
    await open.ended();
    await until(() => engineStatistics().sessions === 0);
    // Our own side of the open session is one that may still be there.
    open.cut();
    await until(() => engineStatistics().sessions === 0);
    expect(engineStatistics()).toMatchObject({ sessions: 0, jobs: 0 });
    expect(running.errors).toEqual([]);
  });

  /** What a good client would say first. */
  async function capturedHello(): Promise<Uint8Array> {
    const client = await RawSession.open({
      transport: 'tcp',
      port: running.port.tcp,
      identity: running.device(2),
      tamper: () => [],
    });
    client.cut();
    return client.sent[0] ?? new Uint8Array();
  }
});

/** A ClientHello of an old version, with one suite and no extensions. */
function oldHello(version: string): Uint8Array {
  return concatBytes(fromHex(`16${version}002d01000029${version}`), random.bytes(32), fromHex('000002c02b0100'));
}
