import { availableParallelism } from 'node:os';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { parseCoapUri } from '../coap/uri.ts';
import { failure } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import type { ScenarioFile } from '../fleet/scenario-schema.ts';

/** What the flags of `firstboot fleet` say, as text: the scenario's reader judges the words. */
export interface FleetOptions {
  readonly short?: boolean;
  readonly devices?: number | string;
  readonly seed?: number | string;
  readonly clock?: string;
  readonly goal?: string;
  readonly limit?: string;
  readonly transport?: string;
  readonly arrival?: string;
  readonly retry?: string;
  readonly loss?: string | number;
  readonly radio?: string;
  readonly budget?: string;
  readonly endpoint?: readonly string[];
  readonly factory?: string;
  readonly skipVerification?: boolean;
  readonly workers?: number;
  readonly junit?: string;
  readonly json?: string;
  readonly html?: string;
}

export function addFleetOptions(command: Command): Command {
  const endpoint = new Option(
    '--endpoint <uri>',
    'run against this service: coaps:// or coaps+tcp://; may be given twice',
  );
  return command
    .option('--short', "the scenario's short form, for CI: the keys under its `short`")
    .option('-n, --devices <number>', 'how many', numeric)
    .option('--seed <number>', 'of everything that is drawn: the same seed, the same faults', numeric)
    .option('--clock <clock>', 'virtual (in memory, as fast as can be) or real (sockets)')
    .option('--goal <goal>', 'a device has arrived when it is: provisioned or online')
    .option('--limit <time>', 'the run ends at the latest after this: 30min')
    .option('--transport <which>', 'udp, tcp, mix, or a share: "70% udp"')
    .option('--arrival <how>', 'at-once, poisson:50/s or ramp:30s')
    .option('--retry <seconds>', "devices' retry table: 10,20,40")
    .option('--loss <share>', 'of datagrams, both ways: 10%', numeric)
    .addOption(endpoint.argParser((uri: string, before: readonly string[] = []) => [...before, uri]))
    .option(
      '--factory <folder>',
      'device folders, or the PKI of a manufacturer that makes devices on the fly (`pki dev`)',
    )
    .option('-k, --skip-verification', "accept any provisioning service, without asking for the service's certificate")
    .option('--radio <name>', 'radio that the energy is estimated for')
    .option('--budget <rules>', 'fail beyond these: bytes<=7500,rtt<=10,p99<=10s')
    .option('--workers <number>', 'processes, in virtual time (default: 2 for more than 1000 devices)', workerCount)
    .option('--junit <file>', 'write a JUnit report, for CI')
    .option('--json <file>', 'write the whole outcome as JSON; -: to standard output')
    .option('--html <file>', 'write one page with plots');
}

/** The flags as keys of a scenario file. What they do not say is not there. */
export function overridesOf(options: FleetOptions): ScenarioFile {
  const { devices, seed, clock, goal, limit, transport, arrival, retry, loss, radio, budget } = options;
  const said = Object.entries({ devices, seed, clock, goal, limit, transport, arrival, retry, radio, budget });
  const target = targetOf(options);
  // The schema judges what these are: they come as they were typed.
  return {
    ...Object.fromEntries(said.filter(([, value]) => value !== undefined)),
    ...(loss !== undefined && { link: { loss } }),
    ...(target && { target }),
  };
}

/** Without a scenario file the flags have to name both, whom to ask and who asks. @throws FirstbootError command.usage */
export function requireWholeTarget({ endpoint = [], factory }: FleetOptions): void {
  if (endpoint.length > 0 && factory === undefined) {
    const fix = 'name a folder of device folders, or of a manufacturer (firstboot pki dev makes both)';
    throw failure('command.usage', { option: '--factory' }, `missing: ${fix}`);
  }
  if (endpoint.length === 0 && factory !== undefined) {
    const fix = 'missing: say whose service, coaps://host:port or coaps+tcp://host:port';
    throw failure('command.usage', { option: '--endpoint' }, fix);
  }
}

/** How many processes share a fleet: two when it is large. */
export const workersFor = (devices: number, asked: number | undefined): number =>
  Math.min(asked ?? (devices > manyDevices ? 2 : 1), availableParallelism(), devices);

const manyDevices = 1000;

function targetOf({ endpoint = [], factory, skipVerification }: FleetOptions): ScenarioFile['target'] {
  if (endpoint.length === 0 && factory === undefined && skipVerification === undefined) return undefined;
  const of = (scheme: string): { readonly [key: string]: string } | undefined => {
    const [first, second] = endpoint.filter((uri) => uri.startsWith(`${scheme}://`));
    if (second !== undefined)
      throw failure('command.usage', { option: '--endpoint' }, `one ${scheme}:// endpoint will do`);
    return first === undefined ? undefined : { [scheme === 'coaps' ? 'udp' : 'tcp']: first };
  };
  const stranger = endpoint.find((uri) => !parseCoapUri(uri).ok);
  if (stranger !== undefined) {
    throw failure(
      'command.usage',
      { option: '--endpoint', found: stranger },
      'write coaps://host:port or coaps+tcp://host:port',
    );
  }
  return {
    ...of('coaps'),
    ...of('coaps+tcp'),
    // A file may have the rest; the scenario's reader misses what nobody says.
    ...(factory !== undefined && { factory }),
    ...(skipVerification !== undefined && { skipVerification }),
  } as ScenarioFile['target'];
}

/** A number when it looks like one: what it is to be, the scenario's reader says. */
const numeric = (text: string): number | string => (/^\d+(\.\d+)?$/.test(text) ? Number(text) : text);

function workerCount(text: string): number {
  const count = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (count >= 1 && count <= limits.fleet.workers) return count;
  throw new InvalidArgumentError(`expected a whole number from 1 to ${limits.fleet.workers}.`);
}
