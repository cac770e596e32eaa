import { freePorts, type Line, Running } from './command.ts';

/** The service and the small cloud as processes of their own, in one data folder on free ports. */
export interface Processes {
  readonly service: Running;
  readonly gateway: Running;
  readonly endpoints: { readonly udp: string; readonly tcp: string };
  device(args: readonly string[]): Running;
  close(): Promise<void>;
}

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
