import { sign } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { spkiOf } from '../../../src/pki/public-key.ts';
import type { SigningKey } from '../../../src/pki/signing-key.ts';
import type { Association, SecureContextOptions } from '../../../src/secure/association.ts';
import { createSecureContext, engineStatistics } from '../../../src/secure/engine.ts';
import { callbackKey } from '../../support/callback-key.ts';
import { identityOf, makeCertificate, makePki, type TestPki } from '../../support/chains.ts';
import { alertsOf, eventOf, messagesOf, Wire } from '../../support/wire.ts';

let pki: TestPki;

beforeAll(async () => {
  pki = await makePki();
});

const variants = [
  { transport: 'datagram', maxVersion: '1.2', version: 'DTLSv1.2' },
  { transport: 'stream', maxVersion: '1.2', version: 'TLSv1.2' },
  { transport: 'stream', maxVersion: '1.3', version: 'TLSv1.3' },
] as const;

type Changes = Partial<SecureContextOptions>;

function pair(transport: 'datagram' | 'stream', client: Changes = {}, server: Changes = {}) {
  const common = { transport, clock: 'simulated', trust: { anchors: [pki.root.der], purpose: 'any' } } as const;
  const identity = identityOf(pki.server, pki.intermediate);
  return [
    createSecureContext({ ...common, role: 'server', identity, ...server }),
    createSecureContext({ ...common, role: 'client', ...client }),
  ] as const;
}

const clientWith = (privateKey: SigningKey) => ({ ...identityOf(pki.client, pki.intermediate), privateKey });

describe.each(variants)('a private key outside of the engine, $version', ({ transport, maxVersion, version }) => {
  it('signs the handshake of a client, once', () => {
    const key = callbackKey(pki.client.key);
    const wire = new Wire(...pair(transport, { maxVersion, identity: clientWith(key) })).handshake().run();
    const session = eventOf(wire.serverEvents, 'established')?.session;
    expect(session?.version).toBe(version);
    expect(session?.peer?.presented[0]).toEqual(pki.client.der);
    expect(key.digests.map(({ length }) => length)).toEqual([32]);
    wire.client.send(Buffer.from('signed'), wire.now);
    wire.run();
    expect(messagesOf(wire.serverEvents)).toEqual(['signed']);
    wire.abort();
  });

  it('signs the handshake of a server, once', () => {
    const key = callbackKey(pki.server.key);
    const identity = { ...identityOf(pki.server, pki.intermediate), privateKey: key };
    const client = { maxVersion, identity: identityOf(pki.client, pki.intermediate) };
    const wire = new Wire(...pair(transport, client, { identity })).handshake().run();
    expect(eventOf(wire.clientEvents, 'established')?.session.peer?.presented[0]).toEqual(pki.server.der);
    expect(key.digests).toHaveLength(1);
    wire.abort();
  });

  it('that throws ends the handshake with its reason, tells the peer, and leaves nothing behind', () => {
    const before = engineStatistics().sessions;
    const key = callbackKey(pki.client.key, () => {
      throw new Error('the token was pulled out');
    });
    const wire = new Wire(...pair(transport, { maxVersion, identity: clientWith(key) })).run();
    expect(wire.clientEvents.at(-1)).toMatchObject({
      type: 'closed',
      end: { reason: 'refused', error: 'the private key did not sign: the token was pulled out' },
    });
    expect(alertsOf(wire.clientEvents, 'sent')).toEqual(['internal_error']);
    expect(alertsOf(wire.serverEvents, 'received')).toEqual(['internal_error']);
    expect(wire.serverEvents.at(-1)).toMatchObject({ type: 'closed', end: { reason: 'refused' } });
    wire.abort();
    expect(engineStatistics().sessions).toBe(before);
    // And the next one is none the worse for it.
    const good = pair(transport, { maxVersion, identity: clientWith(callbackKey(pki.client.key)) });
    const next = new Wire(...good).handshake();
    expect(next.established()).toBe(true);
    next.abort();
  });

  it('with a signature of another key is refused by the server', () => {
    const key = { ...callbackKey(pki.server.key), publicKey: callbackKey(pki.client.key).publicKey };
    const wire = new Wire(...pair(transport, { maxVersion, identity: clientWith(key) })).run();
    expect(wire.serverEvents.some(({ type }) => type === 'established')).toBe(false);
    expect(alertsOf(wire.clientEvents, 'received')).toEqual(['decrypt_error']);
    expect(wire.clientEvents.at(-1)).toMatchObject({ type: 'closed', end: { reason: 'refused' } });
    wire.abort();
  });

  it.each([
    ['nothing', () => new Uint8Array(0)],
    ['more than a signature can have', () => new Uint8Array(5000)],
    ['something else', () => 7 as unknown as Uint8Array],
    [
      'an empty error',
      (): Uint8Array => {
        throw new Error('');
      },
    ],
    [
      'what is no error and has no text',
      (): Uint8Array => {
        throw Object.create(null);
      },
    ],
  ])('that gives %s instead of a signature ends the handshake', (_, signDigest) => {
    const key = { publicKey: callbackKey(pki.client.key).publicKey, sign: signDigest };
    const wire = new Wire(...pair(transport, { maxVersion, identity: clientWith(key) })).run();
    expect(wire.clientEvents.at(-1)).toMatchObject({
      type: 'closed',
      end: { reason: 'refused', error: expect.stringMatching(/private key/) },
    });
    wire.abort();
  });

  it.each(['abort', 'close'] as const)('may %s its association while it signs', (act) => {
    const before = engineStatistics().sessions;
    let association: Association | undefined;
    const key = callbackKey(pki.client.key, () => association?.[act](wireNow()));
    const wire = new Wire(...pair(transport, { maxVersion, identity: clientWith(key) }));
    const wireNow = () => wire.now;
    association = wire.client;
    wire.run(() => key.digests.length > 0);
    expect(key.digests).toHaveLength(1);
    expect(wire.clientEvents).toEqual(act === 'abort' ? [] : [{ type: 'closed', end: { reason: 'local' } }]);
    expect(wire.client.takeOutput()).toEqual([]);
    wire.abort();
    expect(engineStatistics().sessions).toBe(before);
  });

  it('that works with node:crypto while it signs does not disturb the handshake', () => {
    const key = callbackKey(pki.client.key, () => {
      expect(() =>
        sign('sha256', new Uint8Array(8), '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----'),
      ).toThrow();
    });
    const wire = new Wire(...pair(transport, { maxVersion, identity: clientWith(key) })).handshake();
    expect(wire.established()).toBe(true);
    wire.abort();
  });
});

describe('settings that cannot work with a private key outside of the engine', () => {
  it.each([true, 'when-busy'] as const)('threads: %s', (threads) => {
    expect(() => pair('stream', { threads, identity: clientWith(callbackKey(pki.client.key)) })).toThrow(
      expect.objectContaining({ code: 'service.config', message: expect.stringContaining('threads') }),
    );
  });

  it('a public key of another certificate', () => {
    expect(() => pair('stream', { identity: clientWith(callbackKey(pki.server.key)) })).toThrow(
      expect.objectContaining({ code: 'service.config' }),
    );
  });

  it('a public key that is none, or is not on a curve', async () => {
    const rsa = await makeCertificate({ subject: 'CN=rsa', issuer: pki.intermediate, key: 'RSA-2048' });
    const key = callbackKey(pki.client.key);
    for (const publicKey of [
      new Uint8Array(1),
      spkiOf(rsa.key),
      key.publicKey.with(-1, (key.publicKey.at(-1) ?? 0) ^ 1),
    ])
      expect(() => pair('stream', { identity: clientWith({ ...key, publicKey }) })).toThrow(
        expect.objectContaining({ code: 'service.config' }),
      );
  });
});
