import { generateKeyPairSync } from 'node:crypto';
import { createGateway, type Gateway } from '../cloud/gateway.ts';
import { type FetchedLists, RevocationGuard } from '../cloud/gateway-revocations.ts';
import { type GatewayGrant, type GatewayTokens, localGatewayTokens } from '../cloud/gateway-tokens.ts';
import { TokenIssuer } from '../cloud/issuer.ts';
import { tokenKey } from '../cloud/token-key.ts';
import { formatCoapUri } from '../coap/uri.ts';
import { type Millis, minutes, type Timers } from '../core/clock.ts';
import { type Decision, failure, refused } from '../core/errors.ts';
import type { Uuid } from '../core/ids.ts';
import type { InFlight } from '../core/in-flight.ts';
import { type Log, silentLog } from '../core/log.ts';
import type { RandomSource } from '../core/random.ts';
import type { VirtualNetwork } from '../fleet/virtual-network.ts';
import { type GatewayCredentials, gatewayContext, gatewayOwner } from '../gateway.ts';
import { createEndEntity } from '../pki/end-entity.ts';
import type { Authority, Issuer } from '../pki/issuer.ts';
import { uuidSubject } from '../pki/name.ts';
import { profiles } from '../pki/profile.ts';
import { ownerNamed } from '../provision/owner.ts';
import type { Provisioner } from '../provision/session.ts';
import type { SecureContext } from '../secure/association.ts';
import type { SessionOwner } from '../transport/session.ts';
import { VirtualServer } from './server.ts';

export interface SimulatedGatewayOptions {
  readonly network: VirtualNetwork;
  /** Signs the gateway's certificate, and those that devices come with; it may roll over. */
  readonly authority: () => Authority;
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
  private readonly guard: RevocationGuard;
  private credentials: (GatewayCredentials & { readonly signer: Issuer }) | undefined;
  private server: VirtualServer | undefined;

  constructor(options: SimulatedGatewayOptions) {
    const { hubId, host, inFlight, timers, mtu } = options;
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
    this.guard = new RevocationGuard({
      fetch: (now) => this.revocations(now),
      trustAnchors: () => options.authority().trustAnchors,
      timers,
      log: options.log ?? silentLog,
      inFlight,
    });
    const make = (transport: 'datagram' | 'stream'): (() => SecureContext) =>
      gatewayContext({ transport, credentials: () => this.present(), guard: this.guard, clock: 'simulated', mtu });
    this.contexts = { datagram: make('datagram'), stream: make('stream') };
    this.present();
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
      owner: meddle(gatewayOwner({ gateway: this.gateway, guard: this.guard, timers, inFlight })),
      idle: minutes(3),
    });
  }

  /** Gone without a word: its devices find out by themselves. */
  down(): void {
    this.server?.kill();
    this.server = undefined;
  }

  /** Its certificate is new when the authority has rolled over, as at a gateway that is started again. */
  private present(): GatewayCredentials {
    const { authority, hubId, timers, random } = this.options;
    const { issuing, chain, trustAnchors } = authority();
    const { credentials: known } = this;
    if (known?.signer === issuing && known.trustAnchors === trustAnchors) return known;
    const leaf = createEndEntity({
      issuer: issuing,
      profile: profiles.gateway,
      subject: uuidSubject(hubId),
      altNames: [{ type: 'uri', value: `urn:uuid:${hubId}` }],
      now: timers.now(),
      random,
    });
    const identity = { chain: [...leaf.chain, ...chain], privateKey: leaf.privateKey };
    this.credentials = { signer: issuing, identity, trustAnchors };
    return this.credentials;
  }

  /** As from the service over HTTP. */
  private async revocations(now: Millis): Promise<FetchedLists> {
    const lists = await this.options.provisioner()?.revocations.all(now);
    if (!lists) throw failure('service.busy', {}, 'the service is away');
    return { lists: lists.map(({ der }) => der) };
  }

  private tokens(): GatewayTokens {
    const { issuer, hubId, provisioner } = this.options;
    const local = localGatewayTokens(issuer, hubId);
    // As the issuer does over HTTP: a device that was reset, or has another owner, does not live on in its tokens.
    const held = async (deviceId: Uuid, asked: Promise<Decision<GatewayGrant>>): Promise<Decision<GatewayGrant>> => {
      const granted = await asked;
      if (!granted.ok) return granted;
      const { id: ownerId } = ownerNamed(granted.value.subject.owner);
      if (await provisioner()?.holds(deviceId, ownerId)) return granted;
      return refused('cloud.token', { deviceId }, 'provision the device again');
    };
    return {
      verify: local.verify,
      exchange: (token, deviceId, now) => held(deviceId, local.exchange(token, deviceId, now)),
      refresh: (token, deviceId, now) => held(deviceId, local.refresh(token, deviceId, now)),
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
