import { failure } from '../core/errors.ts';
import type { Uuid } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import type { Store } from '../store/store.ts';
import { findDevice, findGroup, findHub } from './find.ts';
import { noDevices } from './groups.ts';
import type { CredentialView, DeviceView, GroupView, HubView } from './operations.ts';
import { normalSerial } from './selectors.ts';

/** One thing with what belongs to it, as it is shown. */

/** @throws FirstbootError operator.not-found, operator.ambiguous */
export async function viewGroup(store: Store, which: string): Promise<GroupView> {
  const group = await findGroup(store, which);
  const hubs = await Promise.all(group.hubs.map((id) => store.hubs.get(id)));
  const urls = group.attestation.x509?.crlUrls ?? [];
  return {
    group,
    devices: await devicesOf(store, group.id),
    hubs: hubs.flatMap((hub) => (hub ? [{ id: hub.id, name: hub.name }] : [])),
    lists: (await store.crls.list()).filter(({ url }) => urls.includes(url)),
  };
}

/** @throws FirstbootError operator.not-found, operator.ambiguous */
export async function viewHub(store: Store, which: string): Promise<HubView> {
  const hub = await findHub(store, which);
  const users = (await store.groups.list()).filter(({ hubs }) => hubs.includes(hub.id));
  return { hub, groups: users.map(({ id, name }) => ({ id, name })) };
}

/** @throws FirstbootError operator.not-found, operator.ambiguous, operator.input */
export async function viewDevice(store: Store, which: string): Promise<DeviceView> {
  const device = await findDevice(store, which);
  const group = await store.groups.get(device.groupId);
  const hub = device.hubId === undefined ? undefined : await store.hubs.get(device.hubId);
  return {
    device,
    group: group && { id: group.id, name: group.name },
    hub: hub && { id: hub.id, name: hub.name },
    owner: device.assignedOwner ?? group?.owner,
    credentials: await store.credentials(device.keyId),
    attempts: await store.attempts({ keyId: device.keyId, limit: limits.operator.shownAttempts }),
  };
}

/** @throws FirstbootError operator.not-found */
export async function viewCredential(store: Store, serial: string): Promise<CredentialView> {
  const credential = await store.credential(normalSerial(serial) ?? serial);
  if (!credential) {
    const evidence = { serial: serial.slice(0, limits.policy.text) };
    throw failure('operator.not-found', evidence, '`firstboot credential list` shows those that are known');
  }
  const device = await store.device(credential.keyId);
  const group = await store.groups.get(credential.groupId);
  return {
    credential,
    manufacturer: device?.manufacturer.subject,
    group: group && { id: group.id, name: group.name },
  };
}

async function devicesOf(store: Store, groupId: Uuid): Promise<GroupView['devices']> {
  const devices = noDevices();
  for (const row of await store.deviceCounts()) if (row.groupId === groupId) devices[row.state] += row.count;
  return devices;
}
