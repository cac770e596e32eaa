import { decodeCertificates } from '../codec/pem.ts';
import { limits } from '../core/limits.ts';
import type { DeviceState } from '../device/state.ts';
import type { DeviceStorage } from '../device/storage.ts';
import { parseCertificate } from '../pki/certificate.ts';

/** A device's storage in memory: it survives every power cut, and knows which identity certificates were ever in it. */
export class DeviceMemory implements DeviceStorage {
  state: DeviceState | undefined;
  /** Oldest first, hexadecimal; the newest limits.fleet.serials of them. */
  readonly serials: string[] = [];

  async load(): Promise<DeviceState | undefined> {
    return this.state;
  }

  async save(state: DeviceState): Promise<void> {
    const known = this.state?.credentials?.identity;
    const identity = state.credentials?.identity;
    this.state = state;
    if (identity === undefined || identity === known) return;
    const serial = serialOf(identity);
    if (serial === undefined || this.serials.includes(serial)) return;
    if (this.serials.length === limits.fleet.serials) this.serials.shift();
    this.serials.push(serial);
  }

  async clear(): Promise<void> {
    this.state = undefined;
  }
}

/** Serial number of the first certificate of PEM text. */
export function serialOf(pem: string): string | undefined {
  const [leaf] = decodeCertificates(pem);
  return leaf && parseCertificate(leaf).serial;
}
