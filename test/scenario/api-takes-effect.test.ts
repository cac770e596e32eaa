import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { encodeCertificates } from '../../src/codec/pem.ts';
import { minutes } from '../../src/core/clock.ts';
import { developmentHub, developmentSettings } from '../../src/development.ts';
import { SimulatedDevice } from '../../src/device/simulator.ts';
import { type Service, startService } from '../../src/main.ts';
import { createDevelopmentPki, type DevelopmentPki } from '../../src/pki/development.ts';
import { type ApiClient, apiClient } from '../support/api.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { until } from '../support/until.ts';

/** What is written over the API counts for the next device that comes, without a reload. */

const undo: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

test('a group that is made, disabled, enabled and deleted over the API lets devices in, or not, at once', async () => {
  const { service, pki, api } = await start();
  expect(await comes(service, pki, 0)).toBe('attest.unknown-issuer');

  const anchors = [encodeCertificates([pki.manufacturer.root.certificate.der])];
  const intermediates = [encodeCertificates([pki.manufacturer.intermediate.certificate.der])];
  const made = await api.post('/groups', {
    name: 'line 1',
    owner: 'acme',
    anchors,
    intermediates,
    hubs: [developmentHub.id],
  });
  expect(made.status, made.text).toBe(201);
  expect(await comes(service, pki, 0)).toBe('provisioned');

  expect((await api.post('/groups/line%201/disable')).status).toBe(200);
  expect(await comes(service, pki, 1)).toBe('admit.group-disabled');
  expect((await api.post('/groups/line%201/enable')).status).toBe(200);
  expect(await comes(service, pki, 1)).toBe('provisioned');

  expect((await api.del('/groups/line%201?force=true')).status).toBe(200);
  expect(await comes(service, pki, 2)).toBe('attest.unknown-issuer');
});

async function start(): Promise<{ service: Service; pki: DevelopmentPki; api: ApiClient }> {
  const folder = await temporaryFolder();
  undo.push(folder.remove);
  const pki = createDevelopmentPki({ devices: 3, hubId: developmentHub.id, now: Date.now() });
  const service = await startService({
    ...developmentSettings(pki),
    groups: [],
    data: join(folder.path, 'data'),
    api: { host: '127.0.0.1', port: 0 },
  });
  undo.push(() => service.close());
  const { apiUrl = '', adminToken } = service;
  return { service, pki, api: apiClient(apiUrl, { authorization: `Bearer ${adminToken}` }) };
}

/** Lets a device come once. @returns the verdict on it, or why it was refused */
async function comes(service: Service, pki: DevelopmentPki, at: number): Promise<string> {
  const made = pki.devices[at];
  if (!made) throw new Error(`the PKI has no device ${at}`);
  const identity = { chain: made.chain, privateKey: made.privateKey, serviceCa: [pki.serviceCa.certificate.der] };
  const [before] = await service.store.attempts({ limit: 1 });
  const device = await SimulatedDevice.create({ endpoint: service.endpoints.tcp ?? '', identity, timeout: minutes(2) });
  const close = () => device.close();
  // One that is refused would try again until its time is up.
  void device.provision().then(close, close);
  try {
    let ended: string | undefined;
    await until(async () => {
      await service.provisioner.sweep(Date.now());
      const [last] = await service.store.attempts({ limit: 1 });
      if (last && last.id !== before?.id) ended = last.verdict && (last.refusal?.code ?? last.verdict);
      return ended !== undefined;
    });
    return ended ?? '';
  } finally {
    await close();
  }
}
