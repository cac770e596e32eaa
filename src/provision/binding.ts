import type { Millis } from '../core/clock.ts';
import { type Decision, decided, refused } from '../core/errors.ts';
import type { Uuid } from '../core/ids.ts';
import type { Device } from '../store/model.ts';
import type { Store } from '../store/store.ts';
import { type Binding, type BindRules, bind, settleClaim } from './bind.ts';
import { hasLeft, returnsOf } from './lineage.ts';

/** What the device id of a request comes to. `returns`: how often the key has come back to an id that it had left; 0: not now. */
export interface Claimed extends Binding {
  readonly returns: number;
}

/**
 * Stage bind with its look-ups: judges the device id, and claims it when it is a new one.
 * @param configured the device id of this session's cloud step.
 * @throws FirstbootError service.store
 */
export async function claimId(
  store: Pick<Store, 'claimDeviceId' | 'credentials'>,
  device: Device,
  text: string,
  rules: BindRules & { readonly configured: Uuid | undefined },
  now: Millis,
): Promise<Decision<Claimed>> {
  const binding = bind(device, text, rules, now);
  if (!binding.ok) return binding;
  const { kind, deviceId } = binding.value;
  const { configured } = rules;
  if (configured !== undefined && configured !== deviceId) {
    return refused('request.out-of-order', { deviceId, configured }, 'name one device id in all requests of a session');
  }
  if (kind === 'same') return decided({ ...binding.value, returns: 0 });
  const settled = settleClaim(device, deviceId, await store.claimDeviceId(deviceId, device.keyId));
  if (!settled.ok) return settled;
  const returned = kind === 'reset' && hasLeft(device, await store.credentials(device.keyId), deviceId);
  return decided({ ...binding.value, returns: returned ? Math.max(1, returnsOf(device, deviceId)) : 0 });
}
