import { type Command, InvalidArgumentError, Option } from 'commander';
import { settings } from '../config/settings.ts';
import { factoryFiles } from '../device/identity.ts';
import { type LogLevel, logLevels } from '../ops/log.ts';
import { retryTable } from './arguments.ts';

export interface DeviceOptions {
  readonly certs: string;
  readonly state?: string;
  readonly createConfResource?: boolean;
  /** Seconds. */
  readonly expirationLimit?: number;
  readonly logLevel: string;
  readonly ocLogLevel?: string;
  readonly verifyCa: boolean;
  readonly dhcpLeasesFile: string;
  readonly dhcpEnabled?: boolean;
  readonly cloudObserverMaxRetry?: number;
  readonly retryConfiguration?: number[];
  readonly retry?: number[];
  readonly setSystemTime?: boolean;
  readonly endpoint?: readonly string[];
  readonly waitForReset?: boolean;
  readonly listen: string;
  readonly pkcs11?: string;
  readonly token?: string;
  readonly pinFile?: string;
  readonly key?: string;
  readonly json?: boolean;
}

/** Where the device is a server; undefined: nowhere. Ports: the cleartext one, and the next one for DTLS; 0: any free ones. */
export type ListenAddress = { readonly host: string; readonly port: number } | undefined;

/** Letters and words of plgd's dps_cloud_server, and some of our own. */
export function addDeviceOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--certs <folder>', `what it left the factory with: ${Object.values(factoryFiles).join(', ')}`)
        .default('pki_certs')
        .env('FIRSTBOOT_CERTS'),
    )
    .addOption(
      new Option(
        '--state <folder>',
        'keep its state there: with a good one it goes straight to its cloud. Without this every start is a first boot',
      ).env('FIRSTBOOT_STATE'),
    )
    .option('-c, --create-conf-resource', 'taken as plgd has it: here the device always has /plgd/dps')
    .option(
      '-e, --expiration-limit <seconds>',
      'a certificate that expires within this is renewed (default: 3600)',
      upTo(65_535),
    )
    .addOption(
      new Option('-l, --log-level <level>', 'log on standard error: of plgd or of ours')
        .choices([...Object.keys(plgdLevels), ...logLevels.filter((level) => !(level in plgdLevels))])
        .default('silent')
        .env(settings.logLevel.variable),
    )
    .addOption(
      new Option('--oc-log-level <level>', 'a second threshold: what is logged has to pass both').choices(
        Object.keys(plgdLevels),
      ),
    )
    .option('-n, --no-verify-ca', "accept any provisioning service, without asking for the service's certificate")
    .addOption(new Option('-f, --dhcp-leases-file <file>', 'of dhclient').default('/var/lib/dhcp/dhclient.leases'))
    .option(
      '-x, --dhcp-enabled',
      'read the leases file every 5 s: endpoint and fingerprint from option 43, instead of dpsca.pem',
    )
    .option(
      '-o, --cloud-observer-max-retry <n>',
      "seconds to sign in before the next gateway; 0: by the cloud client's retry table alone (default: 30)",
      upTo(255),
    )
    .option(
      '-r, --retry-configuration <seconds>',
      'wait this long before the next tries of a step, in a loop: 1 to 8 numbers (default: 10,20,40,80,120)',
      retryTable,
    )
    .option('--retry <seconds>', 'the same', retryTable)
    .option(
      '-s, --set-system-time',
      "taken as plgd has it: here the system's clock stays untouched, the device keeps its own",
    )
    .addOption(
      new Option(
        '-t, --endpoint <uri>',
        'one more provisioning service, for when the first does not answer; may be repeated',
      ).argParser((uri: string, before: readonly string[] = []) => [...before, uri]),
    )
    .option('-w, --wait-for-reset', 'do nothing until SIGHUP')
    .addOption(
      new Option(
        '--listen <address>',
        'where the device answers requests itself: host, host:port (DTLS at the next port) or off',
      )
        .argParser(addressText)
        .default('127.0.0.1'),
    )
    .option('--pkcs11 <module>', 'the manufacturer key is on a token behind this PKCS #11 library')
    .option('--token <label>', 'label of the token, or number of its slot')
    .option('--pin-file <file>', "file that holds the token's PIN")
    .option('--key <label>', 'label of the key on the token');
}

/** plgd's names for what pino calls otherwise. */
const plgdLevels: Readonly<Record<string, LogLevel>> = {
  disabled: 'silent',
  trace: 'debug',
  debug: 'debug',
  info: 'info',
  notice: 'info',
  warning: 'warn',
  error: 'error',
};

/** The level that passes both thresholds. */
export function logLevelOf({
  logLevel,
  ocLogLevel = 'trace',
}: Pick<DeviceOptions, 'logLevel' | 'ocLogLevel'>): LogLevel {
  const levels = [logLevel, ocLogLevel].map((name) => {
    const own = logLevels.find((level) => level === name);
    return logLevels.indexOf(own ?? plgdLevels[name] ?? 'silent');
  });
  return logLevels[Math.min(...levels)] ?? 'silent';
}

function upTo(most: number): (text: string) => number {
  return (text) => {
    if (/^\d{1,5}$/.test(text) && Number(text) <= most) return Number(text);
    throw new InvalidArgumentError(`expected a whole number from 0 to ${most}.`);
  };
}

/** `off` is nowhere. Without a port any two free ones are taken. */
export function listenAddress(text: string): ListenAddress {
  if (text === 'off') return undefined;
  const [, bracketed, plain, port = '0'] = /^(?:\[([0-9a-fA-F:]+)\]|([^:[\]\s]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  return host !== undefined && Number(port) < 65_535 ? { host, port: Number(port) } : undefined;
}

function addressText(text: string): string {
  if (text === 'off' || listenAddress(text)) return text;
  throw new InvalidArgumentError('expected an address, address:port, [IPv6 address]:port, or off.');
}
