import { once } from 'node:events';
import { dtls } from 'node-dtls-client';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { minutes, seconds } from '../../src/core/clock.ts';
import { limits } from '../../src/core/limits.ts';
import { preSharedKeys, withGroup } from '../support/enrollment.ts';
import { askDatagram, contentOf, deviceRequest, paths, type RawChannel } from '../support/raw-coap.ts';
import {
  entriesOf,
  entryOf,
  refusalOf,
  SkippingTimers,
  startTestService,
  type TestService,
} from '../support/service.ts';

/**
 * node-dtls-client 2.0.3: a DTLS client in JavaScript that shares nothing with OpenSSL. It has pre-shared keys only, writes
 * identities as Latin-1, repeats no flight that is lost, and notices a wrong key only by its own time-out.
 */
describe('node-dtls-client', () => {
  const key = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex');
  const timers = new SkippingTimers();
  const sockets: dtls.Socket[] = [];
  let running: TestService;

  beforeAll(async () => {
    running = await startTestService({
      timers,
      settings: (settings) =>
        withGroup(settings, 'pre-shared keys', preSharedKeys({ 'lamp-1': key, 'lamp 2/west': key })),
    });
  });
  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.close();
  });
  afterAll(() => running.close());

  const dial = (
    identity: string,
    psk: Buffer,
    { ciphers, timeout = minutes(1) }: Pick<dtls.Options, 'ciphers' | 'timeout'> = {},
  ): dtls.Socket => {
    const socket = dtls.createSocket({
      type: 'udp4',
      address: '127.0.0.1',
      port: running.port.udp,
      psk: { [identity]: psk },
      timeout,
      ...(ciphers && { ciphers }),
    });
    return socket;
  };

  async function connect(...how: Parameters<typeof dial>): Promise<RawChannel> {
    const socket = dial(...how);
    const messages: Uint8Array[] = [];
    socket.on('message', (bytes: Buffer) => messages.push(new Uint8Array(bytes)));
    await once(socket, 'connected');
    sockets.push(socket);
    return {
      send: (bytes) => socket.send(Buffer.from(bytes)),
      next: async () => {
        if (messages.length === 0) await once(socket, 'message');
        return messages.shift() ?? new Uint8Array();
      },
    };
  }

  it.each([
    ['TLS_PSK_WITH_AES_128_CCM_8', 'PSK-AES128-CCM8'],
    ['TLS_PSK_WITH_AES_128_GCM_SHA256', 'PSK-AES128-GCM-SHA256'],
    ['TLS_PSK_WITH_AES_128_CBC_SHA256', 'PSK-AES128-CBC-SHA256'],
  ] as const)('%s: a request through it is answered', async (suite, ours) => {
    const channel = await connect('lamp-1', key, { ciphers: [suite] });
    const answer = await askDatagram(channel, deviceRequest(paths.time));
    expect(contentOf(answer).time).toEqual(expect.any(String));
    const attempt = await running.attempt((a) =>
      entriesOf(a, 'handshake').some(({ cipherSuite }) => cipherSuite === ours),
    );
    expect(attempt.entries).toContainEqual(expect.objectContaining({ stage: 'attest', result: 'ok' }));
  });

  it('with all of its suites gets owner, cloud and access list', async () => {
    const channel = await connect('lamp 2/west', key);
    const di = '51565d33-acc1-44ce-5dd0-25c86cbd0bce';
    expect(contentOf(await askDatagram(channel, deviceRequest(paths.ownership), 'NON'))).toHaveProperty('devowneruuid');
    expect(contentOf(await askDatagram(channel, deviceRequest(paths.cloud, { di }), 'NON'))).toMatchObject({
      sid: running.pki.hubId,
    });
    expect(contentOf(await askDatagram(channel, deviceRequest(paths.acls), 'NON'))).toHaveProperty('aclist2');
    const devices = await running.service.store.devices({ limit: 10 });
    expect(devices).toContainEqual(
      expect.objectContaining({ deviceId: di, manufacturer: expect.objectContaining({ subject: 'lamp 2/west' }) }),
    );
  });

  it('an identity that no group has is refused by name', async () => {
    const socket = dial('stranger', key);
    await once(socket, 'error');
    const attempt = await running.attempt((a) => refusalOf(a)?.code === 'attest.unknown-psk');
    expect(refusalOf(attempt)).toMatchObject({
      evidence: { identity: 'stranger' },
      fix: expect.stringContaining('group'),
    });
    expect(entryOf(attempt, 'alert')).toMatchObject({ direction: 'sent', name: 'unknown_psk_identity' });
  });

  it('a wrong key comes to nothing, and when the time is over the record says that the key is wrong', async () => {
    const socket = dial('lamp-1', Buffer.alloc(16, 7), { timeout: seconds(2) });
    await once(socket, 'error');
    timers.skip(limits.secure.handshake + seconds(1));
    const attempt = await running.attempt((a) => refusalOf(a)?.code === 'attest.wrong-psk');
    expect(refusalOf(attempt)?.evidence).toMatchObject({ identity: 'lamp-1', error: 'handshake timeout' });
  });
});
