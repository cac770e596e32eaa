import { createPrivateKey } from 'node:crypto';
import { ManualTimers, type Millis } from '../core/clock.ts';
import { describe, FirstbootError } from '../core/errors.ts';
import type { Uuid } from '../core/ids.ts';
import type { RandomSource } from '../core/random.ts';
import { createDeviceClient } from '../device/client.ts';
import type { DeviceConnection, Network } from '../device/network.ts';
import type { DeviceState } from '../device/state.ts';
import { memoryStorage } from '../device/storage.ts';
import { noTraffic } from '../transport/connection.ts';
import type { FleetDevice } from './device.ts';
import { serialOf } from './memory.ts';
import type { Invariant, Violation } from './outcome.ts';
import type { Scenario } from './scenario.ts';
import type { RecordedCredential, ServiceRecords } from './site.ts';

export interface Judgement {
  readonly violations: readonly Violation[];
  readonly unchecked: readonly Invariant[];
}

/** What is looked at of a device, as it was when the run ended. */
export type Finding = Pick<FleetDevice, 'member' | 'outcome' | 'findings'>;

export interface Evidence {
  readonly scenario: Scenario;
  /** The true time at the end of the run. */
  readonly now: Millis;
  /** Undefined: the service's side cannot be looked at. */
  readonly records: ServiceRecords | undefined;
  readonly random: RandomSource;
}

/** Looks at every device, and at what the service has on record, for promises that were broken. */
export async function judge(devices: readonly Finding[], evidence: Evidence): Promise<Judgement> {
  const violations: Violation[] = [];
  const accuse = (rule: Invariant, { member, findings }: Finding, found: string): void => {
    violations.push({ rule, device: member.name, found, trace: [...findings.trace] });
  };
  for (const device of devices) {
    const { member, findings } = device;
    if (member.part.conduct === 'honest' && member.part.expect === 'arrives' && !findings.present) {
      accuse('arrives', device, absence(device, evidence.scenario));
    }
    if (member.part.conduct === 'honest' && findings.state) {
      const fault = await brickedBy(findings.state, device, evidence);
      if (fault !== undefined) accuse('bricked', device, fault);
    }
    if (member.part.expect === 'refused' && findings.state?.credentials) {
      accuse('refused-identity', device, 'it was to be refused, and holds an identity certificate');
    }
  }
  const { records } = evidence;
  if (!records) return { violations, unchecked: ['two-identities', 'acknowledged-lost'] };
  judgeRecords(devices, new RecordBook(records, evidence.now), accuse);
  return { violations, unchecked: [] };
}

type Accuse = (rule: Invariant, device: Finding, found: string) => void;

function judgeRecords(devices: readonly Finding[], book: RecordBook, accuse: Accuse): void {
  const byKey = new Map<Uuid, Finding[]>();
  for (const device of devices) {
    const { keyId } = device.findings;
    if (keyId !== undefined) byKey.set(keyId, [...(byKey.get(keyId) ?? []), device]);
  }
  for (const device of devices) {
    for (const serial of device.findings.serials) {
      if (!book.bySerial.has(serial)) {
        accuse('acknowledged-lost', device, `it was given certificate ${serial}, which the service does not know`);
      }
    }
  }
  for (const [keyId, holders] of byKey) {
    const [first] = holders;
    if (!first) continue;
    const known = book.credentials(keyId);
    for (const holder of holders) {
      if (holder.member.part.expect === 'refused' && known.length > 0) {
        accuse('refused-identity', holder, `it was to be refused, and has certificates on record: ${known.length}`);
      }
    }
    const live = book.live(keyId);
    const ids = new Set(live.map(({ deviceId }) => deviceId));
    const bound = book.boundTo(keyId);
    if (ids.size > 1 || (bound !== undefined && [...ids].some((id) => id !== bound))) {
      const found = `its key is bound to ${bound ?? 'no id'}, and has live certificates for ${[...ids].join(' and ')}`;
      accuse('two-identities', first, found);
    }
    const serials = new Set(live.map(({ serial }) => serial));
    const present = holders.filter(({ findings: { state } }) => {
      const serial = state?.credentials && serialOf(state.credentials.identity);
      return serial !== undefined && serials.has(serial);
    });
    if (present.length > 1) {
      const names = present.map(({ member }) => member.name).join(' and ');
      accuse('two-identities', first, `${names} hold live certificates of one manufacturer key`);
    }
    for (const id of ids) {
      const other = book.keysOf(id).find((key) => key !== keyId);
      if (other !== undefined) accuse('two-identities', first, `device id ${id} is also live under key ${other}`);
    }
  }
}

/** The records, and what of them counts at the end: a certificate that is not expired, of its key's last generation. */
class RecordBook {
  readonly bySerial: ReadonlyMap<string, RecordedCredential>;
  private readonly byKey = new Map<Uuid, RecordedCredential[]>();
  private readonly keysById = new Map<Uuid, Set<Uuid>>();
  private readonly bound: ReadonlyMap<Uuid, { readonly deviceId: Uuid | undefined; readonly generation: number }>;
  private readonly now: Millis;

  constructor({ devices, credentials }: ServiceRecords, now: Millis) {
    this.now = now;
    this.bySerial = new Map(credentials.map((credential) => [credential.serial, credential]));
    this.bound = new Map(devices.map((device) => [device.keyId, device]));
    for (const credential of credentials) {
      const { keyId, deviceId } = credential;
      const known = this.byKey.get(keyId);
      if (known) known.push(credential);
      else this.byKey.set(keyId, [credential]);
      if (!this.counts(credential)) continue;
      const keys = this.keysById.get(deviceId);
      if (keys) keys.add(keyId);
      else this.keysById.set(deviceId, new Set([keyId]));
    }
  }

  credentials(keyId: Uuid): readonly RecordedCredential[] {
    return this.byKey.get(keyId) ?? [];
  }

  live(keyId: Uuid): readonly RecordedCredential[] {
    return this.credentials(keyId).filter((credential) => this.counts(credential));
  }

  boundTo(keyId: Uuid): Uuid | undefined {
    return this.bound.get(keyId)?.deviceId;
  }

  keysOf(deviceId: Uuid): readonly Uuid[] {
    return [...(this.keysById.get(deviceId) ?? [])];
  }

  private counts({ keyId, generation, notAfter }: RecordedCredential): boolean {
    return notAfter > this.now && (this.bound.get(keyId)?.generation ?? generation) === generation;
  }
}

function absence({ outcome, findings }: Finding, { goal }: Scenario): string {
  const last = findings.trace.at(-1) ?? 'nothing was heard of it';
  return outcome.arrivedAt === undefined
    ? `never ${goal}; the last of it: ${last}`
    : `was ${goal}, and is not at the end; the last of it: ${last}`;
}

/**
 * Whether a device can go on from its state: written down and read again, a client over it starts and wants something of
 * the world. Undefined: it can.
 */
async function brickedBy(
  state: DeviceState,
  { member, findings }: Finding,
  { scenario, random }: Evidence,
): Promise<string | undefined> {
  const timers = new ManualTimers(findings.clock);
  let asked = false;
  const network: Network = {
    open: () => {
      asked = true;
      return deadConnection;
    },
  };
  try {
    const client = createDeviceClient({
      name: member.name,
      endpoints: state.endpoints,
      manufacturer: { chain: [], privateKey: createPrivateKey(state.key) },
      storage: memoryStorage(JSON.parse(JSON.stringify(state)) as DeviceState),
      retry: scenario.retry,
      network,
      timers,
      random,
    });
    await client.init();
    client.start();
    const goesOn = client.running && (asked || timers.next() !== undefined);
    client.powerOff();
    return goesOn ? undefined : `switched on again it does nothing; its status is ${client.status.text}`;
  } catch (error) {
    const reason = error instanceof FirstbootError ? describe(error) : String(error);
    return `switched on again it fails: ${reason}`;
  }
}

/** A session that comes to nothing. */
const deadConnection: DeviceConnection = {
  traffic: noTraffic,
  request: () => undefined,
  respond: () => undefined,
  cancel: () => undefined,
  notify: () => undefined,
  ping: () => undefined,
  abandon: () => undefined,
  close: () => undefined,
};
