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
      return { material, api, restart: fixedChanges(config, written) };
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
  authority: 'authority',
  retention: 'retention',
  watch: 'watch',
  drainSeconds: 'drain',
  tracing: 'tracing',
};

function fixedChanges(before: Config, after: Config): readonly string[] {
  const [present, next] = [fixedIn(before), fixedIn(after)];
  return Object.keys(present).filter(
    (key) => key in next && JSON.stringify(present[key]) !== JSON.stringify(next[key]),
  );
}

function fixedIn(config: Config): Readonly<Record<string, unknown>> {
  return {
    ...Object.fromEntries(Object.entries(fixed).map(([key, name]) => [key, config[name]])),
    ...fixedOfApi(config.api),
  };
}

/** Of what the API is served with and whom it lets in, only whether it speaks TLS. */
function fixedOfApi(api: Config['api']): Readonly<Record<string, unknown>> {
  const { tls, authentication: _, ...addressAndRights } = api ?? {};
  const parts = Object.entries({ ...addressAndRights, tls: tls !== undefined });
  return { api: api !== undefined, ...(api && Object.fromEntries(parts.map(([key, value]) => [`api.${key}`, value]))) };
}
