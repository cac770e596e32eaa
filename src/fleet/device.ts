import type { Millis, Timers } from '../core/clock.ts';
import type { Uuid } from '../core/ids.ts';
import { type Log, silentLog } from '../core/log.ts';
import { type RandomSource, randomFraction } from '../core/random.ts';
import type { CloudStep } from '../device/actions.ts';
import { createDeviceClient, type DeviceClient } from '../device/client.ts';
import type { FactoryIdentity } from '../device/identity.ts';
import type { StepReport } from '../device/report.ts';
import type { DeviceState } from '../device/state.ts';
import { cloudFlags, progressFlags } from '../device/status.ts';
import type { Step } from '../device/steps.ts';
import { parseCertificate } from '../pki/certificate.ts';
import { manufacturerKeyId } from '../pki/public-key.ts';
import { DeviceMemory } from './memory.ts';
import type { DeviceCost, DeviceOutcome } from './outcome.ts';
import { deviceRandom, drawRange, type Member } from './population.ts';
import type { Scenario } from './scenario.ts';
import type { Path, Site } from './site.ts';
import { skewedTimers } from './skewed-clock.ts';
import { Trace } from './trace.ts';

/** What devices share and tell the run about. */
export interface FleetHost {
  readonly scenario: Scenario;
  readonly site: Site;
  /** When the run began, on the site's clock. */
  readonly start: Millis;
  identityOf(member: Member): FactoryIdentity;
  stepDone(step: Step | CloudStep, took: Millis): void;
  failed(reason: string): void;
  arrived(): void;
  /** The device has become settled (+1) or unsettled (-1). */
  settled(change: 1 | -1): void;
  /** Nothing that a scenario can bring about: ends the run. */
  broken(error: unknown): void;
  /** Wakes at a time of the site's clock, if the run is not over by then: it keeps no process alive behind its end. */
  schedule(at: Millis, wake: () => void): void;
}

/** A device of a fleet: switched on once, then it does what its part and conduct say. */
export interface FleetDevice {
  readonly member: Member;
  /** Whether nothing more is expected of it. */
  readonly settled: boolean;
  switchOn(): void;
  /** The run is over: ends everything that is still going on. */
  end(): Promise<void>;
  readonly outcome: DeviceOutcome;
  readonly findings: DeviceFindings;
}

/** What the invariants look at. */
export interface DeviceFindings {
  /** UUIDv5(X500, SubjectPublicKeyInfo) of the manufacturer key; undefined: it was never switched on. */
  readonly keyId: Uuid | undefined;
  /** What it has stored. */
  readonly state: DeviceState | undefined;
  /** Of every identity certificate that it has stored, oldest first. */
  readonly serials: readonly string[];
  /** Whether it is where its scenario wants it: a device that may leave stays arrived. */
  readonly present: boolean;
  /** What its own clock shows. */
  readonly clock: Millis;
  /** Oldest first. */
  readonly trace: readonly string[];
}

/** Failures after which a device that is not sure to arrive has tried enough. */
const triesEnough = 3;

/** A device that wants nothing but to be provisioned, with the troubles of its part. */
export class HonestDevice implements FleetDevice {
  readonly member: Member;
  private readonly host: FleetHost;
  private readonly timers: Timers;
  private readonly path: Path;
  private readonly conduct: RandomSource;
  private readonly protocol: RandomSource;
  private readonly memory = new DeviceMemory();
  private readonly trace: Trace;
  private readonly log: Log;
  private identity: FactoryIdentity | undefined;
  private keyId: Uuid | undefined;
  private client: DeviceClient | undefined;
  /** `arrive`: on its way to its goal; `wait`: a factory reset is to come; `done`: nothing more is to do. */
  private task: 'arrive' | 'wait' | 'done' = 'arrive';
  private atGoal = false;
  private isSettled = false;
  private over = false;
  /** The step that runs is to be cut: at the latest at its end. */
  private cutDue = false;
  private resetDue = false;
  private bootedAt: Millis;
  private arrivedAt: Millis | undefined;
  private cost: DeviceCost | undefined;
  private roundTrips = 0;
  private provisioned = 0;
  private renewed = 0;
  private resets = 0;
  private powerCuts = 0;
  private refusals = 0;
  private tries = 0;

  constructor(member: Member, host: FleetHost) {
    const { site, scenario, start } = host;
    const { part, number } = member;
    this.member = member;
    this.host = host;
    this.bootedAt = member.bootsAt;
    this.timers = skewedTimers(site.timers, part.clock);
    this.conduct = deviceRandom(scenario.seed, number, 'conduct');
    this.protocol = site.random ?? deviceRandom(scenario.seed, number, 'protocol');
    this.path = site.connect({
      timers: this.timers,
      random: deviceRandom(scenario.seed, number, 'path'),
      faults: part.link,
    });
    this.trace = new Trace(site.timers, start);
    this.log = { ...silentLog, warn: ({ step }, text) => this.warned(step !== undefined, text) };
  }

  get settled(): boolean {
    return this.isSettled;
  }

  switchOn(): void {
    this.bootedAt = this.elapsed;
    this.identity = this.host.identityOf(this.member);
    const [leaf] = this.identity.chain;
    if (leaf) this.keyId = manufacturerKeyId(parseCertificate(leaf).spki);
    this.trace.add(`switched on, ${this.member.part.identity} identity, over ${this.member.transport}`);
    const think = drawRange(this.member.part.think, this.conduct);
    if (think > 0) this.after(think, () => this.boot());
    else this.boot();
  }

  async end(): Promise<void> {
    this.over = true;
    const { client } = this;
    this.client = undefined;
    await client?.shutdown();
    this.path.cut();
  }

  get outcome(): DeviceOutcome {
    const { member, bootedAt, arrivedAt, provisioned, renewed, resets, powerCuts } = this;
    return {
      name: member.name,
      part: member.part.name,
      transport: member.transport,
      expect: member.part.expect,
      bootedAt,
      arrivedAfter: arrivedAt === undefined ? undefined : arrivedAt - bootedAt,
      arrivedAt,
      cost: this.cost ?? this.spent(),
      provisioned,
      renewed,
      resets,
      powerCuts,
    };
  }

  get findings(): DeviceFindings {
    return {
      keyId: this.keyId,
      state: this.memory.state,
      serials: this.memory.serials,
      present: this.arrivedAt !== undefined && (this.atGoal || (this.leaves && this.task !== 'arrive')),
      clock: this.timers.now(),
      trace: this.trace.lines,
    };
  }

  private get elapsed(): Millis {
    return Math.round(this.host.site.timers.now() - this.host.start);
  }

  private get leaves(): boolean {
    return this.host.scenario.afterwards === 'leave';
  }

  private boot(): void {
    this.open().catch((error: unknown) => this.host.broken(error));
  }

  /** A new client over what the last one has stored. */
  private async open(): Promise<void> {
    const { identity, member, host, path } = this;
    if (this.over || !identity) return;
    const uri = host.site.endpoints[member.transport];
    const client = createDeviceClient({
      name: member.name,
      endpoints: uri === undefined ? [] : [uri],
      manufacturer: identity,
      serviceCa: identity.serviceCa ?? [],
      skipVerification: host.site.skipVerification,
      storage: this.memory,
      retry: host.scenario.retry,
      connect: host.scenario.goal === 'online',
      network: path.network,
      timers: this.timers,
      random: this.protocol,
      log: this.log,
    });
    this.client = client;
    client.onStep((report) => {
      if (client === this.client) this.stepped(report, client);
    });
    // What the client has by now may be further on than what is being told.
    client.onStatus(({ progress }) => this.look(client, 'provisioned', (progress & progressFlags.cloudStarted) !== 0));
    client.onCloudStatus((flags) => this.look(client, 'online', (flags & cloudFlags.loggedIn) !== 0));
    await client.init();
    if (client !== this.client) return;
    if (this.resetDue) {
      this.resetDue = false;
      client.factoryReset();
    }
    this.drawCut();
    client.start();
  }

  private stepped({ step, result, refusal, ms, roundTrips, progress }: StepReport, client: DeviceClient): void {
    const { host, member } = this;
    if (this.arrivedAt === undefined) this.roundTrips += roundTrips;
    if (result !== 'done') {
      const reason = `${step}: ${reasonOf(result, refusal?.evidence ?? {}, refusal?.code)}`;
      this.trace.add(reason);
      host.failed(reason);
      this.tries++;
      if (result === 'failure') this.refusals++;
      this.settle();
      return;
    }
    this.trace.add(`${step} done in ${Math.round(ms)} ms`);
    host.stepDone(step, Math.round(ms));
    if (step === 'acls') this.provisioned++;
    if (step === 'credentials' && (progress & progressFlags.cloudStarted) !== 0) this.renewed++;
    if (this.cutDue) {
      this.cutPower(client);
      return;
    }
    this.drawCut();
    if (randomFraction(this.conduct) < member.part.rebind) {
      this.trace.add('gets another address');
      this.path.rebind();
    }
  }

  /** Whether the goal has been reached, or lost again. */
  private look(client: DeviceClient, what: Scenario['goal'], holds: boolean): void {
    if (client !== this.client || what !== this.host.scenario.goal || holds === this.atGoal) return;
    this.atGoal = holds;
    this.trace.add(holds ? what : `no longer ${what}`);
    if (holds && this.task === 'arrive') this.arrive(client);
    this.settle();
  }

  private arrive(client: DeviceClient): void {
    if (this.arrivedAt === undefined) {
      this.arrivedAt = this.elapsed;
      this.cost = this.spent();
      this.host.arrived();
    }
    const { count, after } = this.member.part.resets;
    if (this.resets < count) {
      this.task = 'wait';
      this.after(drawRange(after, this.conduct), () => this.reset());
    } else {
      this.task = 'done';
    }
    if (this.leaves) this.leave(client);
  }

  /** Switches off with a goodbye. What it has stored is all that is left of it. */
  private leave(client: DeviceClient): void {
    this.client = undefined;
    this.trace.add('switched off');
    if (this.task === 'done') this.identity = undefined;
    // Not from inside of what the client is just telling us.
    queueMicrotask(() => void client.shutdown().catch((error: unknown) => this.host.broken(error)));
    // Its goodbyes are through by then; what its network keeps for the next session is not needed any more.
    this.after(farewell, () => {
      if (!this.client) this.path.cut();
    });
  }

  private reset(): void {
    if (this.over) return;
    this.task = 'arrive';
    this.resets++;
    this.atGoal = false;
    this.trace.add(`factory reset ${this.resets}`);
    this.settle();
    if (this.client) {
      this.client.factoryReset();
      return;
    }
    this.resetDue = true;
    // One that is dark after a power cut comes back by itself.
    if (this.leaves) this.boot();
  }

  /** Whether the step that begins now is struck by a power cut, and when. */
  private drawCut(): void {
    const { power } = this.member.part;
    if (this.powerCuts >= power.most || randomFraction(this.conduct) >= power.cut) return;
    this.cutDue = true;
    const before = power.when === 'before' || (power.when === 'either' && randomFraction(this.conduct) < 0.5);
    if (!before) return;
    const { client } = this;
    this.after(Math.floor(randomFraction(this.conduct) * waiting), () => {
      if (this.cutDue && client && client === this.client) this.cutPower(client);
    });
  }

  private cutPower(client: DeviceClient): void {
    this.client = undefined;
    this.cutDue = false;
    this.powerCuts++;
    this.atGoal = false;
    this.trace.add(`power cut ${this.powerCuts}`);
    client.powerOff();
    this.path.cut();
    this.settle();
    this.after(drawRange(this.member.part.power.dark, this.conduct), () => {
      this.trace.add('power is back');
      this.boot();
    });
  }

  private warned(aboutStep: boolean, text: string): void {
    if (aboutStep || text.startsWith('the gateway refused')) return;
    const reason = `cloud: ${text.split(';')[0] ?? ''}`;
    this.trace.add(reason);
    this.host.failed(reason);
  }

  private settle(): void {
    const settled = this.isExpected();
    if (settled === this.isSettled) return;
    this.isSettled = settled;
    this.host.settled(settled ? 1 : -1);
  }

  private isExpected(): boolean {
    const arrived = this.task === 'done' && (this.leaves || this.atGoal);
    switch (this.member.part.expect) {
      case 'arrives':
        return arrived;
      case 'refused':
        return arrived || this.refusals > 0 || this.tries >= triesEnough;
      case 'any':
        return arrived || this.tries >= triesEnough;
    }
  }

  private spent(): DeviceCost {
    return { ...this.path.traffic, roundTrips: this.roundTrips };
  }

  private after(delay: Millis, what: () => void): void {
    this.host.schedule(this.host.site.timers.now() + delay, () => {
      if (!this.over) what();
    });
  }
}

/** How long a device that is switched off may still send, ms. */
const farewell: Millis = 1000;

/** A cut before a step's end comes within this: before the request has left, or before its answer is here, ms. */
const waiting: Millis = 100;

/** The reason in a few words: the code of the answer, or how the session ended. */
function reasonOf(
  result: StepReport['result'],
  { code, found, closed, reason, key }: Readonly<Record<string, string | number | boolean>>,
  error: string | undefined,
): string {
  if (result === 'timeout') return 'timeout';
  return String(code ?? found ?? closed ?? reason ?? (key === undefined ? error : `${error} ${key}`));
}
