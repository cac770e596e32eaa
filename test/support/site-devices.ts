import type { Millis } from '../../src/core/clock.ts';
import { seededRandom } from '../../src/core/random.ts';
import { createDeviceClient, type DeviceClient, type DeviceClientOptions } from '../../src/device/client.ts';
import { type LinkFaults, perfectLink } from '../../src/fleet/link.ts';
import type { Path, Site } from '../../src/fleet/site.ts';

export interface SiteDevice {
  readonly client: DeviceClient;
  readonly path: Path;
  /** When it was signed in at its cloud for the first time, on the site's clock. */
  onlineAt: Millis | undefined;
}

export interface SiteDeviceOptions extends Partial<DeviceClientOptions> {
  readonly site: Site;
  readonly transport?: 'udp' | 'tcp';
  readonly link?: Partial<LinkFaults>;
  readonly number?: number;
  readonly seed?: number;
}

/** A device on a path of its own to a site, loaded and not started. */
export async function siteDevice(options: SiteDeviceOptions): Promise<SiteDevice> {
  const { site, transport = 'udp', link, number = 0, seed = 1, ...more } = options;
  const { timers } = site;
  const random = seededRandom(seed * 1000 + number);
  const path = site.connect({ timers, random, faults: { ...perfectLink, ...link } });
  const { chain, privateKey, serviceCa = [] } = site.identity(number, 'good');
  const client = createDeviceClient({
    endpoints: [site.endpoints[transport] ?? ''],
    manufacturer: { chain, privateKey },
    serviceCa,
    network: path.network,
    timers,
    random,
    ...more,
  });
  const device: SiteDevice = { client, path, onlineAt: undefined };
  client.onCloudStatus(() => {
    if (client.online) device.onlineAt ??= timers.now();
  });
  await client.init();
  return device;
}
