import type { Millis } from '../core/clock.ts';
import type { PeerChain } from '../pki/path.ts';
import type { PrivateKey } from '../pki/signing-key.ts';

export type { PrivateKey } from '../pki/signing-key.ts';

/**
 * A secure association: one DTLS or TLS session without I/O. Bytes and the time go in; bytes, events and the
 * next deadline come out. The engine behind it is OpenSSL; see engine.ts.
 */
export interface Association {
  readonly role: 'client' | 'server';
  /** Feeds what the network delivered: one datagram, or any piece of a stream. */
  receive(bytes: Uint8Array, now: Millis): void;
  /** Queues one application message: one DTLS record, or one TLS record (several when over limits.secure.recordBytes). */
  send(message: Uint8Array, now: Millis): void;
  /** Answers a `psk-lookup` event: the key, or undefined when the identity is unknown. */
  providePsk(key: Uint8Array | undefined, now: Millis): void;
  /** Sends close_notify and ends: after `close` there is output to take, but no more events than `closed`. */
  close(now: Millis): void;
  /** Ends without a word and frees the engine's memory. Safe at any time, more than once. */
  abort(): void;
  /** When `handleTimeout` wants to be called: flight retransmission or the handshake's deadline. */
  nextTimeout(): Millis | undefined;
  handleTimeout(now: Millis): void;
  /** What is to go on the wire, in order: datagrams, or pieces of the stream. Empties the queue. */
  takeOutput(): Uint8Array[];
  /** What happened, in order. Empties the queue; call until it gives nothing, for taking resumes paused decrypting. */
  takeEvents(): AssociationEvent[];
  /**
   * Received bytes that still wait in here: not decrypted yet, or decrypted and not taken. Past limits.secure.queuedBytes
   * decrypting pauses until takeEvents; a stream's owner should then pause its socket (at four times that a stream
   * ends as failed; datagrams are dropped).
   */
  readonly backlog: number;
  /** A handshake step runs on the pool, or waits for its place there: what comes of it is told by `onProgress`. */
  readonly busy: boolean;
  /** Flights of a DTLS handshake that were sent again because their time was up. */
  readonly retransmissions: number;
  /** Called when output or events appear outside of a call: a handshake step on the pool has finished. */
  onProgress: (() => void) | undefined;
}

export type AssociationEvent =
  | { readonly type: 'client-hello'; readonly hello: ClientHello }
  | { readonly type: 'psk-lookup'; readonly identity: Uint8Array }
  | { readonly type: 'established'; readonly session: SecureSession }
  | { readonly type: 'message'; readonly bytes: Uint8Array }
  | {
      readonly type: 'alert';
      readonly direction: 'sent' | 'received';
      readonly level: 'warning' | 'fatal';
      readonly name: string;
    }
  | { readonly type: 'closed'; readonly end: AssociationEnd };

/**
 * How it ended. `refused`: the handshake failed here or there (`error` is OpenSSL's reason string; `peer` holds what the
 * peer presented and why it was not accepted). `truncated`: a stream that ended without close_notify.
 */
export type AssociationEnd =
  | { readonly reason: 'close-notify' | 'local' | 'truncated' | 'handshake-timeout' }
  | { readonly reason: 'refused'; readonly error: string; readonly peer: PeerChain | undefined }
  | { readonly reason: 'failed'; readonly error: string };

/** What a ClientHello offered (RFC 5246 §7.4.1.2, RFC 8446 §4.1.2). Names as IANA or OpenSSL has them, else 0xNNNN. */
export interface ClientHello {
  readonly version: string;
  readonly cipherSuites: readonly string[];
  readonly groups: readonly string[];
  readonly signatureAlgorithms: readonly string[];
  readonly serverName: string | undefined;
  readonly alpn: readonly string[];
}

export interface SecureSession {
  readonly version: 'DTLSv1.2' | 'TLSv1.2' | 'TLSv1.3';
  readonly cipherSuite: string;
  /** The peer's certificates, or undefined when it authenticated by pre-shared key (or not at all). */
  readonly peer: PeerChain | undefined;
  readonly pskIdentity: Uint8Array | undefined;
}

export interface Identity {
  /** DER, leaf first, then intermediates; no root. */
  readonly chain: readonly Uint8Array[];
  /** A SigningKey makes the handshake's signature when asked: on the calling thread, so not together with `threads`. */
  readonly privateKey: PrivateKey;
}

export interface Trust {
  /** Trust anchors, DER. Never the system's. */
  readonly anchors: readonly Uint8Array[];
  /** Known intermediates: help in building a path, are not anchors. */
  readonly intermediates?: readonly Uint8Array[];
  readonly crls?: readonly Uint8Array[];
  /** Path errors (PathError.code) that do not end the handshake; they stay in the record for policy to judge. */
  readonly tolerate?: readonly string[];
  /** The same for peers whose key is known: SHA-256 of the leaf's SubjectPublicKeyInfo, 32 bytes each. */
  readonly pinned?: { readonly keys: readonly Uint8Array[]; readonly tolerate: readonly string[] };
  /** 'ignore': validity dates are not judged at all (the time step of a device without a clock). */
  readonly dates?: 'check' | 'ignore';
  /**
   * The extended key usage a leaf must allow. An OCF-only EKU (1.3.6.1.4.1.44924.1.6) passes for both:
   * such device certificates are in the field.
   */
  readonly purpose: 'client' | 'server' | 'any';
  /** SHA-256 or SHA-384 digests of DER, one of which lets a chain pass whose check failed (plgd-device c1). */
  readonly fingerprints?: readonly Uint8Array[];
}

export interface SecureContextOptions {
  readonly transport: 'datagram' | 'stream';
  readonly role: 'client' | 'server';
  readonly identity?: Identity;
  /** Absent: peer certificates are neither asked for (server) nor judged (client with skipped verification). */
  readonly trust?: Trust;
  /** Server: whether a peer may come without a certificate (it then has no identity unless it used a PSK). Default 'require'. */
  readonly peerCertificate?: 'require' | 'optional';
  /** OpenSSL cipher names for (D)TLS <= 1.2; default: the list of secure-engine facts. */
  readonly ciphers?: readonly string[];
  readonly minVersion?: '1.2' | '1.3';
  readonly maxVersion?: '1.2' | '1.3';
  readonly mtu?: number;
  /**
   * Server: whether PSK suites are offered (keys through `psk-lookup`). Client: what to authenticate with. These are the
   * keys of (D)TLS 1.2 (RFC 4279): a client with one speaks 1.2 at most, and so does a server to a client that offers a
   * PSK suite. A client's identity must not hold a zero byte (OpenSSL takes a C string); a server sees any bytes.
   */
  readonly psk?: 'lookup' | { readonly identity: Uint8Array; readonly key: Uint8Array };
  /** Server only: application protocol chosen when offered, e.g. 'coap' (RFC 8323 §8.2). */
  readonly alpn?: string;
  readonly handshakeTimeout?: Millis;
  /**
   * Handshake steps on libuv's pool instead of the calling thread: always, or when they take too much of that thread's
   * time. Off (the default) where a run must be repeatable.
   */
  readonly threads?: boolean | 'when-busy';
  /**
   * 'simulated': `now` does not run with the machine's clock (tests, fleets). OpenSSL reads the real clock for its flight
   * timers; this leaves them out of the game, so that retransmission follows `now` alone. Default 'system'.
   */
  readonly clock?: 'system' | 'simulated';
}

/** Shared settings and keys of many associations; immutable: to rotate keys or anchors, make a new one and swap. */
export interface SecureContext {
  readonly options: SecureContextOptions;
  /** Client side, either transport. Output holds the ClientHello at once. `serverName` goes into SNI if given. */
  connect(now: Millis, options?: { readonly serverName?: string }): Association;
  /** Server side of a stream. */
  accept(now: Millis): Association;
  /**
   * First contact of a datagram peer that has no association (RFC 6347 §4.2.1): without state and allocation answers a
   * ClientHello with a HelloVerifyRequest, and gives an association when a valid cookie came back.
   * @param peer what identifies the sender: address and port; goes into the cookie.
   */
  listen(peer: string, datagram: Uint8Array, now: Millis): ListenResult;
}

export type ListenResult =
  | { readonly type: 'drop' }
  | { readonly type: 'reply'; readonly datagram: Uint8Array }
  | { readonly type: 'accepted'; readonly association: Association };
