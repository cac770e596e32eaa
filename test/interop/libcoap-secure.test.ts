import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CborMap, decodeCbor, encodeCbor, isCborMap } from '../../src/codec/cbor.ts';
import { decodeCertificates, encodeCertificates } from '../../src/codec/pem.ts';
import type { Uuid } from '../../src/core/ids.ts';
import { parseCertificate } from '../../src/pki/certificate.ts';
import { type CoapClientAnswer, runCoapClient } from '../support/coap-client.ts';
import { preSharedKeys, withGroup } from '../support/enrollment.ts';
import { findPeer } from '../support/peers.ts';
import { paths } from '../support/raw-coap.ts';
import { entriesOf, entryOf, refusalOf, startTestService, type TestService } from '../support/service.ts';

/**
 * libcoap's clients against the whole service. The two are built on other TLS libraries than ours: OpenSSL 3.0 and GnuTLS. What
 * they cannot do: coap-client-openssl sends its leaf alone, whatever its certificate file holds; neither knows OCF's
 * options, and as 2053 is critical they would throw away an answer with it: so they do not send 2049, which asks for it; a
 * key for -k is text on their command line.
 */
const openssl = findPeer('openssl');

const schemes = ['coaps', 'coaps+tcp'] as const;
type Scheme = (typeof schemes)[number];

describe.each(['coap-client-openssl', 'coap-client-gnutls'] as const)('%s', (name) => {
  const peer = findPeer(name);
  const key = randomBytes(12).toString('hex');
  let running: TestService;

  beforeAll(async () => {
    running = await startTestService({
      devices: 4,
      settings: (settings) => withGroup(settings, 'pre-shared keys', preSharedKeys({ 'lamp-1': Buffer.from(key) })),
    });
  });
  afterAll(() => running.close());

  const folderOf = (device: number): string => join(running.files, 'devices', running.device(device).name);

  /** As a device with these options. */
  const clientWith =
    (scheme: Scheme, options: readonly string[]) =>
    (path: string, body?: Uint8Array): Promise<CoapClientAnswer> => {
      const port = scheme === 'coaps' ? running.port.udp : running.port.tcp;
      const formats = ['-A', '10000', ...(body ? ['-t', '10000', '-O', '2053,0x0800'] : [])];
      return runCoapClient(name, running.files, [...options, ...formats], `${scheme}://127.0.0.1:${port}${path}`, body);
    };

  const certificate = (device: number, chain = join(folderOf(device), 'mfgcrt.pem')): string[] => [
    ...['-c', chain, '-j', join(folderOf(device), 'mfgkey.pem')],
    ...['-C', join(running.files, 'service/ca.pem')],
  ];

  const mapIn = ({ payload, said }: CoapClientAnswer): CborMap => {
    const value = payload.length > 0 ? decodeCbor(payload) : undefined;
    if (!isCborMap(value)) throw new Error(`no map came back: ${said}`);
    return value;
  };

  const isTime = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);

  describe.skipIf(peer.missing || openssl.missing).each(schemes)(`of ${peer.title} over %s`, (scheme) => {
    const device = scheme === 'coaps' ? 0 : 1;

    it('with its chain file gets everything that a device asks for', async () => {
      const ask = clientWith(scheme, certificate(device));
      expect(mapIn(await ask(paths.time))).toEqual({ time: isTime });
      const { devowneruuid } = mapIn(await ask(paths.ownership));
      expect(devowneruuid).toBe(running.settings.groups[0]?.owner.id);

      const di: Uuid = `${name === 'coap-client-gnutls' ? 'a' : 'b'}1565d33-acc1-44ce-5dd0-25c86cbd0bc${device}`;
      const selectedGateway = { uri: 'coaps+tcp://127.0.0.1', id: '00000000-0000-0000-0000-000000000000' };
      const cloud = mapIn(await ask(paths.cloud, encodeCbor({ di, selectedGateway })));
      expect(cloud).toMatchObject({ sid: running.pki.hubId, cis: 'coaps+tcp://127.0.0.1:20031', apn: 'firstboot' });

      const { creds } = mapIn(await ask(paths.credentials, encodeCbor({ di, csr: opensslRequest(di) })));
      expect(creds).toHaveLength(2);
      const [identity, anchor] = creds as unknown as [Credential, Credential];
      expect(identity).toMatchObject({ tag: 'dps', credusage: 'oic.sec.cred.cert' });
      expect(anchor).toMatchObject({ tag: 'dps', credusage: 'oic.sec.cred.trustca' });
      expect(verified(identity.publicdata.data, anchor.publicdata.data)).toContain('OK');
      const [leaf] = decodeCertificates(identity.publicdata.data).map(parseCertificate);
      expect(leaf?.subject.text).toBe(`CN=uuid:${di}`);
      expect(leaf?.spki).toEqual(publicKeyOf(di));

      const { aclist2 } = mapIn(await ask(paths.acls));
      expect(aclist2).toContainEqual(expect.objectContaining({ tag: 'dps', subject: { uuid: running.pki.hubId } }));
      const records = await running.service.store.devices({ limit: 10 });
      expect(records).toContainEqual(expect.objectContaining({ deviceId: di, generation: 1 }));
    });

    it('with its leaf alone is served, because the group knows the intermediate', async () => {
      const leaf = join(folderOf(2), `leaf-${device}.pem`);
      writeFileSync(leaf, encodeCertificates(running.device(2).chain.slice(0, 1)));
      const ask = clientWith(scheme, certificate(2, leaf));
      expect(mapIn(await ask(paths.time))).toEqual({ time: isTime });
    });

    it('with a pre-shared key is served', async () => {
      const ask = clientWith(scheme, ['-u', 'lamp-1', '-k', key]);
      expect(mapIn(await ask(paths.time))).toEqual({ time: isTime });
      const attempt = await running.attempt((a) =>
        entriesOf(a, 'handshake').some(({ cipherSuite }) => cipherSuite.includes('PSK')),
      );
      expect(attempt.entries[0]).toMatchObject({ type: 'opened' });
    });

    it('with a pre-shared key that nobody knows is refused by name', async () => {
      const stranger = `stranger-${scheme}`;
      const { payload } = await clientWith(scheme, ['-u', stranger, '-k', key])(paths.time);
      expect(payload).toHaveLength(0);
      await running.attempt((a) => refusalOf(a)?.evidence.identity === stranger);
    });

    it('without a certificate is refused, and the record says so', async () => {
      const at = Date.now();
      const { payload } = await clientWith(scheme, ['-C', join(running.files, 'service/ca.pem')])(paths.time);
      expect(payload).toHaveLength(0);
      const attempt = await running.attempt((a) => (a.entries[0]?.at ?? 0) >= at && entryOf(a, 'closed') !== undefined);
      expect(refusalOf(attempt)?.code).toMatch(/^attest\.(no-certificate|no-common-suite|unknown-psk)$/);
    });

    it('is told in words what it may not ask for', async () => {
      const ask = clientWith(scheme, certificate(3));
      expect((await ask('/nowhere')).said).toContain('4.04 request.unknown-path');
      expect((await ask(paths.cloud, encodeCbor({ di: 'lamp' }))).said).toContain('4.00 bind.device-id-missing');
    });
  });

  interface Credential {
    readonly publicdata: { readonly data: string };
  }

  const keyFile = (di: Uuid): string => join(running.files, `${di}.pem`);

  /** A certificate request as the device makes it, from a program that we did not write. */
  function opensslRequest(di: Uuid): CborMap {
    const make = ['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', keyFile(di)];
    execFileSync('openssl', make, { stdio: 'pipe' });
    const ask = ['req', '-new', '-sha256', '-key', keyFile(di), '-subj', `/CN=uuid:${di}`];
    const data = execFileSync('openssl', ask, { encoding: 'utf8', stdio: 'pipe' });
    return { data, encoding: 'oic.sec.encoding.pem' };
  }

  function publicKeyOf(di: Uuid): Uint8Array {
    const show = ['pkey', '-in', keyFile(di), '-pubout', '-outform', 'DER'];
    return new Uint8Array(execFileSync('openssl', show, { stdio: 'pipe' }));
  }

  /** What the openssl program says of an identity chain. */
  function verified(chain: string, anchor: string): string {
    const file = (kind: string, pem: string): string => {
      writeFileSync(join(running.files, `${kind}.pem`), pem);
      return join(running.files, `${kind}.pem`);
    };
    const trust = ['-CAfile', file('anchor', anchor), '-untrusted', file('issuers', chain)];
    return execFileSync('openssl', ['verify', '-x509_strict', ...trust, file('leaf', chain)], { encoding: 'utf8' });
  }
});
