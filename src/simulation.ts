import { createTokenSource } from './cloud/tokens.ts';
import { formatCoapUri } from './coap/uri.ts';
import type { ManualTimers, Millis } from './core/clock.ts';
import { failure } from './core/errors.ts';
import { uuidV4 } from './core/ids.ts';
import { InFlight } from './core/in-flight.ts';
import { limits } from './core/limits.ts';
import type { Log } from './core/log.ts';
import { type RandomSource, seededRandom } from './core/random.ts';
import { type DevelopmentSettings, developmentHub, developmentSettings } from './development.ts';
import { DeviceFactory } from './fleet/factory.ts';
import type { SiteFault } from './fleet/scenario.ts';
import type { Site, SiteFaults } from './fleet/site.ts';
import { VirtualNetwork } from './fleet/virtual-network.ts';
import { createDevelopmentPki, type DevelopmentPki } from './pki/development.ts';
import type { Authority } from './pki/issuer.ts';
import type { EntryListener, TokenSource } from './provision/ports.ts';
import type { Provisioner } from './provision/session.ts';
import { SteppedClock } from './simulation/clock.ts';
import { SimulatedGateway, simulatedIssuer } from './simulation/cloud.ts';
import { recordsOf } from './simulation/records.ts';
import { SimulatedService, serviceAddress } from './simulation/service.ts';
import type { Hub } from './store/model.ts';
import type { Store } from './store/store.ts';
import type { SessionOwner } from './transport/session.ts';

export interface SimulatedSiteOptions {
  readonly seed: number;
  /** Life of the identity certificates that the service issues, ms. Default: the service's own. */
  readonly identityLife?: Millis;
  /** What the clock shows at the start. Default: `simulationStart`. */
  readonly start?: Millis;
  /** What is due within so many ms happens together; 0: everything by itself. Default 10. */
  readonly step?: Millis;
  /** Gateways of each hub, the one that devices are sent to first. Default: one hub with one gateway. */
  readonly gateways?: readonly number[];
  /** Largest UDP payload that service and gateways send, bytes. Default limits.secure.mtu. */
  readonly mtu?: number;
  /** Manufacturer identities that the development PKI has from the start. Default 1. */
  readonly devices?: number;
  /** Changes the development settings before the service takes them. */
  readonly settings?: (settings: DevelopmentSettings, pki: DevelopmentPki) => DevelopmentSettings;
  /** Stands between the transports and the service; between the transports and the gateways. */
  readonly meddle?: (owner: SessionOwner) => SessionOwner;
  readonly meddleGateway?: (owner: SessionOwner) => SessionOwner;
  readonly onEntry?: EntryListener;
  readonly log?: Log;
}

/** When simulations begin, unless somebody says otherwise; the certificates of their PKI are made then, too. */
export const simulationStart: Millis = Date.UTC(2026, 5, 1, 12);

/** A service and its cloud in memory, on a stepped clock. */
export interface SimulatedSite extends Site {
  readonly timers: ManualTimers;
  readonly random: RandomSource;
  readonly pki: DevelopmentPki;
  readonly settings: DevelopmentSettings;
  readonly network: VirtualNetwork;
  readonly faults: SiteFaults;
  /** @throws FirstbootError service.store while the service is stopped */
  readonly store: Store;
  /** @throws FirstbootError service.store while the service is stopped */
  readonly provisioner: Provisioner;
  /** By hub, then in the order of its list. */
  readonly gateways: readonly (readonly SimulatedGateway[])[];
  /** Sessions that the service holds. */
  readonly sessions: number;
  startService(): Promise<void>;
  stopService(): Promise<void>;
  killService(): Promise<void>;
}

/**
 * Starts the real service (pipeline, store, secure engine, CoAP), a token issuer and gateways in memory. Hours of thousands
 * of first boots over bad links take seconds, and the same seed gives the same faults.
 */
export async function startSimulatedSite(options: SimulatedSiteOptions): Promise<SimulatedSite> {
  const { seed, start = simulationStart, step = 10, mtu = limits.secure.mtu, devices = 1 } = options;
  const random = seededRandom(seed);
  const inFlight = new InFlight();
  const clock = new SteppedClock(start, step, inFlight);
  const { timers } = clock;
  const network = new VirtualNetwork(timers);
  const pki = createDevelopmentPki({ devices, hubId: developmentHub.id, now: start, random });
  const issuer = await simulatedIssuer(random);
  const out = new Set<SiteFault>();
  const tokens = faultyTokens(createTokenSource({ issuer, timers }), out);
  let service: SimulatedService | undefined;
  let { authority }: { authority: Authority } = pki;

  const gateways = (options.gateways ?? [1]).map((count, hub) => {
    const hubId = hub === 0 ? developmentHub.id : uuidV4(random);
    return Array.from({ length: count }, (_, at) => {
      const host = `gateway-${hub + 1}-${at + 1}`;
      return new SimulatedGateway({
        ...{ network, hubId, host, issuer, timers, inFlight, random, mtu },
        authority: () => authority,
        provisioner: () => service?.composition?.provisioner,
        ...(options.log && { log: options.log }),
        ...(options.meddleGateway && { meddle: options.meddleGateway }),
      });
    });
  });
  const settings = siteSettings(options, pki, gateways);
  authority = settings.authority;
  const running = await SimulatedService.create({
    ...{ network, tokens, timers, inFlight, random, mtu },
    settings: { ...settings, authority: faultyAuthority(settings.authority, out) },
    patience: clock.patience,
    ...(options.log && { log: options.log }),
    ...(options.onEntry && { onEntry: options.onEntry }),
    ...(options.meddle && { meddle: options.meddle }),
  });
  service = running;

  const factory = new DeviceFactory({
    manufacturer: pki.manufacturer,
    serviceCa: [pki.serviceCa.certificate.der],
    now: start,
    random,
  });
  const away = (): Error => failure('service.store', {}, 'the service is stopped: start it first');
  return {
    timers,
    random,
    pki,
    settings,
    network,
    gateways,
    endpoints: {
      udp: formatCoapUri({ scheme: 'coaps', ...serviceAddress }),
      tcp: formatCoapUri({ scheme: 'coaps+tcp', ...serviceAddress }),
    },
    skipVerification: false,
    get store() {
      if (!running.store) throw away();
      return running.store;
    },
    get provisioner() {
      if (!running.composition) throw away();
      return running.composition.provisioner;
    },
    get sessions() {
      return running.sessions;
    },
    identity: (device, kind) => factory.make(device, kind),
    connect: (path) => network.connect(path),
    run: (done, limit) => clock.run(done, limit),
    faults: {
      begin: async (fault) => {
        out.add(fault);
        if (fault === 'service-kill') await running.kill();
        if (fault === 'hub-outage') gateways[0]?.[0]?.down();
      },
      end: async (fault) => {
        out.delete(fault);
        if (fault === 'service-kill') await running.start();
        if (fault === 'hub-outage') gateways[0]?.[0]?.up();
      },
    },
    startService: () => running.start(),
    stopService: () => running.stop(),
    killService: () => running.kill(),
    records: async () => {
      await clock.quiet();
      return running.look(recordsOf);
    },
    close: async () => {
      for (const gateway of gateways.flat()) gateway.down();
      await running.close();
    },
  };
}

function siteSettings(
  { identityLife, settings: change }: SimulatedSiteOptions,
  pki: DevelopmentPki,
  gateways: readonly (readonly SimulatedGateway[])[],
): DevelopmentSettings {
  const made = developmentSettings(pki);
  const hubs: Hub[] = gateways.flatMap((list, at) => {
    const [first] = list;
    if (!first) return [];
    return made.hubs.map((hub) => ({
      ...hub,
      id: first.hubId,
      name: at === 0 ? hub.name : `${hub.name} ${at + 1}`,
      gateways: list.map(({ uris }) => uris.tcp),
    }));
  });
  const groups = made.groups.map(({ attestation, ...group }) => ({
    ...group,
    // Devices bring what is between them and the root: one that does not is refused, as at a service that was never told.
    attestation: { ...attestation, x509: attestation.x509 && { ...attestation.x509, intermediates: [] } },
    hubs: hubs.map(({ id }) => id),
    certificate: { ...group.certificate, life: identityLife ?? group.certificate.life },
  }));
  const settings = { ...made, hubs, groups };
  return change?.(settings, pki) ?? settings;
}

/** Issues nothing during an outage: 5.03. */
function faultyAuthority(authority: Authority, out: ReadonlySet<SiteFault>): Authority {
  return {
    // Read anew each time: it may roll over while the service runs.
    get root() {
      return authority.root;
    },
    get chain() {
      return authority.chain;
    },
    get trustAnchors() {
      return authority.trustAnchors;
    },
    get issuers() {
      return authority.issuers;
    },
    get issuing() {
      if (out.has('authority-outage')) throw failure('service.busy', { away: 'authority' }, 'wait until it is back');
      return authority.issuing;
    },
  };
}

function faultyTokens(tokens: TokenSource, out: ReadonlySet<SiteFault>): TokenSource {
  return {
    accessToken: async (question, now) => {
      if (out.has('token-outage')) throw failure('configure.token', { away: 'issuer' }, 'wait until it is back');
      return tokens.accessToken(question, now);
    },
  };
}
