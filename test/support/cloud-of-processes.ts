import { afterAll, beforeAll } from 'vitest';
import { build, freePorts, type Line, Running } from './command.ts';
import { temporaryFolder } from './temporary-folder.ts';

/** The service and the small cloud as processes of their own, in one data folder on free ports. */
export interface Processes {
  readonly service: Running;
  readonly gateway: Running;
  readonly endpoints: { readonly udp: string; readonly tcp: string };
  device(args: readonly string[]): Running;
  close(): Promise<void>;
}

export interface Workplace {
  /** Where `firstboot-data` lies. */
  readonly cwd: string;
  readonly processes: Processes;
  /** Starts them again, over the same data, after a test has stopped them. */
  restart(): Promise<void>;
}

/** Starts them for the tests of a file, in a folder of their own, and ends them after the last. */
export function useProcesses(): Workplace {
  let folder: { readonly path: string; readonly remove: () => Promise<void> } | undefined;
  let running: Processes | undefined;
  beforeAll(async () => {
    build();
    folder = await temporaryFolder();
    running = await startProcesses(folder.path);
  });
  afterAll(async () => {
    await running?.close();
    await folder?.remove();
  });
  const started = <T>(what: T | undefined): T => {
    if (what === undefined) throw new Error('the processes are there when the tests run');
    return what;
  };
  return {
    get cwd() {
      return started(folder).path;
    },
    get processes() {
      return started(running);
    },
    restart: async () => {
      running = await startProcesses(started(folder).path);
    },
  };
}

/** What names the n-th device of the development PKI on the command line. */
export const certificates = (n: number): string[] => ['--certs', `firstboot-data/pki/devices/device-000${n}`];

/** @param cwd where `firstboot-data` comes to lie */
export async function startProcesses(cwd: string): Promise<Processes> {
  const [port = 0] = await freePorts(1);
  const common = {
    cwd,
    env: { FIRSTBOOT_GATEWAY: `coaps+tcp://127.0.0.1:${port}`, FIRSTBOOT_GATEWAY_PORT: `${port}` },
  };
  const devices: Running[] = [];
  const service = new Running(['serve', '--port', '0', '--issuer-port', '0', '--json'], common);
  const listening = await service.line({ event: 'listening' });
  const gateway = new Running(['gateway', '--issuer', String(listening.issuer), '--json'], common);
  await gateway.line({ event: 'listening' });
  return {
    service,
    gateway,
    endpoints: endpointsOf(listening),
    device: (args) => {
      const device = new Running(['device', ...args, '--json'], { cwd });
      devices.push(device);
      return device;
    },
    close: async () => {
      for (const running of [...devices, gateway, service]) await running.stop();
    },
  };
}

export const endpointsOf = (listening: Line): { readonly udp: string; readonly tcp: string } =>
  listening.endpoints as { readonly udp: string; readonly tcp: string };
