import type { Millis } from '../core/clock.ts';
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
      return [{ type: 'attempt.stage', ownerId, data }, ...newsOfDevice(attempt, entry, device)];
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
const ownerOfDevice = (device: Device | undefined): Uuid | undefined => device && ownerIdOf(device);

/** What a device's record says has happened to it, with when: the same as was told then. */
export function newsOnRecord(device: Device, attempt: Uuid): readonly (EventDraft & { readonly at: Millis })[] {
  const news = (type: string, at: Millis, more: JsonObject = {}) => ({
    type,
    at,
    ownerId: ownerOfDevice(device),
    data: { ...who(device), ...more },
  });
  const first = device.lineage.findLast(({ event }) => event === 'generation')?.facts.provisionedAt;
  return [
    ...(device.state === 'pending' ? [news('device.pending', device.stateSince)] : []),
    ...(device.generation === 1 && typeof first === 'string' ? [news('device.enrolled', Date.parse(first))] : []),
    ...device.alarms.map(({ at, kind, evidence }) => news('device.alarm', at, { attempt, kind, evidence })),
  ];
}

/** A device that begins to wait, or whose first generation has got its first credential, does so in the decision on record. */
function newsOfDevice(
  attempt: Uuid,
  { at, stage, result, refusal }: AttemptEntry & { readonly type: 'stage' },
  device: Device | undefined,
): readonly EventDraft[] {
  const begins = refusal?.code === 'admit.pending' ? 'device.pending' : undefined;
  const news = stage === 'issue' && result === 'ok' ? 'device.enrolled' : begins;
  const recorded = device === undefined || news === undefined ? [] : newsOnRecord(device, attempt);
  return recorded.filter((one) => one.type === news && one.at === at);
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
