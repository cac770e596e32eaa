import type { Millis } from '../core/clock.ts';
import type { Evidence } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { DeviceAlarm, EnrollmentGroup } from '../store/model.ts';
import type { Store } from '../store/store.ts';
import type { DeviceRecord } from './device-record.ts';
import { quarantined } from './lifecycle.ts';
import { alarmed } from './lineage.ts';
import type { SessionRecord } from './session-record.ts';

export interface AlarmDeps {
  readonly store: Store;
  readonly log: Log;
}

/**
 * One manufacturer key seems to be in two devices: the attempt, the record of the device and the log say so; if its group wants
 * that, the device is quarantined and its certificates are on hold, in one write.
 * @throws FirstbootError service.store, service.busy
 */
export async function raiseAlarm(
  { store, log }: AlarmDeps,
  record: SessionRecord,
  device: DeviceRecord,
  group: EnrollmentGroup,
  { kind, evidence }: { readonly kind: DeviceAlarm['kind']; readonly evidence: Evidence },
  now: Millis,
): Promise<void> {
  const { keyId } = device.present;
  const alarm: DeviceAlarm = { at: now, kind, evidence };
  record.note({ at: now, type: 'alarm', kind, evidence });
  const { attemptId } = record;
  const facts = { attemptId, keyId, kind, ...evidence, group: group.name, answer: group.clones };
  log.warn(facts, 'a manufacturer key may be cloned');
  // One return alone may be a power cut: the device came with its new id before it had stored it, and woke up with the old one.
  const certain = kind === 'two-places' || Number(evidence.returns) > 1;
  if (group.clones === 'alarm' || !certain || device.present.state !== 'active') {
    record.device = device.change((present) => alarmed(present, alarm));
    return;
  }
  record.device = await device.commit(async (present) => {
    const change = quarantined(alarmed(present, alarm), await store.credentials(keyId), reasons[kind], now);
    const actor = { kind: 'service', name: 'firstboot', from: 'clone detection' } as const;
    const detail = { alarm: kind, ...evidence, onHold: change.credentials.map(({ serial }) => serial) };
    return { ...change, audit: { at: now, actor, action: 'device.quarantine', target: `device ${keyId}`, detail } };
  }, now);
}

const reasons: Readonly<Record<DeviceAlarm['kind'], string>> = {
  'two-places': 'its manufacturer key was used at two hosts at a time',
  'ids-in-turns': 'its manufacturer key came back to a device id that it had left',
};
