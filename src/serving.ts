import type { IncomingRequest, MessageCount, OutgoingResponse } from './coap/endpoint.ts';
import type { Millis, Timers } from './core/clock.ts';
import { InFlight } from './core/in-flight.ts';
import { limits } from './core/limits.ts';
import type { Log } from './core/log.ts';
import type { OcfDialect } from './dialects/ocf/dialect.ts';
import type { ExchangeEvidence, ProvisioningSession, SessionEnd } from './provision/contract.ts';
import type { Provisioner } from './provision/session.ts';
import type { ConnectionEnd, ConnectionEvent, Traffic } from './transport/connection.ts';
import type { Session, SessionOwner } from './transport/session.ts';

export interface ServingDeps {
  readonly provisioner: Provisioner;
  readonly dialect: OcfDialect;
  readonly timers: Timers;
  readonly log: Log;
  /** Called whenever a session has taken a step: the pipeline's next deadline may have moved. */
  readonly settled: () => void;
  /** Counts the steps of all sessions that are under way; default: one of its own. */
  readonly inFlight?: InFlight;
}

export interface Serving {
  readonly owner: SessionOwner;
  /** Resolves when everything that sessions have begun is recorded. */
  idle(): Promise<void>;
}

/** Joins what the transports deliver to the pipeline: every session of a device becomes a provisioning session. */
export function serveDevices(deps: ServingDeps): Serving {
  const { inFlight = new InFlight() } = deps;
  return {
    owner: (session) => {
      const served = new ServedSession(session, deps, inFlight);
      return (event, now) => served.event(event, now);
    },
    idle: () => inFlight.idle(),
  };
}

class ServedSession {
  private readonly session: Session;
  private readonly deps: ServingDeps;
  private readonly provisioning: ProvisioningSession;
  private readonly openedAt: Millis;
  private readonly inFlight: InFlight;
  private pskInUse = false;
  /** The last exchange, while the blocks of its answer are fetched. */
  private fetching: { readonly exchange: Exchange; readonly messages: MessageCount; readonly at: Millis } | undefined;
  /** One thing of a session at a time: attestation, then its requests in order, then its end. */
  private last: Promise<void> = Promise.resolve();

  constructor(session: Session, deps: ServingDeps, inFlight: InFlight) {
    this.session = session;
    this.deps = deps;
    this.inFlight = inFlight;
    this.openedAt = deps.timers.now();
    this.provisioning = deps.provisioner.open({ transport: session.transport, peer: session.peer }, this.openedAt);
  }

  event(event: ConnectionEvent, now: Millis): void {
    switch (event.type) {
      case 'client-hello':
        this.provisioning.offered(event.hello, now);
        break;
      case 'psk-lookup': {
        const key = this.deps.provisioner.preSharedKey(event.identity);
        this.pskInUse = key !== undefined;
        this.provisioning.pskNamed(event.identity, this.pskInUse);
        this.session.providePsk(key);
        break;
      }
      case 'established': {
        const { version, cipherSuite, peer: chain, pskIdentity } = event.session;
        // Over DTLS the ClientHello with the cookie was read before there was a session.
        const roundTrips = this.session.turns + (this.session.transport === 'coaps' ? 1 : 0);
        const took = { handshakeTime: now - this.openedAt, roundTrips };
        const evidence = { version, cipherSuite, chain, pskIdentity, ...took };
        this.next(() => this.provisioning.established(evidence, this.deps.timers.now()));
        break;
      }
      case 'request':
        this.next(() => this.answer(event.id, event.request, now));
        break;
      case 'alert':
        this.provisioning.alert(event.direction, event.name, now);
        break;
      case 'closed':
        this.closed(event.end, now);
        break;
      case 'response':
      case 'pong':
      case 'failed':
        break;
    }
  }

  private async answer(id: number, request: IncomingRequest, receivedAt: Millis): Promise<void> {
    const { timers, dialect } = this.deps;
    this.noteFetched();
    const response: OutgoingResponse = await dialect.handle(this.provisioning, request, timers.now());
    this.session.respond(id, response);
    const now = timers.now();
    const exchange: Exchange = {
      method: request.method,
      path: `/${request.path.join('/')}`.slice(0, limits.provision.recordedText),
      code: response.code,
      bytesIn: request.payload.length,
      bytesOut: response.payload?.length ?? 0,
      ms: now - receivedAt,
    };
    const { messages = oneMessage } = request;
    if (messages.open) this.fetching = { exchange, messages, at: now };
    else this.provisioning.exchanged({ ...exchange, roundTrips: messages.received }, now);
  }

  /** Puts the last exchange on record, if it was held back until the device had fetched all blocks of its answer. */
  private noteFetched(): void {
    if (!this.fetching) return;
    const { exchange, messages, at } = this.fetching;
    this.fetching = undefined;
    this.provisioning.exchanged({ ...exchange, roundTrips: messages.received }, at);
  }

  private closed(end: ConnectionEnd, now: Millis): void {
    // Only `refused` carries what the peer presented; it must be on the record before the session is closed on it.
    if (end.reason === 'refused') this.provisioning.handshakeRefused(end.error, end.peer, now);
    // A peer with the wrong key looks, over DTLS, like one that went silent after it had named its key.
    if (end.reason === 'handshake-timeout' && this.pskInUse)
      this.provisioning.handshakeRefused('handshake timeout', undefined, now);
    this.next(() => {
      this.noteFetched();
      return this.provisioning.closed(sessionEnd(end, this.session.traffic), this.deps.timers.now());
    });
  }

  private next(step: () => Promise<void>): void {
    this.inFlight.begin();
    this.last = this.last
      .then(step)
      .catch((error: unknown) => {
        const about = { attemptId: this.provisioning.attemptId, peer: this.session.peer };
        this.deps.log.error({ ...about, error }, 'a session ended by an unexpected error');
        this.session.close();
      })
      .then(() => {
        this.deps.settled();
        this.inFlight.end();
      });
  }
}

type Exchange = Omit<ExchangeEvidence, 'roundTrips'>;

const oneMessage: MessageCount = { received: 1, open: false };

function sessionEnd(end: ConnectionEnd, { bytesIn, bytesOut }: Traffic): SessionEnd {
  switch (end.reason) {
    case 'close-notify':
    case 'released':
    case 'truncated':
    case 'replaced':
      return { reason: 'closed-by-peer', text: end.reason, bytesIn, bytesOut };
    case 'local':
      return { reason: 'closed-here', bytesIn, bytesOut };
    case 'handshake-timeout':
    case 'idle':
    case 'stalled':
    case 'evicted':
      return { reason: 'timeout', text: end.reason, bytesIn, bytesOut };
    case 'refused':
    case 'failed':
      return { reason: 'broken', text: end.error, bytesIn, bytesOut };
    case 'broken':
    case 'unreachable':
      return { reason: 'broken', text: end.text, bytesIn, bytesOut };
  }
}
