import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readSettings } from '../../src/cli/service-source.ts';
import { systemTimers, type Timers } from '../../src/core/clock.ts';
import type { Log } from '../../src/core/log.ts';
import { createDevelopmentPki, developmentHub } from '../../src/development.ts';
import { SimulatedDevice } from '../../src/device/simulator.ts';
import { type Service, type ServiceOptions, startService } from '../../src/main.ts';
import { type DevelopmentPki, writeDevelopmentPki } from '../../src/pki/development.ts';
import { temporaryFolder } from './temporary-folder.ts';

export interface ConfiguredService {
  readonly service: Service;
  readonly pki: DevelopmentPki;
  /** Of everything: firstboot.yaml, data, pki. */
  readonly folder: string;
  readonly errors: readonly string[];
  /** Writes firstboot.yaml anew. */
  configure(lines: ConfigurationLines): Promise<void>;
  /** A GET with the admin's token. */
  get(path: string): Promise<Response>;
  /** The simulated device number `index`, over DTLS or TLS. */
  device(index: number, transport?: 'udp' | 'tcp'): Promise<SimulatedDevice>;
  close(): Promise<void>;
}

export interface ConfigurationLines {
  /** Of the group; default: `the devices`. */
  readonly group?: string;
  /** More of the group, as in a flow mapping. */
  readonly groupMore?: string;
  /** Life of identity certificates. */
  readonly days?: number;
  /** At the top. */
  readonly more?: readonly string[];
}

/** A service from a firstboot.yaml, with the API on, as `firstboot serve -c` starts it; all ports are free ones. */
export async function startConfiguredService(
  options: ConfigurationLines & {
    readonly devices?: number;
    readonly folder?: string;
    readonly log?: Log;
    readonly timers?: Timers;
    readonly service?: Partial<ServiceOptions>;
  } = {},
): Promise<ConfiguredService> {
  const made = options.folder === undefined ? await temporaryFolder() : undefined;
  const folder = made?.path ?? options.folder ?? '';
  const { devices = 3, timers = systemTimers } = options;
  const pki = createDevelopmentPki({ devices, hubId: developmentHub.id, now: timers.now() });
  await writeDevelopmentPki(pki, join(folder, 'pki'));
  const file = join(folder, 'firstboot.yaml');
  const configure = (lines: ConfigurationLines): Promise<void> => writeFile(file, configuration(pki.hubId, lines));
  await configure(options);
  const flags = { port: '0', issuerPort: '0', apiPort: '0' };
  const { settings, reload } = await readSettings({ flags, environment: {}, file });
  const errors: string[] = [];
  const ignore = (): void => undefined;
  const log = options.log ?? { debug: ignore, info: ignore, warn: ignore, error: (_, text) => void errors.push(text) };
  const service = await startService({ ...settings.service, watch: false, reload, log, timers, ...options.service });
  const headers = { authorization: `Bearer ${service.adminToken}` };
  return {
    service,
    pki,
    folder,
    errors,
    configure,
    get: (path) => fetch(`${service.apiUrl}${path}`, { headers }),
    device: (index, transport = 'udp') => {
      const endpoint = service.endpoints[transport] ?? '';
      const identity = join(folder, 'pki/devices', `device-000${index + 1}`);
      return SimulatedDevice.create({ endpoint, identity, timeout: 20_000 });
    },
    close: async () => {
      await service.close();
      await made?.remove();
    },
  };
}

const configuration = (
  hub: string,
  { group = 'the devices', groupMore, days = 90, more = [] }: ConfigurationLines,
): string =>
  [
    'data: data',
    'certificate: { chain: pki/service/service.pem, key: pki/service/service-key.pem }',
    'authority: data/authority',
    ...more,
    'groups:',
    `  - { name: ${group}, owner: acme, anchors: [pki/manufacturer/root.pem], hubs: [${hub}], identityDays: ${days}${groupMore === undefined ? '' : `, ${groupMore}`} }`,
    'hubs:',
    `  - { id: ${hub}, name: hub, gateways: ['coaps+tcp://127.0.0.1:1'] }`,
    '',
  ].join('\n');
