import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Command } from 'commander';
import { seconds, systemTimers } from '../core/clock.ts';
import { failure } from '../core/errors.ts';
import { systemRandom } from '../core/random.ts';
import { developmentHub, developmentSettings } from '../development.ts';
import { SimulatedDevice } from '../device/simulator.ts';
import { type RunningGateway, startGateway } from '../gateway.ts';
import { type Service, startService } from '../main.ts';
import {
  createDevelopmentPki,
  type DevelopmentDevice,
  type DevelopmentPki,
  writeDevelopmentPki,
} from '../pki/development.ts';
import { ServiceWatch } from './demo-watch.ts';
import {
  createOutput,
  faint,
  good,
  type Output,
  reportFailure,
  shownPath,
  strong,
  untilInterrupted,
} from './output.ts';
import { reportLine, stepHeading, writeStep } from './steps.ts';

interface DemoOptions {
  readonly keep?: string;
  readonly json?: boolean;
}

/** A device of the demo that is not online by then has failed. */
const patience = seconds(60);

export function demoCommand(): Command {
  return new Command('demo')
    .description(
      'See it all once, on loopback and on free ports: a service, a small cloud and two devices, one over DTLS and one over ' +
        'TLS, from first boot to online; then a factory reset. Nothing stays behind.',
    )
    .summary('see it all once: two devices from first boot to online')
    .option('--keep <folder>', 'leave everything in this folder (new or empty) and say how to run each part by hand')
    .option('--json', 'one JSON object a line')
    .addHelpText('after', '\nExample:\n  $ firstboot demo --keep try')
    .action((options: DemoOptions) => runDemo(options));
}

async function runDemo(options: DemoOptions): Promise<void> {
  const output = createOutput(options.json === true);
  const interrupted = untilInterrupted();
  const folder = options.keep === undefined ? await mkdtemp(join(tmpdir(), 'firstboot-demo-')) : resolve(options.keep);
  // Whatever ends the process (its end, a signal, a reader that has left), a temporary folder goes with it.
  if (options.keep === undefined) process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  void interrupted.then((signal) => process.exit(signal === 'SIGINT' ? 130 : 143));
  try {
    await demonstrate(folder, output);
    if (options.keep !== undefined) explainByHand(folder, output);
  } catch (error) {
    reportFailure(error, output);
  }
}

async function demonstrate(folder: string, output: Output): Promise<void> {
  const pki = createDevelopmentPki({
    devices: 2,
    hubId: developmentHub.id,
    now: systemTimers.now(),
    random: systemRandom,
  });
  await writeDevelopmentPki(pki, join(folder, 'pki'));
  output.line(`${strong('development PKI')}   ${shownPath(join(folder, 'pki'))}`);

  const stage = await setStage(folder, pki, new ServiceWatch(output));
  const devices: SimulatedDevice[] = [];
  try {
    const { service, gateway } = stage;
    output.data({
      event: 'listening',
      endpoints: service.endpoints,
      gateway: gateway.uri,
      issuer: service.issuerUrl,
      api: service.apiUrl,
    });
    output.line(`${strong('service')}           ${service.endpoints.udp}  ${service.endpoints.tcp}`);
    output.line(`${strong('token issuer')}      ${service.issuerUrl}`);
    output.line(`${strong('cloud gateway')}     ${gateway.uri}`);
    output.line(`${strong('dashboard')}         ${service.apiUrl}  (while the demo runs; token ${service.adminToken})`);

    const { udp, tcp } = service.endpoints;
    for (const [at, endpoint, how] of [[0, udp, 'DTLS over UDP'] as const, [1, tcp, 'TLS over TCP'] as const]) {
      const device = await manufacture(pki, at, endpoint);
      devices.push(device);
      device.client.onStep((report) => writeStep(output, device.name, report, stage.watch.takeStages()));
      output.data({ event: 'boot', device: device.name, id: device.deviceId, endpoint });
      output.line();
      output.line(
        `${strong(device.name)} boots: it holds its manufacturer certificate and nothing else ${faint(`(${how})`)}`,
      );
      await arrive(device, stage, output);
    }
    const [first] = devices;
    if (first) await reset(first, stage, output);
    await conclude(stage, output);
  } finally {
    for (const device of devices) await device.close();
    await stage.gateway.close();
    await stage.service.close();
  }
}

interface Stage {
  readonly service: Service;
  readonly gateway: RunningGateway;
  readonly watch: ServiceWatch;
}

/** The gateway needs the issuer's URL and the service the gateway's: the hub is written once both are known. */
async function setStage(folder: string, pki: DevelopmentPki, watch: ServiceWatch): Promise<Stage> {
  const settings = developmentSettings(pki);
  const service = await startService({
    ...settings,
    data: folder,
    api: { host: '127.0.0.1', port: 0 },
    onEntry: watch.onEntry,
  });
  try {
    const gateway = await startGateway({
      host: '127.0.0.1',
      port: 0,
      hubId: pki.hubId,
      identity: pki.gateway,
      trustAnchors: pki.authority.trustAnchors,
      issuer: service.issuerUrl,
    });
    for (const hub of settings.hubs) await service.store.hubs.put({ ...hub, gateways: [gateway.uri] });
    await service.provisioner.policy.refresh();
    return { service, gateway, watch };
  } catch (error) {
    await service.close();
    throw error;
  }
}

async function manufacture(pki: DevelopmentPki, at: number, endpoint: string | undefined): Promise<SimulatedDevice> {
  const identity: DevelopmentDevice | undefined = pki.devices[at];
  if (!identity || endpoint === undefined) throw failure('service.internal', { device: at }, '');
  return SimulatedDevice.create({ name: identity.name, endpoint, identity, timeout: patience });
}

async function reset(device: SimulatedDevice, stage: Stage, output: Output): Promise<void> {
  const was = device.deviceId;
  device.factoryReset();
  output.data({ event: 'factory-reset', device: device.name, was, id: device.deviceId });
  output.line();
  output.line(`${strong(device.name)} is reset to factory state: new uuid, new key, the same manufacturer certificate`);
  output.line(faint(`  was ${was}`));
  await arrive(device, stage, output);
}

/** Waits until the device has published itself and the service has heard of it from the cloud. */
async function arrive(device: SimulatedDevice, { watch }: Stage, output: Output): Promise<void> {
  output.line(stepHeading(true));
  const published = new Promise<void>((resolve) => {
    const stop = device.client.onStep(({ step, result }) => {
      if (step !== 'publish' || result !== 'done') return;
      stop();
      resolve();
    });
  });
  await device.online();
  await published;
  if (!(await watch.confirmation(device.deviceId, patience))) {
    const fix = 'the gateway did not tell the service that the device has arrived';
    throw failure('device.timeout', { device: device.name, goal: 'confirmed' }, fix);
  }
  watch.takeStages();
  const { report } = device;
  const { bytesOut, bytesIn, roundTrips, ms } = report;
  output.data({ event: 'online', device: device.name, id: device.deviceId, bytesOut, bytesIn, roundTrips, ms });
  output.line(reportLine(report, ''));
  output.line(`  ${good('online at its cloud')} as ${device.deviceId}${faint(', confirmed to the service')}`);
}

/** What the service remembers of it. */
async function conclude({ service }: Stage, output: Output): Promise<void> {
  output.line();
  output.line(strong('on the record of the service'));
  const devices = await service.store.devices({ limit: 10 });
  for (const device of devices.toSorted((a, b) => (a.manufacturer.subject < b.manufacturer.subject ? -1 : 1))) {
    const { deviceId, generation, manufacturer, confirmedAt } = device;
    const certificates = (await service.store.credentials(device.keyId)).length;
    const confirmed = confirmedAt !== undefined;
    output.data({
      event: 'record',
      device: deviceId,
      manufacturer: manufacturer.subject,
      generation,
      certificates,
      confirmed,
    });
    output.line(
      `  ${manufacturer.subject}: generation ${generation}, ${certificates} ` +
        `certificate${certificates === 1 ? '' : 's'} issued, ${confirmed ? 'confirmed by its cloud' : 'not yet confirmed'}`,
    );
  }
  const attempts = await service.store.attempts({ limit: 10 });
  const provisioned = attempts.filter(({ verdict }) => verdict === 'provisioned').length;
  output.data({ event: 'done', attempts: attempts.length, provisioned });
  output.line(`  ${attempts.length} attempts, ${provisioned} closed as provisioned`);
}

function explainByHand(folder: string, output: Output): void {
  const shown = shownPath(folder);
  const commands = [
    `npx firstboot serve --data ${shown}`,
    `npx firstboot gateway --data ${shown}`,
    `npx firstboot device dps coaps://127.0.0.1:20030 --certs ${join(shown, 'pki/devices/device-0001')}`,
    `npx firstboot pki inspect ${join(shown, 'pki/devices/device-0001/mfgcrt.pem')}`,
  ];
  output.data({ event: 'kept', folder, commands });
  output.line();
  output.line(strong(`Everything is kept in ${shown}. By hand, each in a terminal of its own:`));
  for (const command of commands) output.line(`  ${command}`);
}
