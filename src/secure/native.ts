import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { failure } from '../core/errors.ts';
import type { PathError } from '../pki/path.ts';

declare const kind: unique symbol;
type Handle<T extends string> = { readonly [kind]: T };
export type TrustHandle = Handle<'trust'>;
export type ContextHandle = Handle<'context'>;
export type SessionHandle = Handle<'session'>;

/** The addon's functions (native/src/addon.cc). A session must not be touched while its pool job runs, except by `free`. */
export interface NativeEngine {
  createTrust(options: NativeTrustOptions): TrustHandle;
  /** Undefined when the first of `presented` is no certificate; other unreadable ones are left out. */
  verifyPath(trust: TrustHandle, presented: readonly Uint8Array[], at: number): NativeReport | undefined;
  createContext(options: NativeContextOptions): ContextHandle;
  openSession(context: ContextHandle, now: number, serverName: string | undefined): SessionHandle;
  /** A session when the cookie was right, the HelloVerifyRequest to send, or nothing. */
  listen(
    context: ContextHandle,
    peer: string,
    datagram: Uint8Array,
    now: number,
  ): SessionHandle | Uint8Array | undefined;
  feed(session: SessionHandle, bytes: Uint8Array): void;
  /** Undefined when `sign` has freed the session. */
  run(session: SessionHandle, budget: number, sign: Sign | undefined): Outcome | undefined;
  runOnPool(session: SessionHandle, done: (outcome: Outcome | undefined) => void): void;
  retransmit(session: SessionHandle): Outcome;
  send(session: SessionHandle, message: Uint8Array): Outcome;
  providePsk(session: SessionHandle, key: Uint8Array | undefined): void;
  shutdown(session: SessionHandle): Outcome;
  free(session: SessionHandle): void;
  statistics(): EngineStatistics;
}

/** For contexts with a `publicKey`: the signature of a digest, DER, or why there is none. Must not throw. */
export type Sign = (digest: Uint8Array) => Uint8Array | string;

/** What is alive in the engine, for leak checks. */
export interface EngineStatistics {
  readonly contexts: number;
  readonly sessions: number;
  /** Handshake steps that run on the pool or wait in its queue. */
  readonly jobs: number;
}

/** state, more, flight timeout (ms; 0: no flight outstanding), timer starts, then pairs of kind and payload. */
export type Outcome = readonly [number, number, number, number, ...unknown[]];

export const nativeState = { handshaking: 0, pausedForPsk: 1, open: 2, peerClosed: 3, failed: 4 } as const;

export type NativeItem =
  | {
      readonly kind: typeof itemKind.output | typeof itemKind.message | typeof itemKind.psk;
      readonly payload: Uint8Array;
    }
  | { readonly kind: typeof itemKind.alert; readonly payload: number }
  | { readonly kind: typeof itemKind.hello; readonly payload: NativeHello }
  | { readonly kind: typeof itemKind.established; readonly payload: NativeSession }
  | { readonly kind: typeof itemKind.peerClosed; readonly payload: undefined }
  | { readonly kind: typeof itemKind.failed; readonly payload: NativeFailure };

export const itemKind = {
  output: 0,
  message: 1,
  alert: 2,
  hello: 3,
  psk: 4,
  established: 5,
  peerClosed: 6,
  failed: 7,
} as const;

export interface NativeHello {
  readonly legacyVersion: number;
  readonly cipherSuites: readonly string[];
  /** Bodies of the extensions as they came; empty when absent. */
  readonly groups: Uint8Array;
  readonly signatureAlgorithms: Uint8Array;
  readonly serverName: Uint8Array;
  readonly alpn: Uint8Array;
  readonly versions: Uint8Array;
}

export interface NativeSession {
  readonly version: 'DTLSv1.2' | 'TLSv1.2' | 'TLSv1.3';
  readonly cipherSuite: string;
  readonly peer: NativeReport | undefined;
  readonly pskIdentity: Uint8Array | undefined;
}

export interface NativeFailure {
  readonly error: string;
  readonly peer: NativeReport | undefined;
}

export interface NativeReport {
  readonly presented: readonly Uint8Array[];
  readonly path: readonly Uint8Array[];
  readonly errors: readonly PathError[];
}

export interface NativeTrustOptions {
  readonly anchors: readonly Uint8Array[];
  readonly intermediates: readonly Uint8Array[];
  readonly crls: readonly Uint8Array[];
  readonly fingerprints: readonly Uint8Array[];
  readonly pins: readonly Uint8Array[];
  readonly tolerate: readonly string[];
  readonly toleratePinned: readonly string[];
  readonly ignoreDates: boolean;
  readonly purpose: 'client' | 'server' | 'any';
}

export interface NativeContextOptions {
  readonly datagram: boolean;
  readonly server: boolean;
  readonly requireCertificate: boolean;
  readonly simulatedClock: boolean;
  readonly pskLookup: boolean;
  /** 12 or 13. */
  readonly minVersion: number;
  readonly maxVersion: number;
  readonly chain: readonly Uint8Array[];
  /** PKCS#8 DER, or empty. */
  readonly privateKey: Uint8Array;
  /** SubjectPublicKeyInfo of a private key that is not given, or empty. */
  readonly publicKey: Uint8Array;
  readonly ciphers: string;
  readonly groups: string;
  readonly signatureAlgorithms: string;
  readonly alpn: string;
  readonly pskIdentity: Uint8Array;
  readonly pskKey: Uint8Array;
  readonly trust: TrustHandle | undefined;
  readonly mtu: number;
  readonly recordBytes: number;
  readonly chainBytes: number;
  readonly pskIdentityBytes: number;
  readonly keyUpdates: number;
  readonly flightTimeout: number;
  readonly flightTimeoutMax: number;
  readonly cookieKey: number;
}

let loaded: NativeEngine | undefined;

/**
 * The addon, loaded on first use. FIRSTBOOT_SECURE_ENGINE names another build of it (docs/testing-native.md).
 * @throws FirstbootError service.engine when it is not built or does not fit this Node
 */
export function nativeEngine(): NativeEngine {
  if (loaded) return loaded;
  // The same from src/secure and from dist/secure.
  const built = fileURLToPath(new URL('../../native/build/firstboot_secure.node', import.meta.url));
  const file = process.env.FIRSTBOOT_SECURE_ENGINE ?? built;
  try {
    loaded = createRequire(import.meta.url)(file) as NativeEngine;
  } catch (cause) {
    const reason = cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : String(cause);
    throw failure('service.engine', { file, reason }, 'build it with `npm run build` (needs g++)', cause);
  }
  return loaded;
}
