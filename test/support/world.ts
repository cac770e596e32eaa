import { setImmediate } from 'node:timers/promises';
import type { IncomingRequest } from '../../src/coap/endpoint.ts';
import { createDatagramEndpoint } from '../../src/coap/exchange.ts';
import { createStreamEndpoint } from '../../src/coap/stream.ts';
import { hours, ManualTimers, type Millis, minutes, type Timers } from '../../src/core/clock.ts';
import { limits } from '../../src/core/limits.ts';
import { silentLog } from '../../src/core/log.ts';
import { type RandomSource, seededRandom } from '../../src/core/random.ts';
import { Secret } from '../../src/core/secret.ts';
import { type DevelopmentSettings, developmentHub, developmentSettings } from '../../src/development.ts';
import { type DeviceConnection, type Network, type OpenRequest, shifted } from '../../src/device/network.ts';
import { createOcfDialect } from '../../src/dialects/ocf/dialect.ts';
import { type LinkFaults, SimulatedLink } from '../../src/fleet/link.ts';
import { createDevelopmentPki, type DevelopmentPki } from '../../src/pki/development.ts';
import { PolicySource } from '../../src/provision/policy.ts';
import type { EntryListener } from '../../src/provision/ports.ts';
import { createProvisioner, type Provisioner } from '../../src/provision/session.ts';
import type { SecureContext } from '../../src/secure/association.ts';
import { createSecureContext } from '../../src/secure/engine.ts';
import { type Serving, serveDevices } from '../../src/serving.ts';
import { openLevelStore } from '../../src/store/level.ts';
import type { Store } from '../../src/store/store.ts';
import { Alarm } from '../../src/transport/alarm.ts';
import { blockExponentFor } from '../../src/transport/block-size.ts';
import { DatagramServer } from '../../src/transport/datagram-server.ts';
import { LiveSession, type Session, type SessionOwner } from '../../src/transport/session.ts';
import { temporaryFolder } from './temporary-folder.ts';

/** What shall happen to one request. */
export type StepFault =
  /** It is answered with this code and not served. */
  | { readonly type: 'answer'; readonly code: number }
  /** It is served this much later. */
  | { readonly type: 'delay'; readonly ms: Millis }
  /** It is served, but its answer and all that follows in this session is lost. */
  | { readonly type: 'lost' }
  /** The service closes the session instead of answering. */
  | { readonly type: 'cut' };

export interface WorldOptions {
  readonly seed?: number;
  readonly link?: Partial<LinkFaults>;
  readonly devices?: number;
  /** Asked for every request; `earlier` is how often its path has been asked for before. */
  readonly fault?: (request: IncomingRequest, earlier: number) => StepFault | undefined;
  /** Changes the development settings before the service takes them. */
  readonly settings?: (settings: DevelopmentSettings, pki: DevelopmentPki) => DevelopmentSettings;
  readonly onEntry?: EntryListener;
}

/** When simulations begin; the certificates of their PKI are made then, too. */
export const worldStart: Millis = Date.UTC(2026, 5, 1, 12);

/**
 * The whole service (pipeline, store, engine and CoAP are the real ones) and any number of devices on a simulated network
 * and a stepped clock. Hours of a first boot over a bad link take milliseconds, and the same seed gives the same faults.
 */
export class World {
  readonly timers = new ManualTimers(worldStart);
  readonly random: RandomSource;
  readonly pki: DevelopmentPki;
  readonly settings: DevelopmentSettings;
  /** How often each path was asked for. */
  readonly requests = new Map<string, number>();
  /** Sessions that devices have opened. */
  opened = 0;
  private readonly options: WorldOptions;
  private readonly folder: { readonly path: string; readonly remove: () => Promise<void> };
  private readonly links = new Map<string, SimulatedLink>();
  private service: Service | undefined;

  private constructor(options: WorldOptions, folder: World['folder']) {
    this.options = options;
    this.folder = folder;
    this.random = seededRandom(options.seed ?? 1);
    const { devices = 1 } = options;
    this.pki = createDevelopmentPki({ devices, hubId: developmentHub.id, now: worldStart, random: this.random });
    const settings = developmentSettings(this.pki);
    this.settings = options.settings?.(settings, this.pki) ?? settings;
  }

  static async create(options: WorldOptions = {}): Promise<World> {
    const world = new World(options, await temporaryFolder());
    await world.startService();
    return world;
  }

  get store(): Store {
    return this.running.store;
  }

  get provisioner(): Provisioner {
    return this.running.provisioner;
  }

  /** What a device with this clock reaches the service through: `coaps://service` and `coaps+tcp://service`. */
  network(timers: Timers = this.timers): Network {
    return { open: (request) => this.open(request, timers) };
  }

  /** Steps the clock until `done` holds; false when it does not within `within` ms of simulated time. */
  async run(done: () => boolean, within: Millis = hours(2)): Promise<boolean> {
    const limit = this.timers.now() + within;
    for (;;) {
      await this.quiet();
      if (done()) return true;
      const next = this.timers.next();
      if (next === undefined || next > limit) return false;
      this.timers.advanceTo(next);
    }
  }

  /** Starts the service, again after `stopService`, over the same store. */
  async startService(): Promise<void> {
    this.service = await startService(this, this.folder.path, this.options.onEntry, (owner) => this.meddle(owner));
  }

  async stopService(): Promise<void> {
    const { datagrams, serving, sweep, store } = this.running;
    this.service = undefined;
    datagrams.close();
    await serving.idle();
    sweep.stop();
    await store.close();
  }

  async close(): Promise<void> {
    if (this.service) await this.stopService();
    await this.folder.remove();
  }

  /** A service's datagram or piece of stream on its way to a device. */
  transmit(bytes: Uint8Array, peer: string): void {
    this.links.get(peer)?.send('right', bytes);
  }

  get mtu(): number {
    return Math.min(limits.secure.mtu, Math.max(smallestMtu, this.options.link?.mtu ?? limits.secure.mtu));
  }

  private get running(): Service {
    if (!this.service) throw new Error('the service is stopped');
    return this.service;
  }

  /** Waits until nothing but the passing of simulated time can make anything happen. */
  private async quiet(): Promise<void> {
    for (let last = -1; this.service && last !== this.service.steps; ) {
      last = this.service.steps;
      await this.service.serving.idle();
      await setImmediate();
      await setImmediate();
    }
  }

  private open({ uri, identity, trust, clockOffset, onEvent }: OpenRequest, clock: Timers): DeviceConnection {
    const peer = `10.0.0.1:${++this.opened}`;
    const mtu = this.mtu;
    const kind = uri.scheme === 'coaps' ? 'datagram' : 'stream';
    // Everything but the service (a hub, say) is out of reach in this world.
    const reachable = uri.host === 'service' && this.service !== undefined;
    const link = new SimulatedLink({
      timers: this.timers,
      random: this.random,
      kind,
      ...(this.options.link && { faults: this.options.link }),
    });
    this.links.set(peer, link);
    const context = createSecureContext({
      transport: kind,
      role: 'client',
      identity,
      ...(trust && { trust }),
      clock: 'simulated',
      mtu,
    });
    const timers = shifted(clock, clockOffset);
    let serverEnd: LiveSession | undefined;
    const device = new LiveSession({
      transport: uri.scheme,
      peer: uri.host,
      association: context.connect(timers.now()),
      createEndpoint: () =>
        kind === 'datagram'
          ? createDatagramEndpoint({ random: this.random, blockExponent: blockExponentFor(mtu) })
          : createStreamEndpoint({ random: this.random }),
      transmit: (bytes) => link.send('left', bytes),
      timers,
      idle: undefined,
      owner: () => (event) => onEvent(event),
      // A stream's FIN follows its last bytes.
      onClosed: () => this.timers.schedule(this.timers.now() + farewell, () => serverEnd?.receiveEnd()),
    });
    if (kind === 'stream' && reachable) {
      const hangUp = (): void => device.receiveEnd();
      serverEnd = this.running.accept(peer, () => this.timers.schedule(this.timers.now() + farewell, hangUp));
    }
    if (!reachable) link.sever();
    link.deliver = (to, bytes) => {
      if (to === 'left') device.receive(bytes);
      else if (serverEnd) serverEnd.receive(bytes);
      else this.service?.datagrams.receive(Buffer.from(bytes), peer);
    };
    serverEnd?.start();
    device.start();
    return device;
  }

  /** Stands between the transports and the service, and does to requests what the test has ordered. */
  private meddle(owner: SessionOwner): SessionOwner {
    return (session: Session) => {
      const receive = owner(session);
      return (event, now) => {
        if (event.type !== 'request') return receive(event, now);
        const path = event.request.path.at(-1) ?? '';
        const earlier = this.requests.get(path) ?? 0;
        this.requests.set(path, earlier + 1);
        const fault = this.options.fault?.(event.request, earlier);
        switch (fault?.type) {
          case 'answer':
            return session.respond(event.id, { code: fault.code });
          case 'cut':
            return session.close();
          case 'delay':
            this.timers.schedule(now + fault.ms, () => receive(event, this.timers.now()));
            return undefined;
          case 'lost':
            this.links.get(session.peer)?.sever();
            return receive(event, now);
          case undefined:
            return receive(event, now);
        }
      };
    };
  }
}

/** Longer than any link of these tests holds bytes back. */
const farewell: Millis = 200;

/** Of a datagram link; a stream may come in smaller pieces. */
const smallestMtu = 300;

interface Service {
  readonly store: Store;
  readonly provisioner: Provisioner;
  readonly serving: Serving;
  readonly sweep: Alarm;
  readonly datagrams: DatagramServer;
  readonly accept: (peer: string, closed: () => void) => LiveSession;
  /** Grows whenever a session has taken a step. */
  readonly steps: number;
}

async function startService(
  world: World,
  folder: string,
  onEntry: EntryListener | undefined,
  meddle: (owner: SessionOwner) => SessionOwner,
): Promise<Service> {
  const { timers, random, settings } = world;
  // The store's group commit waits in real time: its disk is a real one.
  const store = await openLevelStore(folder);
  for (const hub of settings.hubs) await store.hubs.put(hub);
  for (const group of settings.groups) await store.groups.put(group);
  const policy = await PolicySource.load(store, silentLog);
  const provisioner = createProvisioner({
    store,
    policy,
    authority: settings.authority,
    tokens: { accessToken: async ({ deviceId }) => new Secret(`token of ${deviceId}`) },
    random,
    log: silentLog,
    ...(onEntry && { onEntry }),
  });
  await provisioner.restore(timers.now());
  const sweep = new Alarm(timers, (now) => {
    provisioner.handleTimeout(now);
    return provisioner.nextTimeout();
  });
  let steps = 0;
  const settled = (): void => {
    steps++;
    sweep.set(provisioner.nextTimeout());
  };
  const serving = serveDevices({
    provisioner,
    dialect: createOcfDialect({ log: silentLog }),
    timers,
    log: silentLog,
    settled,
  });
  const owner = meddle(serving.owner);
  const context = (transport: 'datagram' | 'stream'): SecureContext =>
    createSecureContext({
      transport,
      role: 'server',
      identity: settings.identity,
      trust: { ...policy.current.trust, purpose: 'client' },
      clock: 'simulated',
      mtu: world.mtu,
    });
  const contexts = { datagram: context('datagram'), stream: context('stream') };
  const datagrams = new DatagramServer({
    context: () => contexts.datagram,
    owner,
    timers,
    random,
    idle: minutes(2),
    mtu: world.mtu,
    transmit: (bytes, peer) => world.transmit(bytes, peer),
  });
  return {
    store,
    provisioner,
    serving,
    sweep,
    datagrams,
    accept: (peer, closed) =>
      new LiveSession({
        transport: 'coaps+tcp',
        peer,
        association: contexts.stream.accept(timers.now()),
        createEndpoint: () => createStreamEndpoint({ random }),
        transmit: (bytes) => world.transmit(bytes, peer),
        timers,
        idle: minutes(2),
        owner,
        onClosed: closed,
      }),
    get steps() {
      return steps;
    },
  };
}
