/**
 * A device as a firmware engineer would build it on the client: kept state, a say in when it is provisioned, alarms, and its
 * resources for the owner in the local network.
 * Run it here, after `npm run build`, with the pinned Node: `node_modules/.bin/node examples/device-with-hooks.ts`.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDevelopmentPki, developmentSettings, SimulatedDevice, serveDevice, startService } from 'firstboot';

const pki = createDevelopmentPki();
const service = await startService(developmentSettings(pki));
const state = await mkdtemp(join(tmpdir(), 'device-'));

let busy = true;
const device = await SimulatedDevice.create({
  endpoint: service.endpoint,
  identity: pki.devices[0],
  state,
  // No cloud in this example.
  connect: false,
  beforeRun: (reason) => {
    console.log(`may provision (${reason})? ${busy ? 'in half a second' : 'now'}`);
    if (!busy) return 'apply';
    busy = false;
    return { reschedule: 500 };
  },
});
device.client.onAlarm((alarm, set) => console.log(`alarm ${alarm} ${set ? 'set' : 'cleared'}`));
device.client.onStatus(({ text }) => console.log(text));

const report = await device.provision();
console.log(`provisioned in ${report.roundTrips} round trips; owner ${device.client.state.owner}`);

const server = await serveDevice(device.client, { host: '127.0.0.1' });
console.log(`/oic/res at coap://127.0.0.1:${server.ports.coap}`);

await server.close();
await device.close();
await service.close();
await rm(state, { recursive: true });
