import type { RecordedCredential, RecordedDevice, ServiceRecords } from '../fleet/site.ts';
import type { Store } from '../store/store.ts';

/** Everything that a service has on its record of devices and their credentials. */
export async function recordsOf(store: Store): Promise<ServiceRecords> {
  const devices: RecordedDevice[] = [];
  const credentials: RecordedCredential[] = [];
  for (let page = await store.devices({ limit: pageSize }); page.length > 0; ) {
    for (const { keyId, deviceId, generation } of page) {
      devices.push({ keyId, deviceId, generation });
      for (const { serial, deviceId, generation, notAfter } of await store.credentials(keyId))
        credentials.push({ serial, keyId, deviceId, generation, notAfter });
    }
    const last = page.at(-1);
    page = last ? await store.devices({ limit: pageSize, after: last.keyId }) : [];
  }
  return { devices, credentials };
}

const pageSize = 200;
