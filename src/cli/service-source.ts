import type { Overrides } from '../config/settings.ts';
import { type Config, loadConfig } from '../config.ts';
import { systemTimers } from '../core/clock.ts';
import { systemRandom } from '../core/random.ts';
import type { ReloadSource } from '../reload.ts';
import { configuredData, requireDevelopmentData } from './development-data.ts';
import { type ServiceSettings, serviceSettings } from './service-settings.ts';

/** Where `firstboot serve` has its settings from. */
export interface SettingsSource {
  readonly flags: Overrides;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The configuration. */
  readonly file: string | undefined;
}

/**
 * Reads what a service is started with, and how the same is read again while it runs.
 * @throws FirstbootError service.config, also when there is no policy and the data folder is a configured service's; service.store
 */
export async function readSettings(
  source: SettingsSource,
): Promise<{ readonly config: Config; readonly settings: ServiceSettings; readonly reload: ReloadSource }> {
  const load = () => loadConfig(source.flags, source.environment, source.file);
  const deps = () => ({ now: systemTimers.now(), random: systemRandom });
  const config = load();
  if (config.policy === undefined) await requireDevelopmentData(config.data);
  const settings = await serviceSettings(config, deps());
  let present = settings;
  const reload: ReloadSource = {
    configuration: source.file,
    get files() {
      return [...(source.file === undefined ? [] : [source.file]), ...present.sources];
    },
    get renewAt() {
      return present.renewAt;
    },
    read: async () => {
      const written = load();
      if (config.policy !== undefined && written.policy === undefined) {
        throw configuredData(config.data, { found: 'no groups and no policy any more' });
      }
      // Folders stay: others work in them, too.
      const { data, authority: folder } = config;
      const shown = present.service.identity;
      present = await serviceSettings({ ...written, data, authority: folder }, { ...deps(), shown });
      const { identity, authority, groups, hubs, api } = present.service;
      const material = { identity, authority, groups, hubs };
      return { material, apiTls: api?.tls, restart: fixedChanges(config, written) };
    },
  };
  return { config, settings, reload };
}

/** Settings that a running service keeps as it was started with them, by their keys in the file. */
const fixed: Readonly<Record<string, keyof Config>> = {
  data: 'data',
  host: 'host',
  port: 'port',
  transports: 'transports',
  mtu: 'mtu',
  logLevel: 'logLevel',
  idleSeconds: 'idle',
  issuer: 'issuer',
  api: 'api',
  authority: 'authority',
  retention: 'retention',
  watch: 'watch',
  drainSeconds: 'drain',
  tracing: 'tracing',
};

const fixedChanges = (before: Config, after: Config): readonly string[] =>
  Object.entries(fixed).flatMap(([key, name]) =>
    JSON.stringify(before[name]) === JSON.stringify(after[name]) ? [] : [key],
  );
