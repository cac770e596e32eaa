import { afterEach, describe, expect, test } from 'vitest';
import type { IncomingResponse, OutgoingRequest } from '../../../src/coap/endpoint.ts';
import { type CborMap, decodeCbor, encodeCbor } from '../../../src/codec/cbor.ts';
import { minutes, seconds } from '../../../src/core/clock.ts';
import { createDeviceClient, type DeviceClient } from '../../../src/device/client.ts';
import { perfectLink } from '../../../src/fleet/link.ts';
import { type SimulatedSite, type SimulatedSiteOptions, startSimulatedSite } from '../../../src/simulation.ts';
import type { Session, SessionOwner } from '../../../src/transport/session.ts';
import { lab, type Scheme, schemes } from '../../support/booting.ts';

// What plgd's tests do to a device through the session that it has opened to its hub: behaviours 16, 18, 23 and 33 of
// docs/behaviours.md. Who may do what, and those who come to the device itself, are in test/scenario/device-server.test.ts.

let site: SimulatedSite;
let hub: Hub;
afterEach(() => site.close());

/** The hub's end of the last session that was opened to its gateway. */
class Hub {
  session: Session | undefined;
  private readonly answers = new Map<number, IncomingResponse>();

  readonly meddle =
    (owner: SessionOwner): SessionOwner =>
    (session) => {
      const receive = owner(session);
      this.session = session;
      this.answers.clear();
      return (event, now) => {
        if (event.type === 'response') this.answers.set(event.id, event.response);
        return receive(event, now);
      };
    };

  async ask(request: OutgoingRequest): Promise<{ readonly code: number; readonly body: CborMap } | undefined> {
    const id = this.session?.request(request);
    if (id === undefined) return undefined;
    await site.run(() => this.answers.has(id), site.timers.now() + seconds(20));
    const answer = this.answers.get(id);
    if (!answer) return undefined;
    const { code, payload } = answer;
    return { code, body: code === 205 ? (decodeCbor(payload) as CborMap) : {} };
  }

  get = (path: string) => this.ask({ method: 'GET', path: path.split('/').slice(1), accept: 10000 });

  post = (path: string, body: CborMap) =>
    this.ask({
      method: 'POST',
      path: path.split('/').slice(1),
      accept: 10000,
      contentFormat: 10000,
      payload: encodeCbor(body),
    });
}

/** A device that is online at the hub. */
async function online(scheme: Scheme, options: Partial<SimulatedSiteOptions> = {}): Promise<DeviceClient> {
  hub = new Hub();
  site = await startSimulatedSite({ seed: 1, step: 0, meddleGateway: hub.meddle, ...options });
  const { timers, random } = site;
  const { network } = site.connect({ timers, random, faults: perfectLink });
  const [manufacturer] = site.pki.devices;
  const device = createDeviceClient({
    ...lab,
    endpoints: [`${scheme}://service`],
    manufacturer,
    network,
    serviceCa: manufacturer.serviceCa,
    timers,
    random,
  });
  await device.init();
  device.start();
  expect(await until(() => device.online)).toBe(true);
  return device;
}

const until = (done: () => boolean): Promise<boolean> => site.run(done, site.timers.now() + minutes(1));

describe.each(schemes)('over %s', (scheme) => {
  test('23 the hub forces a run: offline, and online again with the same device id', async () => {
    const device = await online(scheme);
    const { deviceId } = device.state;
    const steps: string[] = [];
    device.onStep(({ step, result }) => steps.push(`${step} ${result}`));
    expect((await hub.post('/plgd/dps', { forceReprovision: true }))?.code).toBe(204);
    expect(device.online).toBe(false);
    expect(await until(() => device.online)).toBe(true);
    expect(device.state.deviceId).toBe(deviceId);
    const run = ['time', 'ownership', 'cloud', 'credentials', 'acls'].map((step) => `${step} done`);
    expect(steps.slice(0, 6)).toEqual([...run, 'sign-in done']);
  });

  test('18 the hub names another service, and the device makes its whole run there', async () => {
    const device = await online(scheme);
    const steps: string[] = [];
    device.onStep(({ step, result }) => steps.push(`${step} ${result}`));
    // It is the same service, spelled with its port.
    const endpoint = `${scheme}://service:5684`;
    expect((await hub.post('/plgd/dps', { endpoint, endpointName: 'two' }))?.code).toBe(204);
    expect(await until(() => device.online)).toBe(true);
    expect(device.endpoints).toEqual([{ uri: endpoint, name: 'two' }]);
    expect(steps.slice(0, 5)).toEqual(
      ['time', 'ownership', 'cloud', 'credentials', 'acls'].map((step) => `${step} done`),
    );
    expect(await hub.get('/plgd/dps')).toMatchObject({ code: 205, body: { endpoint, endpointName: 'two' } });
  });

  test('16 an empty endpoint resets the device: signed off, uninitialized, and free to be provisioned again', async () => {
    const device = await online(scheme);
    const { deviceId } = device.state;
    expect((await hub.post('/plgd/dps', { endpoint: '' }))?.code).toBe(204);
    expect(await until(() => device.status.text === 'uninitialized')).toBe(true);
    expect(device.state.deviceId).not.toBe(deviceId);
    expect(device.state).not.toHaveProperty('owner');
    expect(await until(() => site.gateways[0]?.[0]?.devices.length === 0)).toBe(true);

    device.setEndpoints([{ uri: `${scheme}://service` }]);
    device.start();
    expect(await until(() => device.online)).toBe(true);
    const [record] = await site.store.devices({ limit: 10 });
    expect(record).toMatchObject({ deviceId: device.state.deviceId, generation: 2 });
  });

  test('33 the hub sees "renew credentials" in the device while it renews, then "provisioned", on one session', async () => {
    let asked = 0;
    const device = await online(scheme, {
      identityLife: seconds(20),
      meddle: (owner) => (session) => {
        const receive = owner(session);
        return (event, now) => {
          const renewal = event.type === 'request' && event.request.path.at(-1) === 'credentials' && asked++ > 0;
          if (!renewal) return receive(event, now);
          site.timers.schedule(now + seconds(3), () => receive(event, site.timers.now()));
          return undefined;
        };
      },
    });
    const { session } = hub;
    const word = async () => (await hub.get('/plgd/dps'))?.body.provisionStatus;
    expect(await word()).toBe('provisioned');
    expect(await until(() => asked === 2)).toBe(true);
    expect(await word()).toBe('renew credentials');
    expect(await until(() => device.status.text === 'provisioned')).toBe(true);
    expect(await word()).toBe('provisioned');
    expect(hub.session).toBe(session);
  });
});
