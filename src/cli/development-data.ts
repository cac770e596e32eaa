import { join } from 'node:path';
import { groupIdOf } from '../config/group.ts';
import { failure } from '../core/errors.ts';
import { developmentHub } from '../development.ts';
import { pathExists } from '../pki/files.ts';
import { openLevelStore } from '../store/level.ts';
import { developmentFolder } from './service-settings.ts';

/**
 * Started without a configuration over the folder of a service that has one, the development policy would take the place of that
 * service's own, and its devices would be refused.
 * @throws FirstbootError service.config: the folder is a configured service's; service.store: it is in use
 */
export async function requireDevelopmentData(data: string): Promise<void> {
  const folder = join(data, 'store');
  if (!(await pathExists(join(folder, 'CURRENT')))) return;
  const store = await openLevelStore(folder);
  try {
    const group = (await store.groups.list()).find(({ source, id }) => source === 'file' && id !== developmentGroup);
    const hub = (await store.hubs.list()).find(({ source, name }) => source === 'file' && name !== developmentHub.name);
    const foreign = { ...(group && { group: group.name }), ...(hub && { hub: hub.name }) };
    if (group ?? hub) throw configuredData(data, foreign);
    if (await pathExists(developmentFolder(data))) return;
    const [device] = await store.devices({ limit: 1 });
    if (device) throw configuredData(data, { device: device.keyId });
  } finally {
    await store.close();
  }
}

export const configuredData = (data: string, found: Readonly<Record<string, string>>) =>
  failure(
    'service.config',
    { data, ...found },
    'this data folder is of a service with a configuration: give it with -c, or name another data folder',
  );

const developmentGroup = groupIdOf('development');
