import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { encodePem } from '../codec/pem.ts';
import { type Millis, seconds, type Timers } from '../core/clock.ts';
import { failure } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import type { Log } from '../core/log.ts';
import { type RandomSource, systemRandom } from '../core/random.ts';
import { createCsr } from '../pki/csr.ts';
import { uuidSubject } from '../pki/name.ts';
import type { Identity } from '../secure/association.ts';
import type { DeviceDeps, DeviceSettings, Fingerprint } from './context.ts';
import type { Network } from './network.ts';
import type { Link } from './requests.ts';
import { publishedLinks, type RequestHandler } from './resources/device-resources.ts';
import { documentedRetry, type RetryRule } from './retry.ts';
import type { StartHook } from './start-gate.ts';
import type { Endpoint } from './state.ts';
import type { DeviceStorage } from './storage.ts';

export interface DeviceClientOptions {
  /**
   * Provisioning services, `coaps://host:port` or `coaps+tcp://host:port`; the first is asked first. None: the device waits
   * until it is told one.
   */
  readonly endpoints: readonly (string | Endpoint)[];
  /** The manufacturer certificate chain (leaf first, no root) and its key. */
  readonly manufacturer: Identity;
  /** Default: real sockets. */
  readonly network?: Network;
  /** Trust anchors of the provisioning service, DER. None: no service is trusted until one is set or checks are skipped. */
  readonly serviceCa?: readonly Uint8Array[];
  readonly skipVerification?: boolean;
  /** Of a certificate in the service's chain: lets it pass when its CA does not. */
  readonly fingerprint?: Fingerprint;
  /** Default: in memory. */
  readonly storage?: DeviceStorage;
  /** What to do with stored state that is damaged. Default: `init` throws. */
  readonly damagedState?: 'throw' | 'reset';
  /** Default: `dps`. */
  readonly name?: string;
  readonly links?: readonly Link[];
  /** Default: 10, 20, 40, 80, 120 s, for ever. */
  readonly retry?: RetryRule;
  /** ms that a credential must still be valid for; default one hour. */
  readonly expiring?: number;
  /**
   * Seconds to sign in at a gateway before the next one is tried; after the last one the device provisions itself anew.
   * Default 30. 0: the gateways change by `cloudRetry` alone, round and round.
   */
  readonly cloudChecks?: number;
  /**
   * ms to wait before a gateway is tried again, one entry a try, each a second at least; once they are used up, the next
   * gateway is tried. Default: `defaultCloudRetry`.
   */
  readonly cloudRetry?: readonly Millis[];
  /** False: the device is provisioned, and kept so, but does not go to its cloud. Default: true. */
  readonly connect?: boolean;
  /** Awaited whenever the device is started, before it does anything. When it fails, the device starts all the same. */
  readonly networkReady?: () => Promise<void>;
  /** Asked before every provisioning run, renewals included: whether it may begin, and when. */
  readonly beforeRun?: StartHook;
  /** What is asked for, by whoever may, and the device has no resource for; default 4.04. */
  readonly onRequest?: RequestHandler;
  readonly timers?: Timers;
  readonly random?: RandomSource;
  readonly log?: Log;
}

/** iotivity-lite's table: 2, 4, 8, 16, 32, 64 s. */
export const defaultCloudRetry: readonly Millis[] = [2, 4, 8, 16, 32, 64].map(seconds);

/** The machine's settings, with plgd's defaults for what is left out. @throws FirstbootError service.config */
export const settingsOf = (options: DeviceClientOptions): DeviceSettings => ({
  name: options.name ?? 'dps',
  endpoints: options.endpoints.map((endpoint) => (typeof endpoint === 'string' ? { uri: endpoint } : endpoint)),
  manufacturer: options.manufacturer,
  service: options.skipVerification ? 'skip' : (options.serviceCa ?? []),
  fingerprint: options.fingerprint,
  retry: options.retry ?? documentedRetry,
  expiring: options.expiring ?? limits.device.expiring,
  cloudChecks: options.cloudChecks ?? 30,
  cloudRetry: checkedRetry(options.cloudRetry ?? defaultCloudRetry),
  links: options.links ?? publishedLinks,
  connect: options.connect ?? true,
});

export const depsOf = ({ random = systemRandom, beforeRun }: DeviceClientOptions): DeviceDeps => ({
  random,
  createKey,
  createCsr: requestPem,
  ...(beforeRun && { beforeRun }),
});

function checkedRetry(table: readonly Millis[]): readonly Millis[] {
  const good =
    table.length > 0 && table.length <= limits.device.cloudRetries && table.every((wait) => wait >= seconds(1));
  if (good) return table;
  const fix = `give cloudRetry 1 to ${limits.device.cloudRetries} waits of at least 1000 ms`;
  throw failure('service.config', { cloudRetry: table.join(', ') }, fix);
}

function createKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

const requestPem = (privateKey: KeyObject, deviceId: string): string =>
  encodePem('CERTIFICATE REQUEST', createCsr({ privateKey, subject: uuidSubject(deviceId) }));
