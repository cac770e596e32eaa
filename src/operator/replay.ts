import type { Millis } from '../core/clock.ts';
import type { ErrorCode } from '../core/errors.ts';
import type { Uuid } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import { silentLog } from '../core/log.ts';
import { tryParseCertificate } from '../pki/certificate.ts';
import { type Policy, PolicySource } from '../provision/policy.ts';
import type { AttemptSummary, Device } from '../store/model.ts';
import type { Store } from '../store/store.ts';
import { type Foreseen, foresee } from './foresee.ts';
import { type PeerTrace, strangerName, traceOf, traceOfDevice } from './replay-evidence.ts';
import { everyAttempt, everyDevice } from './scan.ts';

export interface DryRunOptions {
  readonly store: Store;
  /** The policy that might come. */
  readonly policy: Policy;
  readonly since: Millis;
  readonly now: Millis;
}

/** What a policy would change for those who came in a time. Plain data. */
export interface DryRunReport {
  readonly since: Millis;
  readonly now: Millis;
  /** Known devices that came since then, with something to judge. */
  readonly devices: number;
  /** Others: a peer counts once, however often it came. */
  readonly strangers: number;
  /** Devices and strangers for whom nothing would change. */
  readonly unchanged: number;
  /** Everybody for whom something would: devices in the order of their key ids, then strangers. */
  readonly changes: readonly DryRunChange[];
  /** Changes beyond limits.policy.dryRunChanges: counted in `kinds` only. */
  readonly notListed: number;
  /** Strangers beyond limits.policy.dryRunStrangers, by attempts; and attempts that show nothing to judge. */
  readonly notJudged: number;
  /** How many of each kind of change. */
  readonly kinds: readonly { readonly from: Verdict; readonly to: Verdict; readonly count: number }[];
}

type Verdict = 'accepted' | ErrorCode;

export interface DryRunChange {
  readonly who: 'device' | 'stranger';
  /** Of a device. */
  readonly keyId: Uuid | undefined;
  readonly deviceId: Uuid | undefined;
  /** SHA-256 of the certificate of a stranger, hex; or `psk` and its identity. */
  readonly fingerprint: string | undefined;
  readonly subject: string;
  /** Its handshake went through. Otherwise nobody knows whether it holds the key of its certificate: it fares as `to` if it does. */
  readonly proved: boolean;
  readonly attemptId: Uuid;
  readonly lastSeen: Millis;
  readonly changed: readonly ('verdict' | 'group' | 'owner' | 'hub')[];
  readonly from: Foreseen;
  readonly to: Foreseen;
}

/**
 * Judges everybody who came since a time by the present policy and by one that might come, on the same evidence, and tells
 * what would be different: verdict, group, owner or first hub. Nothing is written. A page is in memory at a time.
 * @throws FirstbootError service.store
 */
export async function dryRunPolicy({ store, policy, since, now }: DryRunOptions): Promise<DryRunReport> {
  const present = (await PolicySource.load(store, silentLog)).current;
  const tally = new Tally();
  const compare = async (trace: PeerTrace, device: Device | undefined): Promise<void> => {
    const from = await foresee({ store, policy: present, present }, trace, device);
    const to = await foresee({ store, policy, present }, trace, device);
    tally.add(trace, device, from, to);
  };
  let devices = 0;
  for await (const device of everyDevice(store)) {
    const trace = await traceOfDevice(store, device, since);
    if (!trace) continue;
    devices++;
    await compare(trace, device);
  }
  const seen = new Set<string>();
  let notJudged = 0;
  for await (const summary of strangersSince(store, since)) {
    const attempt = await store.attempt(summary.id);
    const trace = attempt && traceOf(attempt);
    const name = trace && strangerName(trace);
    if (name !== undefined && seen.has(name)) continue;
    if (!trace || name === undefined || seen.size >= limits.policy.dryRunStrangers) {
      notJudged++;
      continue;
    }
    seen.add(name);
    await compare(trace, undefined);
  }
  return { since, now, devices, strangers: seen.size, notJudged, ...tally.report() };
}

/** Attempts of peers that have no record as a device, newest first. */
async function* strangersSince(store: Store, since: Millis): AsyncGenerator<AttemptSummary> {
  for await (const summary of everyAttempt(store)) {
    const { keyId, openedAt, verdict } = summary;
    if (openedAt < since) return;
    if (verdict === 'provisioned' || verdict === 'renewed') continue;
    if (keyId === undefined || (await store.device(keyId)) === undefined) yield summary;
  }
}

class Tally {
  private unchanged = 0;
  private notListed = 0;
  private readonly changes: DryRunChange[] = [];
  private readonly kinds = new Map<string, { from: Verdict; to: Verdict; count: number }>();

  add(trace: PeerTrace, device: Device | undefined, from: Foreseen, to: Foreseen): void {
    const changed = (['verdict', 'group', 'owner', 'hub'] as const).filter((what) => from[what] !== to[what]);
    if (changed.length === 0) {
      this.unchanged++;
      return;
    }
    const name = `${from.verdict} ${to.verdict}`;
    const kind = this.kinds.get(name) ?? { from: from.verdict, to: to.verdict, count: 0 };
    this.kinds.set(name, { ...kind, count: kind.count + 1 });
    if (this.changes.length >= limits.policy.dryRunChanges) {
      this.notListed++;
      return;
    }
    this.changes.push({
      who: device ? 'device' : 'stranger',
      keyId: device?.keyId,
      deviceId: device?.deviceId,
      fingerprint: device ? undefined : strangerName(trace),
      subject: device?.manufacturer.subject ?? subjectOf(trace),
      proved: trace.proved,
      attemptId: trace.attemptId,
      lastSeen: trace.at,
      changed,
      from,
      to,
    });
  }

  report(): Pick<DryRunReport, 'unchanged' | 'changes' | 'notListed' | 'kinds'> {
    const { unchanged, changes, notListed } = this;
    const kinds = [...this.kinds.values()].toSorted((a, b) => b.count - a.count);
    return { unchanged, changes, notListed, kinds };
  }
}

function subjectOf({ presented: [leaf], pskIdentity }: PeerTrace): string {
  if (leaf) return tryParseCertificate(leaf)?.subject.text ?? 'a certificate that cannot be read';
  return Buffer.from(pskIdentity ?? []).toString('latin1');
}
