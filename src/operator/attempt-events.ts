import { isoTime } from '../core/clock.ts';
import { type Uuid, uuidV7Time } from '../core/ids.ts';
import type { JsonObject } from '../core/json.ts';
import type { AttemptEntry, Device } from '../store/model.ts';
import { ownerIdOf } from '../store/store.ts';

/** An event without its number. */
export interface EventDraft {
  readonly type: string;
  readonly ownerId: Uuid | undefined;
  readonly data: JsonObject;
}

/**
 * What one entry of an attempt has to say to live views and webhooks: nothing, one thing, or a device's news too.
 * @param shown subject of the certificate that the peer has presented, believed or not
 */
export function eventsOfEntry(
  attempt: Uuid,
  entry: AttemptEntry,
  device: Device | undefined,
  shown?: string,
): readonly EventDraft[] {
  const owned = ownerOfDevice(device);
  switch (entry.type) {
    case 'opened': {
      const { transport, peer } = entry;
      return [{ type: 'attempt.opened', ownerId: owned, data: { attempt, transport, peer } }];
    }
    case 'stage': {
      const { stage, result, facts, refusal } = entry;
      const ownerId = owned ?? textOf(facts.ownerId);
      const data = { attempt, stage, result, ...(refusal && { code: refusal.code }), ...who(device, facts, shown) };
      return [{ type: 'attempt.stage', ownerId, data }, ...newsOfDevice(entry, device)];
    }
    case 'alarm': {
      if (device === undefined) return [];
      const { kind, evidence } = entry;
      return [{ type: 'device.alarm', ownerId: owned, data: { ...who(device), attempt, kind, evidence } }];
    }
    case 'closed': {
      const { verdict, refusal, groupId, ownerId } = entry;
      const data = {
        attempt,
        verdict,
        ...(refusal && { code: refusal.code }),
        ...who(device, { ...(groupId !== undefined && { groupId }) }, shown),
        ...(device && device.generation > 0 && { generation: device.generation }),
        ms: Math.max(0, entry.at - uuidV7Time(attempt)),
      };
      return [{ type: 'attempt.closed', ownerId: owned ?? ownerId, data }];
    }
    default:
      return [];
  }
}

/** The owner whose programs are told of a device; a transfer counts at once. */
export const ownerOfDevice = (device: Device | undefined): Uuid | undefined => device && ownerIdOf(device);

/** A device that begins to wait, or whose first generation has got its first credential, does so in the decision on record. */
function newsOfDevice(
  entry: AttemptEntry & { readonly type: 'stage' },
  device: Device | undefined,
): readonly EventDraft[] {
  if (device === undefined) return [];
  const { at, stage, result, refusal } = entry;
  const news = (type: string): EventDraft[] => [{ type, ownerId: ownerOfDevice(device), data: who(device) }];
  if (refusal?.code === 'admit.pending') return device.stateSince === at ? news('device.pending') : [];
  if (stage !== 'issue' || result !== 'ok' || device.generation !== 1) return [];
  const first = device.lineage.findLast(({ event }) => event === 'generation');
  return first?.facts.provisionedAt === isoTime(at) ? news('device.enrolled') : [];
}

/** A refusal's facts may be about another certificate of the chain than the peer's own. */
function who(
  device: Device | undefined,
  facts: Readonly<Record<string, unknown>> = {},
  shown: string | undefined = undefined,
): JsonObject {
  const keyId = device?.keyId ?? textOf(facts.keyId);
  const subject = device?.manufacturer.subject ?? shown ?? textOf(facts.subject);
  const groupId = device?.groupId ?? textOf(facts.groupId);
  return {
    ...(keyId !== undefined && { keyId }),
    ...(device?.deviceId !== undefined && { deviceId: device.deviceId }),
    ...(subject !== undefined && { subject }),
    ...(groupId !== undefined && { groupId }),
  };
}

const textOf = (fact: unknown): string | undefined => (typeof fact === 'string' ? fact : undefined);
