/**
 * A device provisioned inside of a test: a development PKI, a service on free ports of loopback, a simulated device.
 * Run it here, after `npm run build`, with the pinned Node: `node_modules/.bin/node examples/provision-in-a-test.ts`.
 */
import assert from 'node:assert/strict';
import { createDevelopmentPki, developmentSettings, SimulatedDevice, startService, statusNames } from 'firstboot';

const pki = createDevelopmentPki({ devices: 1 });
const service = await startService(developmentSettings(pki));
const device = await SimulatedDevice.create({ endpoint: service.endpoint, identity: pki.devices[0] });

const report = await device.provision();
assert.deepEqual(statusNames(device.client.status.flags), ['initialized', 'hasCredentials', 'hasAcls', 'hasCloud']);
console.log(`${device.deviceId} provisioned in ${report.roundTrips} round trips`);

await device.close();
await service.close();
