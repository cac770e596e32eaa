import { type Millis, seconds, systemTimers } from '../core/clock.ts';
import { failure } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import type { CloudStep } from '../device/actions.ts';
import type { FactoryIdentity } from '../device/identity.ts';
import type { Step } from '../device/steps.ts';
import { type FleetDevice, type FleetHost, HonestDevice } from './device.ts';
import { count } from './histogram.ts';
import { HostileDevice } from './hostile.ts';
import { judge } from './invariants.ts';
import type { FleetOutcome, FleetProgress, RunEnd } from './outcome.ts';
import { deviceRandom, type Member, populate } from './population.ts';
import type { Scenario, SiteEvent } from './scenario.ts';
import type { Site } from './site.ts';

export interface FleetHooks {
  /** Told how far the run is: at its begin and end, and now and then. */
  readonly onProgress?: (progress: FleetProgress) => void;
  /** How often, in real time, ms; default one second. */
  readonly progressEvery?: Millis;
  /** When it is aborted the run ends as soon as it can, and is judged as it stands. */
  readonly stop?: AbortSignal;
}

/**
 * Runs a fleet to the end of its scenario: until every device is where it is expected and everything has happened that was
 * to happen, until its limit, or until somebody stops it. Then the service is stopped and the invariants are judged. The site stays open.
 * @throws FirstbootError service.config when the scenario asks for what the site cannot do; whatever the site throws.
 */
export async function runFleet(scenario: Scenario, site: Site, hooks: FleetHooks = {}): Promise<FleetOutcome> {
  requirePossible(scenario, site);
  const wallStart = systemTimers.now();
  const cpuStart = process.cpuUsage();
  const run = new FleetRun(scenario, site, hooks);
  const end = await run.toTheEnd();
  const took = Math.round(run.elapsed);
  const now = site.timers.now();
  const toCome = run.toCome();
  const judged = await run.finish(now);
  const { user, system } = process.cpuUsage(cpuStart);
  return {
    devices: run.devices.map(({ outcome }) => outcome),
    steps: run.steps,
    failures: Object.fromEntries(run.failures),
    ...judged,
    end,
    toCome,
    took,
    wall: systemTimers.now() - wallStart,
    cpu: (user + system) / 1000,
    processes: 1,
  };
}

class FleetRun implements FleetHost {
  readonly scenario: Scenario;
  readonly site: Site;
  readonly start: Millis;
  readonly devices: readonly FleetDevice[];
  readonly steps: Partial<Record<Step | CloudStep, Millis[]>> = {};
  readonly failures = new Map<string, number>();
  /** The steps again, for a live view. */
  private readonly histograms: Record<string, number[]> = {};
  private readonly hooks: FleetHooks;
  private readonly shared = new Map<number, FactoryIdentity>();
  private readonly turns: SiteTurn[];
  private booted = 0;
  private arrivals = 0;
  private failureCount = 0;
  private unsettled: number;
  private nextProgress = 0;
  private fault: { readonly error: unknown } | undefined;
  /** Cancels what is still to wake. */
  private readonly wakes = new Set<() => void>();

  constructor(scenario: Scenario, site: Site, hooks: FleetHooks) {
    this.scenario = scenario;
    this.site = site;
    this.hooks = hooks;
    this.start = site.timers.now();
    this.turns = turnsOf(scenario.events);
    const { udp, tcp } = site.endpoints;
    const members = populate(scenario, { udp: udp !== undefined, tcp: tcp !== undefined });
    this.unsettled = members.length;
    this.devices = members.map((member) =>
      member.part.conduct === 'honest' ? new HonestDevice(member, this) : new HostileDevice(member, this),
    );
  }

  get elapsed(): Millis {
    return this.site.timers.now() - this.start;
  }

  /** Time stands still (where it can) while something is done to the site. */
  async toTheEnd(): Promise<RunEnd> {
    this.bootDue();
    let finished = false;
    for (;;) {
      const [turn] = this.turns;
      const until = Math.min(turn?.at ?? this.scenario.limit, this.scenario.limit);
      finished = await this.site.run(() => this.look(), this.start + until);
      if (this.fault) throw this.fault.error;
      if (finished || !turn || turn.at >= this.scenario.limit) break;
      this.turns.shift();
      await this.site.faults?.[turn.what](turn.fault);
    }
    this.tell();
    if (this.complete) return 'complete';
    return finished ? 'interrupted' : 'limit';
  }

  async finish(now: Millis): Promise<Awaited<ReturnType<typeof judge>>> {
    const { scenario, site, devices } = this;
    // As they are at the end of the run, not after their goodbyes.
    const found = devices.map(({ member, outcome, findings }) => ({ member, outcome, findings }));
    for (const cancel of this.wakes) cancel();
    this.wakes.clear();
    for (const device of devices) await device.end();
    const records = await site.records();
    return judge(found, { scenario, now, records, random: deviceRandom(scenario.seed, -1, 'protocol') });
  }

  /** What the scenario has asked for and the run has not come to: it was over before. */
  toCome(): FleetOutcome['toCome'] {
    const resets = this.devices.map(({ member: { part }, outcome }) =>
      part.conduct === 'honest' && part.expect === 'arrives' ? part.resets.count - outcome.resets : 0,
    );
    return {
      resets: resets.reduce((all, left) => all + left, 0),
      events: this.turns.filter(({ what }) => what === 'begin').length,
    };
  }

  identityOf({ number, identity, part }: Member): FactoryIdentity {
    if (part.identity !== 'cloned') return this.site.identity(number, part.identity);
    const known = this.shared.get(identity);
    if (known) return known;
    const made = this.site.identity(identity, part.identity);
    this.shared.set(identity, made);
    return made;
  }

  stepDone(step: Step | CloudStep, took: Millis): void {
    this.steps[step] ??= [];
    this.steps[step].push(took);
    this.histograms[step] ??= [];
    count(this.histograms[step], took);
  }

  failed(reason: string): void {
    this.failureCount++;
    const full = !this.failures.has(reason) && this.failures.size >= limits.fleet.failureReasons;
    const key = full ? 'other' : reason;
    this.failures.set(key, (this.failures.get(key) ?? 0) + 1);
  }

  arrived(): void {
    this.arrivals++;
  }

  settled(change: 1 | -1): void {
    this.unsettled -= change;
  }

  broken(error: unknown): void {
    this.fault ??= { error };
  }

  schedule(at: Millis, wake: () => void): void {
    const cancel = this.site.timers.schedule(at, () => {
      this.wakes.delete(cancel);
      wake();
    });
    this.wakes.add(cancel);
  }

  /** Switches on everybody whose time has come, and waits for the next: one timer for all of them. */
  private bootDue(): void {
    const { elapsed, devices } = this;
    try {
      for (let next = devices[this.booted]; next && next.member.bootsAt <= elapsed; next = devices[this.booted]) {
        this.booted++;
        next.switchOn();
      }
    } catch (error) {
      this.broken(error);
      return;
    }
    const next = devices[this.booted];
    if (next) this.schedule(this.start + next.member.bootsAt, () => this.bootDue());
  }

  private look(): boolean {
    if (this.hooks.onProgress && systemTimers.now() >= this.nextProgress) this.tell();
    return this.fault !== undefined || this.complete || this.hooks.stop?.aborted === true;
  }

  /** Whether all devices are where they are expected and everything has happened that was to happen. */
  private get complete(): boolean {
    return this.unsettled === 0 && this.turns.length === 0;
  }

  private tell(): void {
    this.nextProgress = systemTimers.now() + (this.hooks.progressEvery ?? seconds(1));
    this.hooks.onProgress?.({
      at: Math.round(this.elapsed),
      devices: this.devices.length,
      booted: this.booted,
      arrived: this.arrivals,
      failures: this.failureCount,
      provisioned: this.steps.acls?.length ?? 0,
      steps: this.histograms,
      reasons: Object.fromEntries(this.failures),
    });
  }
}

/** A moment at which something begins or ends for the site. */
interface SiteTurn {
  readonly at: Millis;
  readonly what: 'begin' | 'end';
  readonly fault: SiteEvent['what'];
}

/** In order of time; what ends goes before what begins at the same moment. */
function turnsOf(events: readonly SiteEvent[]): SiteTurn[] {
  const turns = events.flatMap(({ at, what, lasts }): SiteTurn[] => [
    { at, what: 'begin', fault: what },
    { at: at + lasts, what: 'end', fault: what },
  ]);
  return turns.toSorted((a, b) => a.at - b.at || (a.what === b.what ? 0 : a.what === 'end' ? -1 : 1));
}

function requirePossible({ name, events }: Scenario, { faults, endpoints }: Site): void {
  if (endpoints.udp === undefined && endpoints.tcp === undefined) {
    throw failure('service.config', { scenario: name }, 'give the target a UDP or a TCP endpoint');
  }
  const event = events.find(({ what }) => !faults || faults.possible?.includes(what) === false);
  if (!event) return;
  const fix = faults?.possible
    ? `this site knows ${faults.possible.join(' and ')}: take the others out, or run on the virtual clock`
    : 'nothing can be done to a service that is not our own: take the events out, or run against one (target: own)';
  throw failure('service.config', { scenario: name, event: event.what }, fix);
}
