import type { IncomingRequest } from '../../src/coap/endpoint.ts';
import { hours, type ManualTimers, type Millis, type Timers } from '../../src/core/clock.ts';
import type { RandomSource } from '../../src/core/random.ts';
import type { DevelopmentSettings } from '../../src/development.ts';
import type { Network } from '../../src/device/network.ts';
import { datagramMtu, type LinkFaults, perfectLink } from '../../src/fleet/link.ts';
import type { Path } from '../../src/fleet/site.ts';
import type { DevelopmentPki } from '../../src/pki/development.ts';
import type { EntryListener } from '../../src/provision/ports.ts';
import type { Provisioner } from '../../src/provision/session.ts';
import type { SimulatedGateway } from '../../src/simulation/cloud.ts';
import { type SimulatedSite, simulationStart, startSimulatedSite } from '../../src/simulation.ts';
import type { EnrollmentGroup, Hub } from '../../src/store/model.ts';
import type { Store } from '../../src/store/store.ts';
import type { Session, SessionOwner } from '../../src/transport/session.ts';

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

/** Asked for every request; `earlier` is how often its path has been asked for before. */
export type RequestFault = (request: IncomingRequest, earlier: number) => StepFault | undefined;

export interface WorldOptions {
  readonly seed?: number;
  readonly link?: Partial<LinkFaults>;
  readonly devices?: number;
  readonly fault?: RequestFault;
  /** The same at the gateways. */
  readonly gatewayFault?: RequestFault;
  /** Gateways of each hub, the one that devices are sent to first. Default: one hub with one gateway. */
  readonly gateways?: readonly number[];
  /** Life of the identity certificates that the service issues. */
  readonly identityLife?: Millis;
  /** Changes the development settings before the service takes them. */
  readonly settings?: (settings: DevelopmentSettings, pki: DevelopmentPki) => DevelopmentSettings;
  readonly onEntry?: EntryListener;
}

/** When simulations begin; the certificates of their PKI are made then, too. */
export const worldStart: Millis = simulationStart;

/**
 * A simulated site for tests: the whole service, gateways and any number of devices on a simulated network and a stepped
 * clock. What it adds is faults that strike single requests, and counts of them.
 */
export class World {
  readonly site: SimulatedSite;
  /** How often each path was asked for at the service, by its last segment. */
  readonly requests: Map<string, number>;
  /** The same at the gateways, by the whole path. */
  readonly gatewayRequests: Map<string, number>;
  private readonly link: LinkFaults;

  private constructor(site: SimulatedSite, link: LinkFaults, asked: Pick<World, 'requests' | 'gatewayRequests'>) {
    this.site = site;
    this.link = link;
    this.requests = asked.requests;
    this.gatewayRequests = asked.gatewayRequests;
  }

  static async create(options: WorldOptions = {}): Promise<World> {
    const { seed = 1, fault, gatewayFault, link, gateways, devices, identityLife, settings, onEntry } = options;
    const asked = { requests: new Map<string, number>(), gatewayRequests: new Map<string, number>() };
    const faults = { ...perfectLink, ...link };
    let site: SimulatedSite | undefined;
    const meddler = (counts: Map<string, number>, name: (request: IncomingRequest) => string, wanted?: RequestFault) =>
      meddle({ counts, name, wanted, site: () => site });
    site = await startSimulatedSite({
      seed,
      // Every timer by itself: tests look at the state in between.
      step: 0,
      mtu: datagramMtu(faults),
      meddle: meddler(asked.requests, ({ path }) => path.at(-1) ?? '', fault),
      meddleGateway: meddler(asked.gatewayRequests, ({ path }) => `/${path.join('/')}`, gatewayFault),
      ...(gateways && { gateways }),
      ...(devices !== undefined && { devices }),
      ...(identityLife !== undefined && { identityLife }),
      ...(settings && { settings }),
      ...(onEntry && { onEntry }),
    });
    return new World(site, faults, asked);
  }

  get timers(): ManualTimers {
    return this.site.timers;
  }

  get random(): RandomSource {
    return this.site.random;
  }

  get pki(): DevelopmentPki {
    return this.site.pki;
  }

  get settings(): DevelopmentSettings {
    return this.site.settings;
  }

  get store(): Store {
    return this.site.store;
  }

  get provisioner(): Provisioner {
    return this.site.provisioner;
  }

  /** Sessions that devices have opened. */
  get opened(): number {
    return this.site.network.opened;
  }

  /** By hub, then in the order of its list. */
  get gateways(): SimulatedSite['gateways'] {
    return this.site.gateways;
  }

  /** A gateway, by hub and place in its list. */
  gateway(hub = 0, at = 0): SimulatedGateway {
    const gateway = this.site.gateways[hub]?.[at];
    if (!gateway) throw new Error(`hub ${hub} has no gateway ${at}`);
    return gateway;
  }

  /** A device's own way to everything, on the clock that it has. */
  path(timers: Timers = this.timers, link: Partial<LinkFaults> = {}): Path {
    return this.site.connect({ timers, random: this.random, faults: { ...this.link, ...link } });
  }

  /** What a device with this clock reaches the service through: `coaps://service` and `coaps+tcp://service`. */
  network(timers: Timers = this.timers): Network {
    return this.path(timers).network;
  }

  /** Steps the clock until `done` holds; false when it does not within `within` ms of simulated time. */
  async run(done: () => boolean, within: Millis = hours(2)): Promise<boolean> {
    return this.site.run(done, this.timers.now() + within);
  }

  /** Other rules from now on, in the place of those with the same ids. */
  async changePolicy({ groups = [], hubs = [] }: { groups?: EnrollmentGroup[]; hubs?: Hub[] }): Promise<void> {
    for (const hub of hubs) await this.store.hubs.put(hub);
    for (const group of groups) await this.store.groups.put(group);
    await this.provisioner.policy.refresh();
  }

  /** Starts the service, again after `stopService`, over the same store. */
  async startService(): Promise<void> {
    await this.site.startService();
  }

  async stopService(): Promise<void> {
    await this.site.stopService();
  }

  /** Kills the service; `startService` starts it again over what its store has. */
  async killService(): Promise<void> {
    await this.site.killService();
  }

  async close(): Promise<void> {
    await this.site.close();
  }
}

/** Stands between the transports and who serves, and does to requests what the test has ordered. */
function meddle({
  counts,
  name,
  wanted,
  site,
}: {
  readonly counts: Map<string, number>;
  readonly name: (request: IncomingRequest) => string;
  readonly wanted: RequestFault | undefined;
  readonly site: () => SimulatedSite | undefined;
}): (owner: SessionOwner) => SessionOwner {
  return (owner) => (session: Session) => {
    const receive = owner(session);
    return (event, now) => {
      if (event.type !== 'request') return receive(event, now);
      const path = name(event.request);
      const earlier = counts.get(path) ?? 0;
      counts.set(path, earlier + 1);
      const fault = wanted?.(event.request, earlier);
      switch (fault?.type) {
        case 'answer':
          return session.respond(event.id, { code: fault.code });
        case 'cut':
          return session.close();
        case 'delay': {
          const timers = site()?.timers;
          timers?.schedule(now + fault.ms, () => receive(event, timers.now()));
          return undefined;
        }
        case 'lost':
          site()?.network.sever(session.peer);
          return receive(event, now);
        case undefined:
          return receive(event, now);
      }
    };
  };
}
