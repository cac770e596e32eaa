import { generateKeyPairSync } from 'node:crypto';
import { createGateway, type Gateway } from '../cloud/gateway.ts';
import { type GatewayTokens, localGatewayTokens } from '../cloud/gateway-tokens.ts';
import { TokenIssuer } from '../cloud/issuer.ts';
import { tokenKey } from '../cloud/token-key.ts';
import { formatCoapUri } from '../coap/uri.ts';
import { minutes, type Timers } from '../core/clock.ts';
import { type Decision, failure, refused } from '../core/errors.ts';
import type { Uuid } from '../core/ids.ts';
import type { InFlight } from '../core/in-flight.ts';
import { type Log, silentLog } from '../core/log.ts';
import type { RandomSource } from '../core/random.ts';
import type { VirtualNetwork } from '../fleet/virtual-network.ts';
import { gatewayContext, gatewayOwner } from '../gateway.ts';
import type { DevelopmentPki } from '../pki/development.ts';
import { createEndEntity } from '../pki/end-entity.ts';
import { uuidSubject } from '../pki/name.ts';
import { profiles } from '../pki/profile.ts';
import type { Provisioner } from '../provision/session.ts';
import type { SecureContext } from '../secure/association.ts';
import type { SessionOwner } from '../transport/session.ts';
import { VirtualServer } from './server.ts';

export interface SimulatedGatewayOptions {
  readonly network: VirtualNetwork;
  readonly pki: DevelopmentPki;
  readonly hubId: Uuid;
  readonly host: string;
  readonly issuer: TokenIssuer;
  /** Undefined while the service is away: then nothing is confirmed, and no old token is worth a new one. */
  readonly provisioner: () => Provisioner | undefined;
  readonly timers: Timers;
  readonly inFlight: InFlight;
  readonly random: RandomSource;
  readonly mtu: number;
  readonly log?: Log;
  readonly meddle?: (owner: SessionOwner) => SessionOwner;
}

/** One gateway of a hub on a virtual network, over both transports. It can be taken down and up; it knows its devices on. */
export class SimulatedGateway {
  readonly hubId: Uuid;
  readonly host: string;
  /** What a hub's list of gateways says, by transport. */
  readonly uris: { readonly udp: string; readonly tcp: string };
  private readonly options: SimulatedGatewayOptions;
  private readonly gateway: Gateway;
  private readonly contexts: { readonly datagram: () => SecureContext; readonly stream: () => SecureContext };
  private server: VirtualServer | undefined;

  constructor(options: SimulatedGatewayOptions) {
    const { hubId, host, pki, inFlight, timers, random, mtu } = options;
    this.options = options;
    this.hubId = hubId;
    this.host = host;
    this.uris = {
      udp: formatCoapUri({ scheme: 'coaps', host, port }),
      tcp: formatCoapUri({ scheme: 'coaps+tcp', host, port }),
    };
    this.gateway = createGateway({
      tokens: this.tokens(),
      confirm: (deviceId, _, now) => inFlight.track(this.confirm(deviceId, now)),
      log: options.log ?? silentLog,
    });
    const leaf = createEndEntity({
      issuer: pki.authority.issuing,
      profile: profiles.gateway,
      subject: uuidSubject(hubId),
      altNames: [{ type: 'uri', value: `urn:uuid:${hubId}` }],
      now: timers.now(),
      random,
    });
    const identity = { chain: [...leaf.chain, ...pki.authority.chain], privateKey: leaf.privateKey };
    const make = (transport: 'datagram' | 'stream'): (() => SecureContext) => {
      const trustAnchors = [pki.authority.trustAnchor];
      const context = gatewayContext({ transport, identity, trustAnchors, clock: 'simulated', mtu });
      return () => context;
    };
    this.contexts = { datagram: make('datagram'), stream: make('stream') };
    this.up();
  }

  get devices(): ReturnType<Gateway['devices']> {
    return this.gateway.devices();
  }

  /** Sessions held now. */
  get sessions(): number {
    return this.server?.sessions ?? 0;
  }

  up(): void {
    const { timers, inFlight, meddle = (owner) => owner } = this.options;
    this.server ??= new VirtualServer({
      ...this.options,
      port,
      contexts: this.contexts,
      owner: meddle(gatewayOwner({ gateway: this.gateway, timers, inFlight })),
      idle: minutes(3),
    });
  }

  /** Gone without a word: its devices find out by themselves. */
  down(): void {
    this.server?.kill();
    this.server = undefined;
  }

  private tokens(): GatewayTokens {
    const { issuer, hubId, provisioner } = this.options;
    const local = localGatewayTokens(issuer, hubId);
    // As the issuer does over HTTP: a device that was reset does not live on in its tokens.
    const held = async <T>(deviceId: Uuid, grant: () => Promise<Decision<T>>): Promise<Decision<T>> =>
      (await provisioner()?.holds(deviceId))
        ? grant()
        : refused('cloud.token', { deviceId }, 'provision the device again');
    return {
      verify: local.verify,
      exchange: (token, deviceId, now) => held(deviceId, () => local.exchange(token, deviceId, now)),
      refresh: (token, deviceId, now) => held(deviceId, () => local.refresh(token, deviceId, now)),
    };
  }

  private async confirm(deviceId: Uuid, now: number): Promise<Decision<unknown>> {
    const provisioner = this.options.provisioner();
    if (!provisioner) throw failure('service.busy', { deviceId }, 'the service is away');
    return provisioner.confirm(deviceId, now);
  }
}

const port = 5684;

/** The built-in token issuer without its HTTP. */
export async function simulatedIssuer(random: RandomSource): Promise<TokenIssuer> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return new TokenIssuer({ key: await tokenKey(privateKey), url: 'https://issuer.example', random });
}
