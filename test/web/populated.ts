import { join } from 'node:path';
import { encodePem } from '../../src/codec/pem.ts';
import { systemRandom } from '../../src/core/random.ts';
import { developmentHub } from '../../src/development.ts';
import { SimulatedDevice } from '../../src/device/simulator.ts';
import { createDevelopmentPki, writeDevelopmentPki } from '../../src/pki/development.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { until } from '../support/until.ts';
import { Dashboard, type DashboardOptions } from './harness.ts';

/** A dashboard with something on every page. */
export interface Populated {
  readonly dashboard: Dashboard;
  /** Key id of a device that was provisioned. */
  readonly keyId: string;
  /** Its attempt, and one of a stranger that was refused. */
  readonly attempt: string;
  readonly refused: string;
  /** Id of a group that can be changed, which nobody is in. */
  readonly group: string;
  /** PEM of another manufacturer's root. */
  readonly otherRoot: string;
}

/** One device of the manufacturer's, one of a stranger's, and a group, a hub that were made through the API. */
export async function populated(options: DashboardOptions = {}): Promise<Populated> {
  const { path: authority } = await temporaryFolder();
  const written: Promise<void>[] = [];
  const dashboard = await Dashboard.start({
    ...options,
    settings: (settings, pki) => {
      written.push(writeDevelopmentPki(pki, authority));
      return { ...(options.settings?.(settings, pki) ?? settings), authorityFolder: join(authority, 'authority') };
    },
  });
  await Promise.all(written);
  await (await dashboard.device(0)).provision();
  const stranger = createDevelopmentPki({
    devices: 1,
    hubId: developmentHub.id,
    now: Date.now(),
    random: systemRandom,
  });
  await comeInVain(dashboard, stranger.devices[0]);
  const api = dashboard.api();
  await api.post('/hubs', {
    id: crypto.randomUUID(),
    name: 'second cloud',
    gateways: ['coaps+tcp://hub.example:5684'],
  });
  const otherRoot = encodePem('CERTIFICATE', stranger.manufacturer.root.certificate.der);
  const made = await api.post('/groups', {
    name: 'field trial',
    owner: 'acme',
    anchors: [otherRoot],
    hubs: [developmentHub.id],
    psk: [{ identity: 'gw-*', key: 'ab'.repeat(16), derived: true }],
    admission: 'manual',
  });
  const [device] = (await api.get('/devices')).body.items;
  const items: readonly { readonly id: string; readonly verdict?: string }[] = (await api.get('/attempts')).body.items;
  return {
    dashboard,
    keyId: device.keyId,
    attempt: items.find(({ verdict }) => verdict !== 'refused')?.id ?? '',
    refused: items.find(({ verdict }) => verdict === 'refused')?.id ?? '',
    group: made.body.result.id,
    otherRoot,
  };
}

/** A device that no group takes: it goes when its refusal is on record. */
async function comeInVain(dashboard: Dashboard, made: Parameters<typeof identityOf>[0] | undefined): Promise<void> {
  if (!made) throw new Error('the stranger has no device');
  const device = await SimulatedDevice.create({
    endpoint: dashboard.service.endpoints.udp ?? '',
    identity: { ...identityOf(made), serviceCa: [dashboard.pki.serviceCa.certificate.der] },
  });
  device.client.start();
  const refused = async () => (await dashboard.api().get('/attempts?verdict=refused')).body.items;
  await until(async () => (await refused()).length === 1);
  await device.close();
}

const identityOf = ({ chain, privateKey }: Dashboard['pki']['devices'][number]) => ({ chain, privateKey });
