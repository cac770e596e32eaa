import type { CoapEndpoint } from '../coap/endpoint.ts';
import { parseCoapUri } from '../coap/uri.ts';
import type { Millis } from '../core/clock.ts';
import type { Uuid } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import { type RandomSource, randomFraction } from '../core/random.ts';
import type { FactoryIdentity } from '../device/identity.ts';
import type { DeviceConnection } from '../device/network.ts';
import { parseCertificate } from '../pki/certificate.ts';
import { manufacturerKeyId } from '../pki/public-key.ts';
import { createSecureContext } from '../secure/engine.ts';
import type { DeviceFindings, FleetDevice, FleetHost } from './device.ts';
import type { DeviceOutcome } from './outcome.ts';
import { deviceRandom, drawRange, type Member } from './population.ts';
import type { Path } from './site.ts';
import { Trace } from './trace.ts';

/**
 * A device that wants nothing good: about every limits.fleet.hostilePause it does what its conduct says, so many times, and
 * nothing is expected of it. Whether it does harm is seen on the others.
 */
export class HostileDevice implements FleetDevice {
  readonly member: Member;
  private readonly host: FleetHost;
  private readonly path: Path;
  private readonly random: RandomSource;
  private readonly trace: Trace;
  private identity: FactoryIdentity | undefined;
  private keyId: Uuid | undefined;
  private session: DeviceConnection | undefined;
  private hello: Uint8Array | undefined;
  private acts = 0;
  private isSettled = false;
  private over = false;
  private bootedAt: Millis;

  constructor(member: Member, host: FleetHost) {
    const { site, scenario, start } = host;
    const { link, conduct } = member.part;
    this.member = member;
    this.host = host;
    this.bootedAt = member.bootsAt;
    this.random = deviceRandom(scenario.seed, member.number, 'conduct');
    this.trace = new Trace(site.timers, start);
    this.path = site.connect({
      timers: site.timers,
      random: deviceRandom(scenario.seed, member.number, 'path'),
      // Slow enough for a handshake to be left in its middle.
      faults: conduct === 'half-open' ? { ...link, delay: Math.max(link.delay, halfOpenDelay) } : link,
    });
  }

  get settled(): boolean {
    return this.isSettled;
  }

  switchOn(): void {
    const { host, member, random } = this;
    this.bootedAt = Math.round(host.site.timers.now() - host.start);
    this.identity = host.identityOf(member);
    const [leaf] = this.identity.chain;
    if (leaf) this.keyId = manufacturerKeyId(parseCertificate(leaf).spki);
    this.trace.add(`switched on: ${member.part.conduct}`);
    this.after(drawRange(member.part.think, random), () => this.act());
  }

  async end(): Promise<void> {
    this.over = true;
    this.session?.close();
    this.session = undefined;
    this.path.cut();
  }

  get outcome(): DeviceOutcome {
    const { member, bootedAt, path } = this;
    return {
      name: member.name,
      part: member.part.name,
      transport: member.transport,
      expect: member.part.expect,
      bootedAt,
      arrivedAfter: undefined,
      arrivedAt: undefined,
      cost: { ...path.traffic, roundTrips: 0 },
      provisioned: 0,
      renewed: 0,
      resets: 0,
      powerCuts: 0,
    };
  }

  get findings(): DeviceFindings {
    return {
      keyId: this.keyId,
      state: undefined,
      serials: [],
      present: false,
      clock: this.host.site.timers.now(),
      trace: this.trace.lines,
    };
  }

  private act(): void {
    const { conduct } = this.member.part;
    this.acts++;
    this.trace.add(`${conduct} ${this.acts}`);
    switch (conduct) {
      case 'flood':
        this.flood();
        break;
      case 'garbage':
        this.open(() => garbage(this.random));
        break;
      case 'half-open':
        this.openHalf();
        break;
      case 'slow-reader':
        this.askAndNotRead();
        break;
      case 'honest':
    }
    if (!this.isSettled) {
      this.isSettled = true;
      this.host.settled(1);
    }
    if (this.acts >= limits.fleet.hostileActs) return;
    this.after(limits.fleet.hostilePause * (0.5 + randomFraction(this.random)), () => this.act());
  }

  private flood(): void {
    const { udp } = this.host.site.endpoints;
    if (udp === undefined) return;
    this.hello ??= firstFlight(this.host.site.timers.now());
    for (let k = 0; k < limits.fleet.floodBurst; k++) this.path.spray(udp, this.hello);
  }

  /** Begins a handshake, and is gone when the service has begun to work on it. */
  private openHalf(): void {
    const { path } = this;
    if (this.member.transport === 'tcp') {
      this.path.cut();
      path.setReading(false);
      this.open();
      return;
    }
    // The second flight carries the cookie: from there on the service keeps a session for us.
    const enough = path.traffic.datagramsOut + 2;
    let looks = 0;
    const look = (): void => {
      if (path.traffic.datagramsOut >= enough) path.cut();
      else if (looks++ < mostLooks) this.after(lookEvery, look);
    };
    this.open();
    look();
  }

  private askAndNotRead(): void {
    const { path } = this;
    path.cut();
    path.setReading(true);
    this.open(undefined, (session) => {
      path.setReading(false);
      for (let k = 0; k < limits.fleet.unreadRequests; k++) {
        session.request({ method: 'GET', path: ['x.plgd.dev', 'time'], confirmable: false });
      }
    });
  }

  private open(createEndpoint?: () => CoapEndpoint, established?: (session: DeviceConnection) => void): void {
    const { identity, member, host, path } = this;
    const uri = parseCoapUri(host.site.endpoints[member.transport] ?? '');
    if (!identity || !uri.ok) return;
    this.session?.close();
    const session = path.network.open({
      uri: uri.value,
      identity,
      trust: undefined,
      clockOffset: 0,
      ...(createEndpoint && { createEndpoint }),
      onEvent: (event) => {
        // After this call: it may come before there is a session.
        if (event.type === 'established' && established) this.after(0, () => established(session));
        if (event.type === 'closed') this.trace.add(`session ended: ${event.end.reason}`);
      },
    });
    this.session = session;
  }

  private after(delay: Millis, what: () => void): void {
    this.host.schedule(this.host.site.timers.now() + delay, () => {
      if (!this.over) what();
    });
  }
}

const halfOpenDelay: Millis = 50;
const lookEvery: Millis = 10;
const mostLooks = 50;

/** A ClientHello without a cookie, as every client begins. */
function firstFlight(now: Millis): Uint8Array {
  const association = createSecureContext({ transport: 'datagram', role: 'client', clock: 'simulated' }).connect(now);
  const [hello = new Uint8Array()] = association.takeOutput();
  association.abort();
  return new Uint8Array(hello);
}

/** What a session speaks whose other side expects CoAP: noise, and not a word that it would understand. */
function garbage(random: RandomSource): CoapEndpoint {
  let output = Array.from({ length: limits.fleet.garbageMessages }, () =>
    random.bytes(1 + Math.floor(randomFraction(random) * limits.fleet.garbageBytes)),
  );
  const nothing = (): void => undefined;
  return {
    receive: nothing,
    request: () => 0,
    respond: nothing,
    notify: nothing,
    retransmissions: 0,
    cancel: nothing,
    ping: () => 0,
    release: nothing,
    nextTimeout: () => undefined,
    handleTimeout: nothing,
    congested: false,
    takeOutput: () => {
      const messages = output;
      output = [];
      return messages;
    },
    takeEvents: () => [],
  };
}
