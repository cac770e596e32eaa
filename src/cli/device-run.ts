import { seconds, systemTimers } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import { systemRandom } from '../core/random.ts';
import { type LocalServer, serveDevice } from '../device/local-server.ts';
import { documentedRetry } from '../device/retry.ts';
import { SimulatedDevice } from '../device/simulator.ts';
import { createLog } from '../ops/log.ts';
import { type DeviceOptions, listenAddress, logLevelOf } from './device-options.ts';
import { deviceEndpoints, deviceKeys, followLeases, prepareState } from './device-setup.ts';
import { DeviceView } from './device-view.ts';
import { createLive } from './live.ts';
import {
  bad,
  createOutput,
  exitCodes,
  faint,
  good,
  isUsage,
  type Output,
  reportFailure,
  strong,
  untilInterrupted,
} from './output.ts';
import { plain } from './plain.ts';
import { stepHeading, writeStep } from './steps.ts';

/** `firstboot device`: a simulated device, until a signal ends it. */
export async function runDevice(name: string, endpoint: string, options: DeviceOptions): Promise<void> {
  const plain = createOutput(options.json === true);
  const interrupted = untilInterrupted();
  // Whatever has been started, to be ended in reverse.
  const started: (() => void | Promise<void>)[] = [];
  const live = options.json === true || !process.stdout.isTTY ? undefined : createLive(process.stdout);
  const output: Output = live ? { ...plain, line: (text = '') => live.print(text) } : plain;
  try {
    const endpoints = deviceEndpoints(endpoint, options);
    const keys = await deviceKeys(options);
    started.push(() => keys.close());
    if (options.state !== undefined) await prepareState(options.state);
    const retry = options.retryConfiguration ?? options.retry;
    const device = await SimulatedDevice.create({
      name,
      endpoint: endpoints,
      identity: keys.identity,
      skipVerification: !options.verifyCa,
      log: overheard(createLog(logLevelOf(options)), output),
      ...(options.state !== undefined && { state: options.state }),
      ...(retry && { retry: { table: retry, variant: 'documented' } }),
      ...(options.expirationLimit !== undefined && { expiring: seconds(options.expirationLimit) }),
      ...(options.cloudObserverMaxRetry !== undefined && { cloudChecks: options.cloudObserverMaxRetry }),
    });
    started.push(() => device.close());
    narrate(device, output);
    const view = new DeviceView(device, retry ?? documentedRetry.table);
    const draw = (): void => live?.update(view.lines(systemTimers.now()), '');
    if (live) {
      started.push(watch(device, view, draw), () => live.end());
    }
    if (options.setSystemTime) {
      output.data({ event: 'note', text: untouched });
      output.line(faint(untouched));
    }
    const server = await listen(device, options);
    if (server) {
      started.push(() => server.close());
      output.data({ event: 'listening', device: name, ...server.ports });
    }
    let waiting = options.waitForReset === true;
    const boot = (): void => {
      tellBoot(device, { endpoint: endpoints[0] ?? '', state: options.state, server }, output);
      draw();
    };
    process.on('SIGHUP', () => {
      if (waiting) {
        waiting = false;
        boot();
        begin();
        return;
      }
      output.data({ event: 'factory-reset', device: name, was: device.deviceId });
      output.line();
      output.line(`${strong(name)} ${device.deviceId} ${faint('is reset to its factory state')}`);
      view.reset();
      device.factoryReset();
      boot();
    });
    const begin = (): void => {
      device.client.start();
      if (options.dhcpEnabled !== true) return;
      const warn = (text: string): void => {
        output.data({ event: 'warning', text });
        output.line(faint(`  ${text}`));
      };
      started.push(followLeases(options.dhcpLeasesFile, device.client, warn));
    };
    if (waiting) {
      output.data({ event: 'waiting', device: name, pid: process.pid });
      output.line(`${strong(name)} ${faint(`waits for SIGHUP (kill -HUP ${process.pid})`)}`);
    } else {
      boot();
      begin();
    }
    await interrupted;
    for (const end of started.splice(0).reverse()) await end();
    plain.data({ event: 'stopped', device: name });
  } catch (error) {
    live?.end('clear');
    for (const end of started.splice(0).reverse()) await end();
    reportFailure(error, plain);
    if (isUsage(error)) process.exitCode = exitCodes.usage;
  }
}

const untouched = "the system's clock stays untouched: the device keeps the time of the service to itself";

async function listen({ client }: SimulatedDevice, options: DeviceOptions): Promise<LocalServer | undefined> {
  const address = listenAddress(options.listen);
  if (address === undefined) return undefined;
  const { host, port } = address;
  return serveDevice(client, {
    host,
    port,
    securePort: port === 0 ? 0 : port + 1,
    timers: systemTimers,
    random: systemRandom,
  });
}

interface Boot {
  readonly endpoint: string;
  readonly state: string | undefined;
  readonly server: LocalServer | undefined;
}

function tellBoot(
  { client, name, deviceId }: SimulatedDevice,
  { endpoint, state, server }: Boot,
  output: Output,
): void {
  // A device with a state keeps to the service that it knows.
  const asked = client.selectedEndpoint?.uri ?? '';
  output.data({ event: 'boot', device: name, id: deviceId, endpoint: asked, pid: process.pid });
  const kept = asked === endpoint || state === undefined ? '' : `, as its state in ${state} says`;
  const does = asked === '' ? 'boots, and waits to be told a service' : `boots, asks ${asked}${kept}`;
  output.line(`${strong(name)} ${deviceId} ${faint(does)}`);
  if (server) output.line(faint(`  answers at ${client.resources.endpoints.join(' and ')}`));
  output.line(stepHeading());
}

/** Draws the view at every change, and every second for what counts down. Ends with the returned function. */
function watch({ client }: SimulatedDevice, view: DeviceView, draw: () => void): () => void {
  const stops = [
    client.onStep((report) => {
      view.stepped(report, systemTimers.now());
      draw();
    }),
    client.onStatus(draw),
    client.onCloudStatus(draw),
    client.onAlarm(draw),
  ];
  const timer = setInterval(draw, seconds(1));
  return () => {
    clearInterval(timer);
    for (const stop of stops) stop();
  };
}

/** Warnings that are no step's (the cloud cannot be reached) are told as well. */
function overheard(log: Log, output: Output): Log {
  return {
    ...log,
    warn: (fields, text) => {
      log.warn(fields, text);
      if (fields.step !== undefined) return;
      output.data({ event: 'warning', text });
      output.line(faint(`  ${plain(text)}`));
    },
  };
}

function narrate(device: SimulatedDevice, output: Output): void {
  const { client, name } = device;
  let wasOnline = false;
  client.onStep((report) => writeStep(output, name, report));
  client.onStatus(({ text, flags, progress, lastError }) => {
    output.data({ event: 'status', device: name, status: text, flags, progress, lastError });
  });
  client.onAlarm((alarm, set) => {
    output.data({ event: 'alarm', device: name, alarm, set });
    output.line(set ? `  ${bad(`alarm: ${alarm}`)}` : faint(`  alarm cleared: ${alarm}`));
  });
  client.onCloudStatus(() => {
    const { online } = client;
    if (online === wasOnline) return;
    wasOnline = online;
    output.data({ event: online ? 'online' : 'offline', device: name, id: device.deviceId });
    if (!online) {
      output.line('  offline');
      return;
    }
    output.line(
      `  ${good('online at its cloud')} ${faint(`(kill -HUP ${process.pid} resets it to its factory state)`)}`,
    );
  });
}
