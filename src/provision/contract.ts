import type { Millis } from '../core/clock.ts';
import type { Decision, Refusal } from '../core/errors.ts';
import type { Uuid } from '../core/ids.ts';
import type { JsonObject } from '../core/json.ts';
import type { Secret } from '../core/secret.ts';
import type { PeerChain } from '../pki/path.ts';

/** What the edge knows of a peer when its handshake is through. Plain facts: the pipeline sees no transport. */
export interface PeerEvidence {
  readonly version: string;
  readonly cipherSuite: string;
  readonly chain: PeerChain | undefined;
  readonly pskIdentity: Uint8Array | undefined;
  /** From first byte to finished handshake, ms. */
  readonly handshakeTime: Millis;
  /** Flights of the peer that it took; over DTLS without the one that asked for the cookie. */
  readonly roundTrips?: number;
}

/** What a ClientHello offered, for the record. */
export interface OfferEvidence {
  readonly version: string;
  readonly cipherSuites: readonly string[];
  readonly groups: readonly string[];
  readonly signatureAlgorithms: readonly string[];
  readonly serverName: string | undefined;
}

/**
 * One secure session of a device with the pipeline, from its first byte to its end. A dialect calls the questions a device
 * may ask (in any order a real device uses); the edge reports what happened around them. Every call records before it returns.
 */
export interface ProvisioningSession {
  /** The attempt that it is on record under, or would be: for the log. */
  readonly attemptId: Uuid;
  /** The edge: the ClientHello (or the cookie) has arrived. */
  offered(offer: OfferEvidence, now: Millis): void;
  /** The edge: the peer named a pre-shared key; `known`: it was found, and the handshake goes on with it. */
  pskNamed(identity: Uint8Array, known: boolean): void;
  /** The edge: the handshake is through; runs attest, match, admit. A refusal is kept and answers every later question. */
  established(peer: PeerEvidence, now: Millis): Promise<void>;
  /** The edge: the handshake was refused (here or there). */
  handshakeRefused(error: string, chain: PeerChain | undefined, now: Millis): void;
  alert(direction: 'sent' | 'received', name: string, now: Millis): void;
  /** The edge: a request has been answered; bytes are those of the two bodies. */
  exchanged(exchange: ExchangeEvidence, now: Millis): void;
  /** The edge: the session is over. Decides the verdict, or leaves the attempt open for the next session of the run. */
  closed(how: SessionEnd, now: Millis): Promise<void>;

  /** Whether this peer may have an answer at all; time is given on the same condition. */
  time(now: Millis): Promise<Decision<Millis>>;
  ownership(now: Millis): Promise<Decision<{ readonly ownerId: Uuid }>>;
  /** Stages bind and configure. `selected`: the gateway the device has chosen now, if any. */
  cloud(
    question: { readonly deviceId: string; readonly selected?: SelectedGateway },
    now: Millis,
  ): Promise<Decision<CloudConfiguration>>;
  /** Stages bind and issue. `csr` is DER. */
  credentials(
    question: { readonly deviceId: string; readonly csr: Uint8Array },
    now: Millis,
  ): Promise<Decision<CredentialBundle>>;
  /** Stage authorize. */
  acls(now: Millis): Promise<Decision<AccessControl>>;
  /** The revocation list of the present issuing authority, DER, for whoever is admitted; no step of provisioning. */
  revocations(now: Millis): Promise<Decision<Uint8Array>>;
  /** The dialect: a question could not be read, or its answer not be written. Recorded as the step's failure. */
  rejected(step: Step, refusal: Refusal, now: Millis): Promise<void>;
}

/** What a device can be served. `time` opens a run; `credentials` alone is a renewal. */
export type Step = 'time' | 'ownership' | 'cloud' | 'credentials' | 'acls';

export interface SelectedGateway {
  readonly uri: string;
  readonly id: string;
}

export interface ExchangeEvidence {
  readonly method: string;
  readonly path: string;
  readonly code: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly ms: Millis;
  /** Messages of the peer that the exchange took. */
  readonly roundTrips: number;
}

export interface SessionEnd {
  readonly reason: 'closed-by-peer' | 'closed-here' | 'timeout' | 'broken';
  readonly text?: string;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** Where the device goes (plgd: cloud-configuration). */
export interface CloudConfiguration {
  readonly accessToken: Secret<string>;
  readonly provider: string;
  readonly gateway: { readonly uri: string; readonly hubId: Uuid };
  /** Every gateway of every hub of the group, in order, the chosen one included. */
  readonly gateways: readonly { readonly uri: string; readonly hubId: Uuid }[];
  /** The group's extra configuration, if it has some. */
  readonly payload: JsonObject | undefined;
}

/** What the device holds from now on. Certificates are DER. */
export interface CredentialBundle {
  readonly deviceId: Uuid;
  readonly ownerId: Uuid;
  /** Leaf, then intermediates; never the root. */
  readonly chain: readonly Uint8Array[];
  readonly trustAnchors: readonly Uint8Array[];
  readonly ownerPsk: Secret<Uint8Array> | undefined;
}

/** Who may do what on the device. Permission bits: create 1, retrieve 2, update 4, delete 8, notify 16 (OCF Security §13.5). */
export interface AccessControl {
  readonly entries: readonly AccessControlEntry[];
}

export interface AccessControlEntry {
  readonly subject:
    | { readonly type: 'uuid'; readonly uuid: Uuid }
    | { readonly type: 'connection'; readonly kind: 'anon-clear' | 'auth-crypt' }
    | { readonly type: 'role'; readonly role: string; readonly authority: string | undefined };
  readonly permission: number;
  readonly resources: readonly ({ readonly href: string } | { readonly wildcard: '*' | '+' | '-' })[];
}
