import { createPrivateKey } from 'node:crypto';
import { networkInterfaces } from 'node:os';
import { formatHostPort } from '../coap/uri.ts';
import { equalBytes } from '../core/bytes.ts';
import { systemTimers, type Timers } from '../core/clock.ts';
import { uuidFromBytes } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import { type RandomSource, systemRandom } from '../core/random.ts';
import type { SecureContext, SecureSession } from '../secure/association.ts';
import { createSecureContext } from '../secure/engine.ts';
import { listenClearUdp } from '../transport/clear.ts';
import type { Session, SessionReceiver } from '../transport/session.ts';
import { listenUdp } from '../transport/udp.ts';
import { stranger, subjectOf } from './access.ts';
import { deviceIdentity, trustAnchors } from './credentials.ts';
import { shiftedBy } from './network.ts';
import type { DeviceResources, Visitor } from './resources/device-resources.ts';
import type { ResourceHost } from './resources/resource.ts';
import type { Credentials, DeviceState, PreSharedKey } from './state.ts';

/** A device that can be served: its client. */
export interface ServedDevice extends ResourceHost {
  readonly resources: DeviceResources;
}

export interface LocalServerOptions {
  /** Address to listen at. */
  readonly host: string;
  /** Cleartext; default: any free port. */
  readonly port?: number;
  /** DTLS; default: any free port. */
  readonly securePort?: number;
  readonly timers?: Timers;
  readonly random?: RandomSource;
}

export interface LocalServer {
  readonly ports: { readonly coap: number; readonly coaps: number };
  close(): Promise<void>;
}

/**
 * The device as a server on its own network: cleartext for strangers, DTLS for whoever has a pre-shared key that was
 * provisioned (identity: the 16 bytes of its uuid), or a certificate under a provisioned trust anchor. A session ends as soon
 * as the credential behind it is taken away (plgd-service, behaviour 35).
 * @throws FirstbootError service.address-in-use, service.config.
 */
export async function serveDevice(client: ServedDevice, options: LocalServerOptions): Promise<LocalServer> {
  const { host, port = 0, securePort = 0, timers = systemTimers, random = systemRandom } = options;
  const { resources } = client;
  const clear = await listenClearUdp({
    host,
    port,
    timers,
    random,
    owner: (session) => {
      const visitor = resources.visit(stranger, session);
      return (event) => {
        if (event.type === 'request') visitor.request(event.id, event.request);
        else if (event.type === 'unobserved') visitor.unobserved(event.id);
        else visitor.close();
      };
    },
  });
  const door = new SecureDoor(client);
  const secure = await listenUdp({
    host,
    port: securePort,
    context: () => door.context(),
    owner: (session) => door.admit(session),
    // Certificates are judged by the device's time, which may be told anew while the server runs.
    timers: shiftedBy(timers, () => client.state.clockOffset ?? 0),
    random,
    idle: limits.device.localIdle,
  }).catch(async (error: unknown) => {
    await clear.close();
    throw error;
  });
  const stop = client.onStatus(() => door.review());
  resources.endpoints = addressesOf(host).flatMap((address) => [
    `coap://${formatHostPort(address, clear.port)}`,
    `coaps://${formatHostPort(address, secure.port)}`,
  ]);
  return {
    ports: { coap: clear.port, coaps: secure.port },
    close: async () => {
      stop();
      resources.endpoints = [];
      await Promise.all([clear.close(), secure.close()]);
    },
  };
}

/** Whom the device lets in by DTLS, as long as its credentials say so. */
class SecureDoor {
  private readonly client: ServedDevice;
  private readonly guests = new Set<Guest>();
  private made: { readonly for: Credentials | undefined; readonly context: SecureContext } | undefined;

  constructor(client: ServedDevice) {
    this.client = client;
  }

  /** Made anew when the credentials have changed. */
  context(): SecureContext {
    const { state } = this.client;
    if (this.made === undefined || this.made.for !== state.credentials) {
      this.made = { for: state.credentials, context: contextFor(state) };
    }
    return this.made.context;
  }

  admit(session: Session): SessionReceiver {
    let guest: Guest | undefined;
    return (event) => {
      switch (event.type) {
        case 'psk-lookup':
          session.providePsk(keyOf(findPsk(this.client.state.credentials, event.identity)));
          break;
        case 'established': {
          guest = this.welcome(session, event.session);
          this.guests.add(guest);
          this.makeRoom(guest);
          // The credentials may have changed during the handshake.
          if (!isVouched(guest, this.client.state)) session.close();
          break;
        }
        case 'request':
          if (guest && isVouched(guest, this.client.state)) guest.visitor.request(event.id, event.request);
          else session.close();
          break;
        case 'unobserved':
          guest?.visitor.unobserved(event.id);
          break;
        case 'closed':
          guest?.visitor.close();
          if (guest) this.guests.delete(guest);
          break;
        default:
      }
    };
  }

  /** Closes the sessions of those whose credential is gone. */
  review(): void {
    for (const guest of [...this.guests]) if (!isVouched(guest, this.client.state)) guest.session.close();
  }

  /** Whoever holds one credential cannot take all the places there are. */
  private makeRoom({ who }: Guest): void {
    const same = [...this.guests].filter((guest) => guest.who === who);
    for (const oldest of same.slice(0, -limits.device.sessionsOfSubject)) oldest.session.close();
  }

  private welcome(session: Session, secure: SecureSession): Guest {
    const caller = { subject: subjectOf(secure), connection: 'auth-crypt' } as const;
    const { pskIdentity, peer } = secure;
    const psk = pskIdentity && findPsk(this.client.state.credentials, pskIdentity);
    const { subject } = caller;
    const who = subject.kind === 'uuid' ? subject.uuid : '';
    return { session, who, psk, anchor: peer?.path.at(-1), visitor: this.client.resources.visit(caller, session) };
  }
}

/** A session, and the credential that it stands on: a key, or the anchor above its certificate. */
interface Guest {
  readonly session: Session;
  /** The subject; '' for those without a name. */
  readonly who: string;
  readonly psk: PreSharedKey | undefined;
  readonly anchor: Uint8Array | undefined;
  readonly visitor: Visitor;
}

function isVouched({ psk, anchor }: Guest, { credentials }: DeviceState): boolean {
  if (psk) return credentials?.psks.some(({ subject, key }) => subject === psk.subject && key === psk.key) ?? false;
  return anchor !== undefined && trustAnchors(credentials).some((der) => equalBytes(der, anchor));
}

/** Without credentials the door is there, but nobody has a key. */
function contextFor(state: DeviceState): SecureContext {
  const { credentials } = state;
  return createSecureContext({
    transport: 'datagram',
    role: 'server',
    psk: 'lookup',
    ...(credentials && {
      identity: deviceIdentity(credentials, createPrivateKey(state.key)),
      trust: { anchors: trustAnchors(credentials), purpose: 'client' },
    }),
  });
}

/** The identity is the subject's uuid, 16 bytes (contract, plgd-service 2.6). */
function findPsk(credentials: Credentials | undefined, identity: Uint8Array): PreSharedKey | undefined {
  if (identity.length !== 16) return undefined;
  const uuid = uuidFromBytes(identity);
  return credentials?.psks.find(({ subject }) => subject === uuid);
}

const keyOf = (psk: PreSharedKey | undefined): Uint8Array | undefined =>
  psk && new Uint8Array(Buffer.from(psk.key, 'base64'));

/** The addresses that others reach the device at when it listens at `host`. */
function addressesOf(host: string): readonly string[] {
  if (host !== '0.0.0.0' && host !== '::') return [host];
  const family = host === '::' ? 'IPv6' : 'IPv4';
  const all = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  // A link-local address means nothing without the name of its link.
  const usable = all.filter((each) => each.family === family && !each.address.startsWith('fe80:'));
  const outward = usable.filter(({ internal }) => !internal);
  return (outward.length > 0 ? outward : usable).slice(0, limits.device.addresses).map(({ address }) => address);
}
