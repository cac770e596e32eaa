import type { CborMap } from '../codec/cbor.ts';
import type { Millis } from '../core/clock.ts';
import type { Uuid } from '../core/ids.ts';
import { limits } from '../core/limits.ts';

/** A device as the gateway knows it. */
export interface GatewayDevice {
  readonly deviceId: Uuid;
  /** The owner its tokens name. */
  readonly owner: string;
  readonly online: boolean;
  readonly signedUpAt: Millis | undefined;
  readonly signedInAt: Millis | undefined;
  /** SHA-256 of the identity certificate that it last signed in with, hex. */
  readonly certificate: string | undefined;
  /** The provisioning service has been told of its arrival with that certificate. */
  readonly confirmed: boolean;
  /** What it published, each with its instance number `ins`. */
  readonly links: readonly PublishedLink[];
}

export interface PublishedLink extends CborMap {
  readonly href: string;
  readonly ins: number;
}

/**
 * The devices of a gateway, bounded: when there are too many, the one that has been away longest is forgotten (its tokens
 * stay good, so it comes back by signing in).
 */
export class GatewayDevices {
  /** Least recently changed first. */
  private readonly known = new Map<Uuid, GatewayDevice>();
  /** Devices that signed off: their old tokens do not sign in until they have signed up again. */
  private readonly signedOff = new Map<Uuid, Millis>();

  get(deviceId: Uuid): GatewayDevice | undefined {
    return this.known.get(deviceId);
  }

  list(): readonly GatewayDevice[] {
    return [...this.known.values()];
  }

  change(deviceId: Uuid, changes: Partial<GatewayDevice>): GatewayDevice {
    const device = { ...(this.known.get(deviceId) ?? unknownDevice(deviceId)), ...changes };
    this.known.delete(deviceId);
    this.known.set(deviceId, device);
    if (this.known.size > limits.cloud.gatewayDevices) this.evict();
    return device;
  }

  signOff(deviceId: Uuid, now: Millis): void {
    this.known.delete(deviceId);
    this.signedOff.set(deviceId, now);
    const oldest = this.signedOff.keys().next();
    if (this.signedOff.size > limits.cloud.gatewayDevices && !oldest.done) this.signedOff.delete(oldest.value);
  }

  hasSignedOff(deviceId: Uuid): boolean {
    return this.signedOff.has(deviceId);
  }

  signUp(deviceId: Uuid): void {
    this.signedOff.delete(deviceId);
  }

  private evict(): void {
    for (const [deviceId, { online }] of this.known) {
      if (online) continue;
      this.known.delete(deviceId);
      return;
    }
  }
}

const unknownDevice = (deviceId: Uuid): GatewayDevice => ({
  deviceId,
  owner: '',
  online: false,
  signedUpAt: undefined,
  signedInAt: undefined,
  certificate: undefined,
  confirmed: false,
  links: [],
});
