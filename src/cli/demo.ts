import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
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
import { createOutput, faint, good, type Output, reportFailure, strong } from './output.ts';
import { reportLine, stepHeading, writeStep } from './steps.ts';

interface DemoOptions {
  readonly keep?: string;
  readonly json?: boolean;
}

/** A device of the demo that is not online by then has failed. */
const patience = seconds(60);

export function demoCommand(): Command {
  return new Command('demo')
    .description('see it all once, on loopback: two devices from first boot to online, then a factory reset')
    .option('--keep <folder>', 'leave everything in this folder and say how to run each part by hand')
    .option('--json', 'one JSON object a line')
    .action((options: DemoOptions) => runDemo(options));
}

async function runDemo(options: DemoOptions): Promise<void> {
  const output = createOutput(options.json === true);
  const folder = options.keep === undefined ? await mkdtemp(join(tmpdir(), 'firstboot-demo-')) : resolve(options.keep);
  try {
    await demonstrate(folder, output);
    if (options.keep !== undefined) explainByHand(folder, output);
  } catch (error) {
    reportFailure(error, output);
  } finally {
    if (options.keep === undefined) await rm(folder, { recursive: true, force: true });
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
  output.line(`${strong('development PKI')}   ${join(folder, 'pki')}`);

  const stage = await setStage(folder, pki);
  try {
    const { service, gateway } = stage;
    output.data({ event: 'listening', endpoints: service.endpoints, gateway: gateway.uri, issuer: service.issuerUrl });
    output.line(`${strong('service')}           ${service.endpoints.udp}  ${service.endpoints.tcp}`);
    output.line(`${strong('token issuer')}      ${service.issuerUrl}`);
    output.line(`${strong('cloud gateway')}     ${gateway.uri}`);

    const first = await boot(pki, 0, service.endpoints.udp, 'DTLS over UDP', output);
    const second = await boot(pki, 1, service.endpoints.tcp, 'TLS over TCP', output);
    try {
      await reset(first, output);
      await conclude(stage, output);
    } finally {
      await first.close();
      await second.close();
    }
  } finally {
    await stage.gateway.close();
    await stage.service.close();
  }
}

interface Stage {
  readonly service: Service;
  readonly gateway: RunningGateway;
}

/** The gateway needs the issuer's URL and the service the gateway's: the hub is written once both are known. */
async function setStage(folder: string, pki: DevelopmentPki): Promise<Stage> {
  const settings = developmentSettings(pki);
  const service = await startService({ ...settings, data: folder });
  try {
    const gateway = await startGateway({
      host: '127.0.0.1',
      port: 0,
      hubId: pki.hubId,
      identity: pki.gateway,
      trustAnchors: [pki.authority.trustAnchor],
      issuer: service.issuerUrl,
    });
    for (const hub of settings.hubs) await service.store.hubs.put({ ...hub, gateways: [gateway.uri] });
    await service.provisioner.policy.refresh();
    return { service, gateway };
  } catch (error) {
    await service.close();
    throw error;
  }
}

async function boot(
  pki: DevelopmentPki,
  at: number,
  endpoint: string | undefined,
  how: string,
  output: Output,
): Promise<SimulatedDevice> {
  const identity: DevelopmentDevice | undefined = pki.devices[at];
  if (!identity || endpoint === undefined) throw failure('service.internal', {}, '');
  const device = await SimulatedDevice.create({
    name: identity.name,
    endpoint,
    identity,
    timeout: patience,
  });
  output.line();
  output.line(
    `${strong(identity.name)} boots: it holds its manufacturer certificate and nothing else ${faint(`(${how})`)}`,
  );
  output.line(stepHeading());
  device.client.onStep((report) => writeStep(output, identity.name, report));
  await arrive(device, output);
  return device;
}

async function reset(device: SimulatedDevice, output: Output): Promise<void> {
  const before = device.deviceId;
  device.factoryReset();
  output.line();
  output.line(`${strong(device.name)} is reset to factory state: new uuid, new key, the same manufacturer certificate`);
  output.line(faint(`  was ${before}`));
  output.line(stepHeading());
  await arrive(device, output);
}

async function arrive(device: SimulatedDevice, output: Output): Promise<void> {
  const report = await device.online();
  output.data({ event: 'online', device: device.name, id: device.deviceId, ...report });
  output.line(reportLine(report));
  output.line(`  ${good('online at its cloud')} as ${device.deviceId}`);
}

/** What the service remembers of it. */
async function conclude({ service }: Stage, output: Output): Promise<void> {
  const devices = await service.store.devices({ limit: 10 });
  const attempts = await service.store.attempts({ limit: 10 });
  output.data({ event: 'done', devices, attempts });
  output.line();
  output.line(strong('on the record of the service'));
  for (const device of devices) {
    const credentials = await service.store.credentials(device.keyId);
    output.line(
      `  ${device.manufacturer.subject}: generation ${device.generation}, ${credentials.length} certificate(s) issued, ` +
        `${device.confirmedAt === undefined ? 'not yet confirmed' : 'confirmed by its cloud'}`,
    );
  }
  output.line(
    `  ${attempts.length} attempts, ${attempts.filter(({ verdict }) => verdict === 'provisioned').length} closed as provisioned`,
  );
}

function explainByHand(folder: string, output: Output): void {
  const shown = relative(process.cwd(), folder) || '.';
  const lines = [
    '',
    strong('By hand, each in a terminal of its own:'),
    `  npx firstboot serve --data ${shown}`,
    `  npx firstboot gateway --data ${shown}`,
    `  npx firstboot device dps coaps://127.0.0.1:20030 --certs ${join(shown, 'pki/devices/device-0001')}`,
    `  npx firstboot pki inspect ${join(shown, 'pki/devices/device-0001/mfgcrt.pem')}`,
  ];
  output.data({ event: 'kept', folder });
  for (const line of lines) output.line(line);
}
