import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { encodeCertificates } from '../../src/codec/pem.ts';
import { toHex } from '../../src/core/bytes.ts';
import { privateKeyFile } from '../../src/pki/files.ts';
import type { KeyedChain } from '../../src/pki/issuer.ts';
import { engineStatistics } from '../../src/secure/engine.ts';
import { manufacturer, preSharedKeys, withGroup } from '../support/enrollment.ts';
import { makeIdentities } from '../support/identities.ts';
import { findPeer } from '../support/peers.ts';
import { askDatagram, contentOf, deviceRequest, paths, RawStream } from '../support/raw-coap.ts';
import { alertsIn, type SClient, startSClient } from '../support/s-client.ts';
import { entryOf, refusalOf, startTestService, type TestService } from '../support/service.ts';

/** The openssl program against the whole service: every version, certificate and PSK, and who is refused how. */
const openssl = findPeer('openssl');

const channels = {
  'TLS 1.2': { options: ['-tls1_2'], transport: 'tcp', version: 'TLSv1.2' },
  'TLS 1.3': { options: ['-tls1_3'], transport: 'tcp', version: 'TLSv1.3' },
  'DTLS 1.2': { options: ['-dtls1_2'], transport: 'udp', version: 'DTLSv1.2' },
} as const;
type Channel = keyof typeof channels;
const every = Object.keys(channels) as Channel[];

/** A manufacturer that the service takes too, and its bad identities. */
const acme = makeIdentities(Date.now());

/** TLS alert numbers (RFC 8446 §6). */
const alert = {
  handshakeFailure: 40,
  certificateExpired: 45,
  unknownCa: 48,
  protocolVersion: 70,
  unknownPskIdentity: 115,
  certificateRequired: 116,
};

describe.skipIf(openssl.missing)(`s_client of ${openssl.title}`, () => {
  const key = new Uint8Array(randomBytes(16));
  let running: TestService;
  let identity: (keyed: KeyedChain) => string[];
  const clients: SClient[] = [];

  beforeAll(async () => {
    running = await startTestService({
      devices: 2,
      settings: (settings) => {
        const both = withGroup(settings, 'pre-shared keys', preSharedKeys({ 'lamp-1': key }));
        return withGroup(both, 'Acme', manufacturer(acme));
      },
    });
    let count = 0;
    identity = ({ chain, privateKey }) => {
      const file = (kind: string): string => join(running.files, `s-client-${count}-${kind}.pem`);
      count++;
      const [leaf = new Uint8Array(), ...issuers] = chain;
      writeFileSync(file('leaf'), encodeCertificates([leaf]));
      writeFileSync(file('issuers'), encodeCertificates(issuers));
      writeFileSync(file('key'), privateKeyFile(privateKey).text);
      const rest = issuers.length > 0 ? ['-cert_chain', file('issuers')] : [];
      return ['-cert', file('leaf'), ...rest, '-key', file('key')];
    };
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) await client.close();
  });
  afterAll(async () => {
    await running.close();
    expect(engineStatistics().sessions).toBe(0);
  });

  function connect(channel: Channel, ...options: readonly string[]): SClient {
    const { options: version, transport } = channels[channel];
    const trust = ['-CAfile', join(running.files, 'service/ca.pem'), '-verify_return_error'];
    const client = startSClient([...version, ...trust, '-connect', `127.0.0.1:${running.port[transport]}`, ...options]);
    clients.push(client);
    return client;
  }

  /** GET time through the bare channel. */
  async function askTime(channel: Channel, client: SClient): Promise<unknown> {
    const request = deviceRequest(paths.time);
    const answer = await (channels[channel].transport === 'udp'
      ? askDatagram(client, request)
      : new RawStream(client).ask(request));
    return contentOf(answer).time;
  }

  const isTime = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);

  describe.each(every)('over %s', (channel) => {
    it('connects with a manufacturer chain, and a request in its input is answered', async () => {
      const client = connect(channel, ...identity(running.device()));
      expect(await askTime(channel, client)).toEqual(isTime);
      await client.close();
      const attempt = await running.attempt((a) => entryOf(a, 'handshake')?.version === channels[channel].version);
      expect(entryOf(attempt, 'chain')?.certificates).toHaveLength(2);
    });

    it('connects with its leaf alone, because the group knows the intermediate', async () => {
      const { chain, privateKey } = running.device(1);
      const client = connect(channel, ...identity({ chain: chain.slice(0, 1), privateKey }));
      expect(await askTime(channel, client)).toEqual(isTime);
    });

    it.each([
      ['without a certificate', undefined, 'attest.no-certificate'],
      ['with an expired one', 'expired', 'attest.expired'],
      ['from an unknown authority', 'unknownAuthority', 'attest.unknown-issuer'],
    ] as const)('%s it is refused, sees the right alert, and the reason is on record', async (_, name, code) => {
      const at = Date.now();
      const wanted = {
        'attest.no-certificate': channel === 'TLS 1.3' ? alert.certificateRequired : alert.handshakeFailure,
        'attest.expired': alert.certificateExpired,
        'attest.unknown-issuer': alert.unknownCa,
      }[code];
      const client = connect(channel, ...(name ? identity(acme.named[name]) : []));
      await client.hears(/SSL alert number \d+/);
      expect(alertsIn(client.said())).toEqual([wanted]);
      const attempt = await running.attempt(
        (a) =>
          (a.entries[0]?.at ?? 0) >= at && entryOf(a, 'closed') !== undefined && entryOf(a, 'opened') !== undefined,
      );
      expect(refusalOf(attempt)).toMatchObject({ code, fix: expect.stringMatching(/\w+ \w+/) });
      expect(entryOf(attempt, 'client-hello')?.cipherSuites).not.toEqual([]);
      expect(entryOf(attempt, 'alert')).toMatchObject({ direction: 'sent' });
      if (name) expect(entryOf(attempt, 'chain')?.certificates).toHaveLength(2);
    });
  });

  describe.each(['TLS 1.2', 'DTLS 1.2'] as const)('with a pre-shared key over %s', (channel) => {
    const psk = (pskIdentity: string, pskKey: Uint8Array): string[] => [
      '-psk_identity',
      pskIdentity,
      '-psk',
      toHex(pskKey),
    ];

    it.each(['PSK-AES128-CCM8', 'PSK-AES128-GCM-SHA256', 'PSK-AES128-CBC-SHA256', 'ECDHE-PSK-AES128-CBC-SHA256'])(
      '%s connects and is served',
      async (suite) => {
        const client = connect(channel, '-cipher', `${suite}:@SECLEVEL=0`, ...psk('lamp-1', key));
        expect(await askTime(channel, client)).toEqual(isTime);
        const attempt = await running.attempt((a) => entryOf(a, 'handshake')?.cipherSuite === suite);
        expect(attempt.entries).toContainEqual(
          expect.objectContaining({ stage: 'match', facts: expect.objectContaining({ group: 'pre-shared keys' }) }),
        );
      },
    );

    it('an identity that no group has is refused by name', async () => {
      const client = connect(channel, '-cipher', 'PSK-AES128-GCM-SHA256', ...psk('stranger', key));
      await client.hears(/SSL alert number \d+/);
      expect(alertsIn(client.said())).toEqual([alert.unknownPskIdentity]);
      const attempt = await running.attempt((a) => refusalOf(a)?.code === 'attest.unknown-psk');
      expect(entryOf(attempt, 'opened')?.transport).toMatch(/^coaps/);
    });
  });

  it('with the wrong pre-shared key over TLS 1.2 is refused, and the record says that the key is wrong', async () => {
    const client = connect(
      'TLS 1.2',
      ...['-cipher', 'PSK-AES128-GCM-SHA256', '-psk_identity', 'lamp-1', '-psk', toHex(key.map((byte) => byte ^ 1))],
    );
    await client.hears(/SSL alert number \d+/);
    expect(alertsIn(client.said())).toEqual([20]);
    const attempt = await running.attempt((a) => refusalOf(a)?.code === 'attest.wrong-psk');
    expect(refusalOf(attempt)?.evidence).toMatchObject({ identity: 'lamp-1' });
  });

  it('that offers TLS 1.1 at most is refused as having nothing in common', async () => {
    const client = startSClient([
      ...['-tls1_1', '-cipher', 'ALL:@SECLEVEL=0'],
      ...['-connect', `127.0.0.1:${running.port.tcp}`],
    ]);
    clients.push(client);
    await client.hears(/SSL alert number \d+/);
    expect(alertsIn(client.said())).toEqual([alert.protocolVersion]);
    const attempt = await running.attempt((a) => refusalOf(a)?.code === 'attest.no-common-suite');
    expect(refusalOf(attempt)?.evidence).toMatchObject({ version: expect.stringContaining('1.1') });
  });
});
