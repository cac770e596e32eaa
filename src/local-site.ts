import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { days, type Millis, systemTimers } from './core/clock.ts';
import { failure } from './core/errors.ts';
import { systemRandom } from './core/random.ts';
import { developmentHub } from './development.ts';
import { DeviceFactory } from './fleet/factory.ts';
import { realTime } from './fleet/real-site.ts';
import type { SiteFault } from './fleet/scenario.ts';
import type { ServiceRecords, Site } from './fleet/site.ts';
import { ChildProgram } from './local-site/child-program.ts';
import { createDevelopmentPki, writeDevelopmentPki } from './pki/development.ts';
import { recordsOf } from './simulation/records.ts';
import { openLevelStore } from './store/level.ts';
import { freePort } from './transport/free-port.ts';

export interface LocalSiteOptions {
  /** Life of the identity certificates, ms; undefined: the service's default. */
  readonly identityLife?: Millis | undefined;
  /** Gateways of the hub, each a process; a device that loses one goes to the next. Default 2. */
  readonly gateways?: number;
}

/**
 * A service and its cloud as processes of their own on loopback, over a temporary folder, with a manufacturer whose devices
 * are made on the fly. Killing them is killing them (SIGKILL), and what is on record is read from the store's files.
 * @throws FirstbootError service.config with what a process said when it does not start.
 */
export async function startLocalSite({ identityLife, gateways = 2 }: LocalSiteOptions = {}): Promise<Site> {
  const folder = await mkdtemp(join(tmpdir(), 'firstboot-fleet-'));
  const programs: ChildProgram[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(programs.map((program) => program.stop('SIGKILL')));
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const now = systemTimers.now();
    const pki = createDevelopmentPki({ devices: 1, hubId: developmentHub.id, now, random: systemRandom });
    await writeDevelopmentPki(pki, join(folder, 'pki'));
    const [port, issuerPort, ...gatewayPorts] = await distinctPorts(2 + gateways);
    const uris = gatewayPorts.map((each) => `coaps+tcp://127.0.0.1:${each}`);
    await writeFile(join(folder, 'firstboot.yaml'), configuration(pki.hubId, uris, identityLife));

    const service = new ChildProgram([
      ...['serve', '-c', join(folder, 'firstboot.yaml'), '--port', `${port}`],
      ...['--issuer-port', `${issuerPort}`, '--api-port', 'off', '--log-level', 'silent'],
    ]);
    programs.push(service);
    await service.start();
    const hub = gatewayPorts.map(
      (each) =>
        new ChildProgram([
          ...['gateway', '--pki', join(folder, 'pki'), '--port', `${each}`],
          ...['--issuer', `http://127.0.0.1:${issuerPort}`, '--log-level', 'silent'],
        ]),
    );
    programs.push(...hub);
    for (const gateway of hub) await gateway.start();

    const serviceCa = [pki.serviceCa.certificate.der];
    const factory = new DeviceFactory({ manufacturer: pki.manufacturer, serviceCa, now, random: systemRandom });
    const victim = (fault: SiteFault): ChildProgram => {
      const program = fault === 'service-kill' ? service : fault === 'hub-outage' ? hub[0] : undefined;
      if (program) return program;
      throw failure('service.config', { event: fault }, `local processes know ${possible.join(' and ')} only`);
    };
    return {
      ...realTime(),
      endpoints: { udp: `coaps://127.0.0.1:${port}`, tcp: `coaps+tcp://127.0.0.1:${port}` },
      skipVerification: false,
      identity: (device, kind) => factory.make(device, kind),
      faults: {
        possible,
        begin: (fault) => victim(fault).stop('SIGKILL'),
        end: (fault) => victim(fault).start(),
      },
      records: async () => {
        await service.stop('SIGTERM');
        return readRecords(join(folder, 'data', 'store'));
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

const possible: readonly SiteFault[] = ['service-kill', 'hub-outage'];

async function distinctPorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) ports.add(await freePort());
  return [...ports];
}

/** firstboot.yaml beside the PKI's folder (JSON is YAML). The group knows the root alone: devices bring what is between. */
const configuration = (hubId: string, gateways: readonly string[], identityLife: Millis | undefined): string =>
  JSON.stringify({
    data: 'data',
    drainSeconds: 0,
    host: '127.0.0.1',
    certificate: { chain: 'pki/service/service.pem', key: 'pki/service/service-key.pem' },
    authority: 'pki/authority',
    groups: [
      {
        name: 'fleet',
        owner: 'fleet',
        anchors: ['pki/manufacturer/root.pem'],
        hubs: [hubId],
        ...(identityLife !== undefined && { identityDays: identityLife / days(1) }),
      },
    ],
    hubs: [{ id: hubId, name: 'fleet hub', gateways }],
  });

/** What the service has on record, from the store of one that does not run. */
async function readRecords(folder: string): Promise<ServiceRecords> {
  const store = await openLevelStore(folder);
  try {
    return await recordsOf(store);
  } finally {
    await store.close();
  }
}
