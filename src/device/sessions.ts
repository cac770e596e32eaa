import type { Clock, Millis } from '../core/clock.ts';
import { FirstbootError, unreachable } from '../core/errors.ts';
import type { SecureSession } from '../secure/association.ts';
import { type ConnectionEnd, type ConnectionEvent, noTraffic, type Traffic } from '../transport/connection.ts';
import { type Caller, stranger, subjectOf } from './access.ts';
import type { DeviceAction, OpenAction, StepOutcome } from './actions.ts';
import { type ExpectedPeer, impostorIn } from './impostor.ts';
import type { DeviceMachine } from './machine.ts';
import { type DeviceConnection, endpointOf, type Network } from './network.ts';
import type { StepReport } from './report.ts';
import type { Channel, DeviceResources, Visitor } from './resources/device-resources.ts';

export type SessionAction = Extract<DeviceAction, { type: 'open' | 'request' | 'ping' | 'close' }>;

/**
 * The machine's session and exchange numbers, and the connections behind them. Events are queued, so that one that comes
 * while the machine's actions are being performed is told to it afterwards.
 */
export class SessionTable {
  private readonly network: Network;
  private readonly clock: Clock;
  private readonly resources: DeviceResources;
  private readonly onEvents: () => void;
  private readonly live = new Map<number, Live>();
  /** The last session that its peer ended: the step that failed with it is reported afterwards. */
  private ended: { readonly session: number; readonly live: Live } | undefined;
  private readonly events: { readonly session: number; readonly event: ConnectionEvent }[] = [];

  /** @param resources what the other side of a session may ask for. */
  constructor(network: Network, clock: Clock, resources: DeviceResources, onEvents: () => void) {
    this.network = network;
    this.clock = clock;
    this.resources = resources;
    this.onEvents = onEvents;
  }

  get waiting(): boolean {
    return this.events.length > 0;
  }

  perform(action: SessionAction): void {
    switch (action.type) {
      case 'open':
        this.open(action);
        break;
      case 'request': {
        const session = this.live.get(action.session);
        const id = session?.connection?.request(action.request);
        if (session) session.roundTrips++;
        if (id !== undefined) session?.exchanges.set(id, action.exchange);
        break;
      }
      case 'ping': {
        const session = this.live.get(action.session);
        const id = session?.connection?.ping();
        if (id !== undefined) session?.exchanges.set(id, action.exchange);
        break;
      }
      case 'close': {
        const session = this.live.get(action.session);
        this.live.delete(action.session);
        session?.visitor?.close();
        session?.connection?.close();
        break;
      }
      default:
        unreachable(action);
    }
  }

  /** Drops every session without a word, as a power cut does. */
  powerOff(): void {
    const dropped = [...this.live.values()];
    this.live.clear();
    for (const { connection, visitor } of dropped) {
      visitor?.close();
      connection?.abandon();
    }
    this.events.length = 0;
  }

  /** Tells the machine what has come in. */
  deliver(machine: DeviceMachine): void {
    for (const { session, event } of this.events.splice(0)) {
      const live = this.live.get(session);
      if (live) this.tell(machine, session, live, event);
    }
  }

  /** What a step that just ended cost since the step before it on the same session. */
  report({ step, session, result, refusal, status }: StepOutcome): StepReport {
    const live = this.find(session);
    const now = this.clock.now();
    const traffic = live?.connection?.traffic ?? noTraffic;
    const report: StepReport = {
      step,
      result,
      ...(refusal ? { refusal } : {}),
      flags: status.flags,
      progress: status.progress,
      bytesIn: traffic.bytesIn - (live?.counted.bytesIn ?? 0),
      bytesOut: traffic.bytesOut - (live?.counted.bytesOut ?? 0),
      roundTrips: live?.roundTrips ?? 0,
      ms: live ? now - live.since : 0,
    };
    if (live) Object.assign(live, { counted: { ...traffic }, roundTrips: 0, since: now } satisfies Partial<Live>);
    return report;
  }

  private find(session: number | undefined): Live | undefined {
    if (session === undefined) return undefined;
    return this.live.get(session) ?? (this.ended?.session === session ? this.ended.live : undefined);
  }

  private open(action: OpenAction): void {
    const { session, uri, identity, trust, clockOffset, purpose, expected } = action;
    const live: Live = {
      connection: undefined,
      isCloud: purpose === 'cloud',
      expected,
      visitor: undefined,
      exchanges: new Map(),
      since: this.clock.now(),
      counted: noTraffic,
      roundTrips: 0,
    };
    this.live.set(session, live);
    try {
      live.connection = this.network.open({
        uri: endpointOf(uri),
        identity,
        trust,
        clockOffset,
        onEvent: (event) => {
          this.events.push({ session, event });
          this.onEvents();
        },
      });
    } catch (error) {
      if (!(error instanceof FirstbootError)) throw error;
      this.events.push({ session, event: { type: 'closed', end: { reason: 'unreachable', text: error.message } } });
    }
  }

  private tell(machine: DeviceMachine, session: number, live: Live, event: ConnectionEvent): void {
    const now = this.clock.now();
    switch (event.type) {
      case 'established': {
        const impostor = impostorIn(live.expected, event.session);
        if (impostor !== undefined) {
          this.live.delete(session);
          this.ended = { session, live };
          live.connection?.close();
          machine.closed(session, `refused: ${impostor}`, now);
          break;
        }
        live.roundTrips += handshakeRoundTrips[event.session.version];
        live.visitor = this.resources.visit(callerOf(live, event.session), channelOf(live));
        machine.connected(session, now);
        break;
      }
      case 'response':
      case 'pong':
      case 'failed': {
        const exchange = live.exchanges.get(event.id);
        live.exchanges.delete(event.id);
        if (exchange === undefined) break;
        if (event.type === 'response') {
          // The first block's was counted when it was sent.
          live.roundTrips += event.roundTrips - 1;
          machine.response(exchange, event.response, now);
        }
        if (event.type === 'pong') machine.pong(exchange);
        if (event.type === 'failed') machine.failed(exchange, event.reason, now);
        break;
      }
      case 'request':
        live.visitor?.request(event.id, event.request);
        break;
      case 'unobserved':
        live.visitor?.unobserved(event.id);
        break;
      case 'closed':
        live.visitor?.close();
        machine.closed(session, reasonOf(event.end), now);
        this.live.delete(session);
        this.ended = { session, live };
        break;
      default:
    }
  }
}

interface Live {
  connection: DeviceConnection | undefined;
  readonly isCloud: boolean;
  readonly expected: ExpectedPeer;
  /** Whoever is on the other side, once that is known. */
  visitor: Visitor | undefined;
  /** Exchange numbers of the machine by the connection's ids. */
  readonly exchanges: Map<number, number>;
  /** When the step that runs began. */
  since: Millis;
  counted: Traffic;
  roundTrips: number;
}

/**
 * A hub is who its certificate says, for an anchor that was provisioned vouches for it. A provisioning service is nobody: what
 * vouches for it is the factory's, or nothing at all, and its name must not make it an owner.
 */
const callerOf = ({ isCloud }: Live, session: SecureSession): Caller =>
  isCloud ? { subject: subjectOf(session), connection: 'auth-crypt' } : stranger;

const channelOf = (live: Live): Channel => ({
  respond: (id, response) => live.connection?.respond(id, response),
  notify: (id, response) => live.connection?.notify(id, response),
});

/** Cookie and two flights (DTLS 1.2); TCP's own and two flights (TLS 1.2), one (TLS 1.3). */
const handshakeRoundTrips = { 'DTLSv1.2': 3, 'TLSv1.2': 3, 'TLSv1.3': 2 } as const;

/** The reason in a word or a line; the machine only tells timeouts from the rest. */
function reasonOf(end: ConnectionEnd): string {
  switch (end.reason) {
    case 'refused':
    case 'failed':
      return `${end.reason}: ${end.error}`;
    case 'broken':
    case 'unreachable':
      return `${end.reason}: ${end.text}`;
    default:
      return end.reason;
  }
}
