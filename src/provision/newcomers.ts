import type { Millis } from '../core/clock.ts';
import type { Uuid } from '../core/ids.ts';
import { limits } from '../core/limits.ts';

/**
 * The pace at which a group takes devices that nobody knows by a key that many share: one stolen key can name endless
 * identities, and each would leave a record. A burst at once, then one more each interval; begins anew with the process.
 */
export class Newcomers {
  /** When the group would have taken all that it has taken at its pace. */
  private readonly paidUntil = new Map<Uuid, Millis>();

  /** Whether the group may take one more now; counts it if so. */
  take(groupId: Uuid, now: Millis): boolean {
    const { newcomerBurst, newcomerInterval } = limits.provision;
    const from = Math.max(this.paidUntil.get(groupId) ?? now, now);
    if (from - now > (newcomerBurst - 1) * newcomerInterval) return false;
    this.paidUntil.set(groupId, from + newcomerInterval);
    return true;
  }

  /** Forgets the groups that are no more. */
  keepOnly(groups: ReadonlyMap<Uuid, unknown>): void {
    for (const groupId of this.paidUntil.keys()) if (!groups.has(groupId)) this.paidUntil.delete(groupId);
  }
}
