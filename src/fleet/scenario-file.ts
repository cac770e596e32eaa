import { parseCoapUri } from '../coap/uri.ts';
import { type Complain, firstError, type KeyPath, keyText, readYaml } from '../codec/yaml.ts';
import { type Millis, minutes } from '../core/clock.ts';
import { type FirstbootError, failure } from '../core/errors.ts';
import { parseRetryTable, type RetryRule } from '../device/retry.ts';
import { parseBudget } from './budget.ts';
import { radioProfile } from './energy.ts';
import type { Scenario, SiteEvent, SiteFault, Target } from './scenario.ts';
import { partOf, requireShares } from './scenario-part.ts';
import { type ScenarioFile, scenarioDefaults, scenarioSchema } from './scenario-schema.ts';
import { parseArrival, parseDuration, parseTransport } from './units.ts';

export interface ReadOptions {
  /** Whether the keys under `short` are used. */
  readonly short?: boolean;
  /** Keys that stand above those of the file, in the same words: what flags say. Mappings are merged key by key. */
  readonly overrides?: ScenarioFile;
  /** The true time when the run begins, ms since the epoch: clocks that are `+10y` off need it. */
  readonly start?: Millis;
}

/**
 * Reads a scenario file (YAML); what it does not say is as in `scenarioDefaults`.
 * @param name what to call the text in complaints
 * @throws FirstbootError service.config naming file, line, key and what was expected; command.usage when it is an override
 */
export function readScenario(text: string, name: string, options: ReadOptions = {}): Scenario {
  const { short = false, overrides = {}, start = defaultStart } = options;
  const { value, at } = readYaml(text, name, scenarioSchema);
  const { short: shortened = {}, ...full } = value;
  const inForce = short ? shortened : {};
  const complain: Complain = (keys, expected) => {
    const [top = ''] = keys;
    const key = top as keyof ScenarioFile;
    if (overrides[key] !== undefined) return refusedOverride(keys, expected);
    return at(Object.hasOwn(inForce, key) ? ['short', ...keys] : keys, expected);
  };
  const inFile = overlay(full, inForce);
  const file = overlay(inFile, overrides);
  const wrong = firstError(scenarioSchema, file);
  if (wrong) throw refusedOverride(wrong.keys, wrong.expected);
  return scenarioOf(file, complain, start);
}

/** A scenario file in which everything is said. */
type Said = Required<ScenarioFile>;

/** What an empty file means. */
export const defaultScenario = (): Scenario => readScenario('', 'default');

/** A fixed moment, so that a scenario means the same every day. */
const defaultStart: Millis = Date.UTC(2026, 0, 1);

const refusedOverride = (keys: KeyPath, expected: string): FirstbootError =>
  failure('command.usage', { key: keyText(keys) }, expected);

/** Mappings are merged, everything else is replaced. */
function overlay(below: ScenarioFile, above: ScenarioFile): ScenarioFile {
  const merged: Record<string, unknown> = { ...below };
  for (const [key, value] of Object.entries(above)) {
    const under = merged[key];
    merged[key] = isMapping(under) && isMapping(value) ? { ...under, ...value } : value;
  }
  return merged as ScenarioFile;
}

const isMapping = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function scenarioOf(file: ScenarioFile, complain: Complain, start: Millis): Scenario {
  const said = { ...scenarioDefaults, ...file };
  const must = <T>(value: T | undefined, key: string, expected: string): T => {
    if (value === undefined) throw complain([key], expected);
    return value;
  };
  const target = targetOf(file, complain);
  const limit = must(parseDuration(said.limit), 'limit', 'expected a time');
  if (limit === 0) throw complain(['limit'], 'expected a time that is longer than 0');
  const clock = clockOf(file, target, complain);
  const udp = udpShare(said.transport, file, target, complain);
  const parts = file.population ?? [{ name: 'all' }];
  const population = parts.map((part, at) => {
    const where = file.population ? ['population', at] : [];
    return partOf(part, file, { where, complain, start, udp });
  });
  const seen = new Set<string>();
  for (const [at, { name }] of population.entries()) {
    if (seen.has(name)) throw complain(['population', at, 'name'], 'another part has this name: give each its own');
    seen.add(name);
  }
  requireShares(parts, complain);
  return {
    name: said.name,
    about: said.about,
    seed: said.seed,
    devices: said.devices,
    clock,
    goal: said.goal,
    limit,
    udp,
    arrival: must(parseArrival(said.arrival), 'arrival', 'expected a rate above 0, such as poisson:50/s'),
    retry: retryOf(said, complain),
    afterwards: said.afterwards,
    identityLife: lifeOf(file, target, complain),
    target,
    population,
    events: eventsOf(file, { target, clock, limit }, complain),
    radio: rejecting(() => radioProfile(said.radio), 'radio', complain).name,
    budget: rejecting(() => parseBudget(said.budget), 'budget', complain),
  };
}

function targetOf({ target }: ScenarioFile, complain: Complain): Target {
  if (target === undefined) return { kind: 'own' };
  const { udp, tcp, factory, skipVerification = false } = target;
  if (udp === undefined && tcp === undefined) throw complain(['target'], 'expected an endpoint: udp, tcp or both');
  for (const [key, uri] of Object.entries({ udp, tcp })) {
    if (uri !== undefined && !parseCoapUri(uri).ok) {
      throw complain(['target', key], `expected ${key === 'udp' ? 'coaps' : 'coaps+tcp'}://host:port`);
    }
  }
  return { kind: 'endpoint', udp, tcp, factory, skipVerification };
}

/** Somebody's endpoint keeps the time of the world. */
function clockOf({ clock }: ScenarioFile, target: Target, complain: Complain): 'virtual' | 'real' {
  if (target.kind === 'own') return clock ?? scenarioDefaults.clock;
  if (clock === 'virtual') throw complain(['clock'], 'time is virtual only without a target: take one of the two out');
  return 'real';
}

/** An endpoint that is not given is not asked. */
function udpShare(transport: string, file: ScenarioFile, target: Target, complain: Complain): number {
  const asked = parseTransport(transport);
  if (asked === undefined) throw complain(['transport'], 'expected udp, tcp, mix, or a share such as 70% udp');
  if (target.kind === 'own' || (target.udp !== undefined && target.tcp !== undefined)) return asked;
  const offered = target.udp === undefined ? 0 : 1;
  if (file.transport !== undefined && asked !== offered) {
    const missing = offered === 1 ? 'tcp' : 'udp';
    throw complain(['transport'], `the target has no ${missing} endpoint: add it, or leave transport out`);
  }
  return offered;
}

function retryOf(said: Pick<Said, 'retry' | 'retryVariant'>, complain: Complain): RetryRule {
  const variant = String(said.retryVariant) === '2025' ? '2025' : 'documented';
  return { table: rejecting(() => parseRetryTable(String(said.retry)), 'retry', complain), variant };
}

function lifeOf({ identityLife }: ScenarioFile, target: Target, complain: Complain): Millis | undefined {
  if (identityLife === undefined) return undefined;
  if (target.kind === 'endpoint') {
    throw complain(['identityLife'], "the target's service decides: only a service of its own can be told");
  }
  const life = parseDuration(identityLife);
  if (life === undefined || life < shortestLife) throw complain(['identityLife'], 'expected 2min or more');
  return life;
}

/** Shorter certificates have no moment at which they can be renewed. */
const shortestLife = minutes(2);

function eventsOf(
  file: ScenarioFile,
  { target, clock, limit }: Pick<Scenario, 'target' | 'clock' | 'limit'>,
  complain: Complain,
): SiteEvent[] {
  const events = (file.events ?? []).map(({ at, what, lasts = 0 }, index) => {
    if (target.kind === 'endpoint') {
      throw complain(['events', index], 'nothing can be done to a target: events need a service of its own');
    }
    if (clock === 'real' && !ofProcesses.includes(what)) {
      throw complain(
        ['events', index, 'what'],
        `in real time there are only ${ofProcesses.join(' and ')}; or take clock: virtual`,
      );
    }
    const event = { at: parseDuration(at) ?? Number.NaN, what, lasts: parseDuration(lasts) ?? Number.NaN };
    if (event.at > limit) throw complain(['events', index, 'at'], 'expected a time before the limit of the run');
    if (event.lasts === 0 && what !== 'service-kill') {
      throw complain(['events', index], `expected lasts: how long the ${what} takes`);
    }
    return event;
  });
  return events.toSorted((a, b) => a.at - b.at);
}

/** What can be done to a service and a cloud that are processes (local-site.ts). */
const ofProcesses: readonly SiteFault[] = ['service-kill', 'hub-outage'];

/** What a parser says about a text becomes a complaint about its key. */
function rejecting<T>(parse: () => T, key: string, complain: Complain): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw complain([key], error.message);
  }
}
