import type { Millis } from '../core/clock.ts';
import { type Decision, failure, refused } from '../core/errors.ts';
import { parseUuid, type Uuid } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import type { Device } from '../store/model.ts';
import type { Store } from '../store/store.ts';
import type { Recorder } from './attempt.ts';
import { confirm, superseded } from './confirm.ts';
import type { EntryListener } from './ports.ts';

/**
 * Stage confirm with its effects: the confirmation, and the end of what earlier generations held, in one write.
 * @param text the device id as it was named.
 * @throws FirstbootError service.store, service.busy
 */
export async function confirmDevice(
  { store, onEntry }: { readonly store: Store; readonly onEntry?: EntryListener },
  recorder: Recorder,
  text: string,
  now: Millis,
): Promise<Decision<Device>> {
  const deviceId = parseUuid(text);
  if (deviceId === undefined) {
    return refused('bind.device-id-missing', { given: text.slice(0, 64) }, 'name the device by its OCF device id');
  }
  const keyId = await store.ownerOfDeviceId(deviceId);
  const confirmed = await writeConfirmation(store, keyId, deviceId, now);
  if (!confirmed.ok || keyId === undefined) return confirmed;
  const entry = { at: now, type: 'stage', stage: 'confirm', result: 'ok', facts: { deviceId } } as const;
  const open = recorder.ofKey(keyId);
  if (open) recorder.note(open, entry, confirmed.value);
  else {
    // The run is over and its record closed; listeners hear of the arrival all the same.
    const [latest] = onEntry ? await store.attempts({ keyId, limit: 1 }) : [];
    if (latest) onEntry?.(latest.id, entry, confirmed.value);
  }
  return confirmed;
}

/** Decides again when somebody else has changed the record: a credential that came meanwhile is seen then. */
async function writeConfirmation(
  store: Store,
  keyId: Uuid | undefined,
  deviceId: Uuid,
  now: Millis,
): Promise<Decision<Device>> {
  for (let tries = 0; tries < limits.provision.writeConflicts; tries++) {
    const device = keyId === undefined ? undefined : await store.device(keyId);
    const decision = confirm(device, deviceId, now);
    if (!decision.ok || device === undefined) return decision;
    const confirmed = { ...decision.value, updatedAt: now };
    const ended = device.generation > 1 ? superseded(device, await store.credentials(device.keyId), now) : [];
    if (ended.length === 0) {
      if (decision.value === device) return decision;
      const value = await store.putDevice(confirmed);
      if (value) return { ok: true, value };
      continue;
    }
    const actor = { kind: 'service', name: 'firstboot', from: 'confirm' } as const;
    const detail = { deviceId, generation: device.generation, superseded: ended.map(({ serial }) => serial) };
    const audit = { at: now, actor, action: 'device.confirm', target: `device ${device.keyId}`, detail };
    if (await store.commit({ devices: [confirmed], credentials: ended, audit })) {
      return { ok: true, value: { ...confirmed, revision: confirmed.revision + 1 } };
    }
  }
  throw failure('service.busy', { deviceId }, 'the record of the device keeps changing: confirm again');
}
