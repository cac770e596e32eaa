import type { Millis, Timers } from '../core/clock.ts';
import type { Uuid } from '../core/ids.ts';
import type { RandomSource } from '../core/random.ts';
import type { FactoryIdentity } from '../device/identity.ts';
import type { Network } from '../device/network.ts';
import type { LinkFaults } from './link.ts';
import type { IdentityKind, SiteFault } from './scenario.ts';

/** Where a fleet is run: endpoints, the way to them, and time. */
export interface Site {
  /** The clock of the run: stepped, or the machine's. */
  readonly timers: Timers;
  /** What devices ask, by transport; undefined: not offered. */
  readonly endpoints: { readonly udp: string | undefined; readonly tcp: string | undefined };
  readonly skipVerification: boolean;
  /**
   * What devices draw ids, keys and tokens from. Undefined: the scenario's seed. A service that outlives the run has seen
   * those ids before, with other certificates.
   */
  readonly random?: RandomSource | undefined;
  /** Makes (or takes from a folder) the identity of the device with this number. */
  identity(device: number, kind: IdentityKind): FactoryIdentity;
  /** A device's own way to everything. Faults and counts are the path's. */
  connect(options: PathOptions): Path;
  /** Lets time pass until `done` holds. False when it does not up to `limit`, a time of `timers`, which it then is. */
  run(done: () => boolean, limit: Millis): Promise<boolean>;
  /** Undefined when nothing can be done to this site. */
  readonly faults: SiteFaults | undefined;
  /** What the service has on its record once it is stopped; undefined when it cannot be looked into. */
  records(): Promise<ServiceRecords | undefined>;
  close(): Promise<void>;
}

export interface SiteFaults {
  /** What can be done to this site; undefined: everything. */
  readonly possible?: readonly SiteFault[];
  begin(fault: SiteFault): Promise<void>;
  end(fault: SiteFault): Promise<void>;
}

export interface PathOptions {
  /** The device's own clock, wrong or right. */
  readonly timers: Timers;
  /** Every fault of this path is drawn from it. */
  readonly random: RandomSource;
  readonly faults: LinkFaults;
}

/** One device's path to its services, over all of its sessions. */
export interface Path {
  readonly network: Network;
  readonly traffic: PathTraffic;
  /** From now on the device has another address and port; open sessions over datagrams go on from there. */
  rebind(): void;
  /** The power goes: every open session ends here without a word to the peer. */
  cut(): void;
  /** Sends bytes that belong to no session to the service, each call from a new address. Over UDP only. */
  spray(endpoint: string, datagram: Uint8Array): void;
  /** Whether the device reads what comes: a slow reader does not. */
  setReading(reading: boolean): void;
}

/** As the device sees it, secure layer included, IP, UDP and TCP headers not. */
export interface PathTraffic {
  readonly bytesOut: number;
  readonly bytesIn: number;
  /** Datagrams; over TCP the pieces as they were written and read. */
  readonly datagramsOut: number;
  readonly datagramsIn: number;
  /** Messages of CoAP and flights of DTLS that the device sent again. */
  readonly retransmissions: number;
  readonly sessions: number;
}

export interface ServiceRecords {
  readonly devices: readonly RecordedDevice[];
  readonly credentials: readonly RecordedCredential[];
}

export interface RecordedDevice {
  /** UUIDv5(X500, SubjectPublicKeyInfo) of the manufacturer key. */
  readonly keyId: Uuid;
  /** The device id that is bound to the key now. */
  readonly deviceId: Uuid | undefined;
  /** Counts the device ids that were bound to the key. */
  readonly generation: number;
}

export interface RecordedCredential {
  /** Hexadecimal, lower case. */
  readonly serial: string;
  readonly keyId: Uuid;
  readonly deviceId: Uuid;
  readonly generation: number;
  readonly notAfter: Millis;
}
