import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemTimers } from '../../src/core/clock.ts';
import { systemRandom } from '../../src/core/random.ts';
import { createDeviceClient, type DeviceClient } from '../../src/device/client.ts';
import type { StepReport } from '../../src/device/report.ts';
import { createEndEntity } from '../../src/pki/end-entity.ts';
import { uuidSubject } from '../../src/pki/name.ts';
import { profiles } from '../../src/pki/profile.ts';
import type { Identity } from '../../src/secure/association.ts';
import { RawHub } from '../support/raw-hub.ts';
import { startTestService, type TestService } from '../support/service.ts';
import { until } from '../support/until.ts';

/** A device of the same cloud, under the same authority: its identity certificate is good for TLS servers, too. */
const neighbour = '11111111-2222-4333-8444-555555555555';

let test: TestService;
let impostor: RawHub;
let device: DeviceClient;
const steps: StepReport[] = [];

beforeEach(async () => {
  test = await startTestService();
  impostor = await RawHub.start(test.pki, test.service.issuerUrl, identityOf(neighbour));
  steps.length = 0;
  device = createDeviceClient({
    endpoints: [test.service.endpoint],
    manufacturer: test.device(),
    serviceCa: [test.pki.serviceCa.certificate.der],
    cloudChecks: 0,
  });
  device.onStep((report) => steps.push(report));
  await device.init();
});

afterEach(async () => {
  await device.shutdown();
  await impostor.close();
  await test.close();
});

function identityOf(uuid: string): Identity {
  const { issuing } = test.pki.authority;
  const { chain, privateKey } = createEndEntity({
    issuer: issuing,
    profile: profiles.identity,
    subject: uuidSubject(uuid),
    altNames: [],
    now: systemTimers.now(),
    random: systemRandom,
  });
  return { chain: [...chain, issuing.certificate.der], privateKey };
}

describe("a neighbour's identity certificate", () => {
  it('does not make a hub of whoever takes over its address: the device shows no token there', async () => {
    const [row] = await test.service.store.hubs.list();
    if (!row) throw new Error('the service has no hub');
    await test.service.store.hubs.put({ ...row, gateways: [impostor.uri] });
    await test.service.provisioner.policy.refresh();
    const warnings: string[] = [];
    const warn = (_: unknown, text: string) => warnings.push(text);
    device.setLog({ debug: () => undefined, info: () => undefined, warn, error: () => undefined });
    device.start();
    await until(() => warnings.some((text) => text.includes(`uuid:${neighbour}`)));
    expect(impostor.connections).toBeGreaterThan(0);
    expect(impostor.requests).toEqual([]);
    expect(steps.filter(({ step }) => step === 'sign-up')).toEqual([]);
    expect(device.online).toBe(false);
  });

  it('does not make a provisioning service of him: a provisioned device asks him nothing, not even the time', async () => {
    device.start();
    await until(() => device.status.text === 'provisioned');
    const before = device.state.owner;
    steps.length = 0;
    device.setEndpoints([{ uri: impostor.uri }]);
    await until(() => steps.length > 0);
    expect(steps[0]).toMatchObject({ step: 'time', result: 'failure', refusal: { code: 'device.handshake' } });
    expect(steps[0]?.refusal?.evidence.found).toContain(`uuid:${neighbour}`);
    expect(impostor.requests).toEqual([]);
    expect(device.state.owner).toBe(before);
  });
});
