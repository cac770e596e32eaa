import type { KeyObject } from 'node:crypto';
import { noBytes } from '../core/bytes.ts';
import type { Millis } from '../core/clock.ts';
import { failure } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import type { PeerChain } from '../pki/path.ts';
import { isSigningKey, type PrivateKey } from '../pki/signing-key.ts';
import type { SecureContext, SecureContextOptions, Trust } from './association.ts';
import {
  type EngineStatistics,
  type NativeContextOptions,
  type NativeEngine,
  nativeEngine,
  type Sign,
  type TrustHandle,
} from './native.ts';
import { poolQueue } from './pool.ts';
import { NativeAssociation, type SessionSettings } from './session.ts';

/**
 * Builds the shared half of many associations: keys parsed, suites chosen, anchors loaded. Costs about a millisecond.
 * @throws FirstbootError service.engine when the addon is not built; service.config when the options do not work
 */
export function createSecureContext(options: SecureContextOptions): SecureContext {
  const engine = nativeEngine();
  const handle = configured('the secure context', () => engine.createContext(nativeOptions(engine, options)));
  const datagram = options.transport === 'datagram';
  const settings: SessionSettings = {
    role: options.role,
    datagram,
    threads: options.threads ?? false,
    handshakeTimeout: options.handshakeTimeout ?? limits.secure.handshake,
    sign: options.identity && signatureOf(options.identity.privateKey),
  };
  const open = (now: Millis, serverName?: string) =>
    new NativeAssociation(engine, engine.openSession(handle, now, serverName), settings, now);
  return {
    options,
    connect(now, { serverName } = {}) {
      if (options.role !== 'client') throw new TypeError('connect is for clients: this context is a server');
      return open(now, serverName);
    },
    accept(now) {
      if (options.role !== 'server' || datagram) throw new TypeError('accept is for servers of streams');
      return open(now);
    },
    listen(peer, bytes, now) {
      if (options.role !== 'server' || !datagram) throw new TypeError('listen is for servers of datagrams');
      const result = engine.listen(handle, peer, bytes, now);
      if (result === undefined) return { type: 'drop' };
      if (result instanceof Uint8Array) return { type: 'reply', datagram: result };
      return { type: 'accepted', association: new NativeAssociation(engine, result, settings, now) };
    },
  };
}

export interface PathInput {
  /** DER. */
  readonly leaf: Uint8Array;
  /** DER, as presented by the peer; what cannot be parsed is ignored. */
  readonly untrusted: readonly Uint8Array[];
  readonly trust: Trust;
  readonly at: Millis;
}

/**
 * Checks a certificate path (RFC 5280 §6) outside of a handshake, with the code that also runs inside. All findings are
 * reported, tolerated ones too; anchors are those of `trust` alone.
 * @throws FirstbootError der.malformed when the leaf is no certificate
 */
export function verifyPath({ leaf, untrusted, trust, at }: PathInput): PeerChain {
  const engine = nativeEngine();
  const presented = [leaf, ...untrusted];
  const report = engine.verifyPath(trustHandle(engine, trust), presented, at);
  if (!report) throw failure('der.malformed', { bytes: leaf.length }, 'the leaf must be one X.509 certificate in DER');
  return { ...report, presented };
}

/** What is alive in the engine: everything is freed when all associations have ended. */
export function engineStatistics(): EngineStatistics {
  const statistics = nativeEngine().statistics();
  return { ...statistics, jobs: statistics.jobs + poolQueue() };
}

/** Certificate suites, in the order we prefer: CCM8 last, CBC only for the reference device's older friends. */
const certificateSuites = [
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-AES128-CCM',
  'ECDHE-ECDSA-AES128-CCM8',
  'ECDHE-ECDSA-AES128-SHA256',
  'ECDHE-ECDSA-AES256-SHA384',
];

const pskSuites = ['ECDHE-PSK-AES128-CBC-SHA256', 'PSK-AES128-GCM-SHA256', 'PSK-AES128-CCM8', 'PSK-AES128-CBC-SHA256'];

/** P-256 first: it is what devices have, and OpenSSL's fastest. No post-quantum hybrid: it would fragment a ClientHello. */
const groups = 'P-256:X25519:P-384:P-521';

/** No SHA-1, although the security level is 0 (see context.cc). */
const signatureAlgorithms = [
  ...['ECDSA+SHA256', 'ECDSA+SHA384', 'ECDSA+SHA512', 'ed25519'],
  ...['RSA-PSS+SHA256', 'RSA-PSS+SHA384', 'RSA-PSS+SHA512', 'RSA+SHA256', 'RSA+SHA384', 'RSA+SHA512'],
].join(':');

/** Below this a handshake message's own header leaves no room for progress. */
const smallestMtu = 300;

function nativeOptions(engine: NativeEngine, options: SecureContextOptions): NativeContextOptions {
  const { role, identity, trust, psk, mtu = limits.secure.mtu } = options;
  const lookup = psk === 'lookup';
  const clientPsk = lookup ? undefined : psk;
  if (role === 'server' && !identity && !lookup)
    throw unusable('identity', 'a server needs an identity, or pre-shared keys');
  if ((role === 'client' && lookup) || (role === 'server' && clientPsk))
    throw unusable('psk', "a server takes 'lookup', a client an identity and its key");
  if (clientPsk) checkClientPsk(clientPsk.identity, clientPsk.key);
  const key = identity?.privateKey;
  const elsewhere = key && isSigningKey(key);
  if (elsewhere && options.threads)
    throw unusable('threads', 'leave them off: a private key outside of the process signs on the calling thread');
  if (!Number.isInteger(mtu) || mtu < smallestMtu || mtu > 65_507)
    throw unusable('mtu', `it must be a whole number from ${smallestMtu} to 65507`);
  const suites = clientPsk && !identity ? pskSuites : [...certificateSuites, ...(psk ? pskSuites : [])];
  // Our pre-shared keys are those of (D)TLS 1.2 (RFC 4279); 1.3 has another scheme.
  const pskOnly = clientPsk !== undefined || !(identity || role === 'client');
  return {
    datagram: options.transport === 'datagram',
    server: role === 'server',
    requireCertificate: options.peerCertificate !== 'optional',
    simulatedClock: options.clock === 'simulated',
    pskLookup: lookup,
    minVersion: options.minVersion === '1.3' ? 13 : 12,
    maxVersion: options.maxVersion === '1.2' || pskOnly ? 12 : 13,
    chain: identity?.chain ?? [],
    privateKey: key && !elsewhere ? pkcs8Of(key) : noBytes,
    publicKey: key && elsewhere ? key.publicKey : noBytes,
    ciphers: (options.ciphers ?? suites).join(':'),
    groups,
    signatureAlgorithms,
    alpn: options.alpn ?? '',
    pskIdentity: clientPsk?.identity ?? noBytes,
    pskKey: clientPsk?.key ?? noBytes,
    trust: trust && trustHandle(engine, trust),
    mtu,
    recordBytes: limits.secure.recordBytes,
    chainBytes: limits.secure.chainBytes,
    pskIdentityBytes: limits.secure.pskIdentityBytes,
    keyUpdates: limits.secure.keyUpdates,
    flightTimeout: limits.secure.flightTimeout,
    flightTimeoutMax: limits.secure.flightTimeoutMax,
    cookieKey: limits.secure.cookieKey,
  };
}

/** What the engine calls for a signature. An exception must not go through OpenSSL: its text becomes the handshake's end. */
function signatureOf(key: PrivateKey): Sign | undefined {
  if (!isSigningKey(key)) return undefined;
  return (digest) => {
    try {
      return key.sign(digest);
    } catch (error) {
      return `the private key did not sign: ${error instanceof Error ? error.message : String(error)}`;
    }
  };
}

/** The same key serves many contexts, and exporting it costs as much as a signature. */
function pkcs8Of(key: KeyObject): Uint8Array {
  const known = exportedKeys.get(key);
  if (known) return known;
  const exported = key.export({ type: 'pkcs8', format: 'der' });
  exportedKeys.set(key, exported);
  return exported;
}

const exportedKeys = new WeakMap<KeyObject, Uint8Array>();

/** OpenSSL's client hands its identity over as a C string. (A server of ours takes any bytes.) */
function checkClientPsk(identity: Uint8Array, key: Uint8Array): void {
  if (identity.length === 0 || identity.length > limits.secure.pskIdentityBytes || identity.includes(0))
    throw unusable(
      'psk.identity',
      `a client's must have 1 to ${limits.secure.pskIdentityBytes} bytes, none of them zero`,
    );
  if (key.length === 0 || key.length > 64) throw unusable('psk.key', 'it must have 1 to 64 bytes');
}

/** Parsing anchors and revocation lists is not free, and the same trust serves many checks. */
const trusts = new WeakMap<Trust, TrustHandle>();

function trustHandle(engine: NativeEngine, trust: Trust): TrustHandle {
  const known = trusts.get(trust);
  if (known) return known;
  const made = configured('the trust settings', () =>
    engine.createTrust({
      anchors: trust.anchors,
      intermediates: trust.intermediates ?? [],
      crls: trust.crls ?? [],
      fingerprints: trust.fingerprints ?? [],
      pins: trust.pinned?.keys ?? [],
      tolerate: trust.tolerate ?? [],
      toleratePinned: trust.pinned?.tolerate ?? [],
      ignoreDates: trust.dates === 'ignore',
      purpose: trust.purpose,
    }),
  );
  trusts.set(trust, made);
  return made;
}

function configured<T>(what: string, make: () => T): T {
  try {
    return make();
  } catch (cause) {
    if (!(cause instanceof Error) || cause.name === 'FirstbootError') throw cause;
    throw failure('service.config', { what, reason: cause.message }, 'correct this setting', cause);
  }
}

const unusable = (setting: string, fix: string): Error => failure('service.config', { setting }, fix);
