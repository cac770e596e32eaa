import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Log } from '../../src/core/log.ts';
import { createDevelopmentPki } from '../../src/development.ts';
import { createLog } from '../../src/ops/log.ts';
import { startConfiguredService } from '../support/configured-service.ts';
import { askDatagram, deviceRequest, paths } from '../support/raw-coap.ts';
import { RawSession } from '../support/raw-session.ts';

/** What the service logs at its most talkative, as it would stand in a file. */
function collectingLog(): { readonly log: Log; readonly lines: () => readonly Line[]; readonly text: () => string } {
  let written = '';
  const log = createLog('debug', {
    write: (line: string) => {
      written += line;
    },
  });
  return {
    log,
    text: () => written,
    lines: () =>
      written
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Line),
  };
}

type Line = Readonly<Record<string, unknown>> & { readonly msg: string };

it('every line about an attempt names it, each attempt has one line at its end, and no secret is in any', async () => {
  const { log, lines, text } = collectingLog();
  const ownerPsk = '6f'.repeat(16);
  const psk = '7a'.repeat(16);
  const running = await startConfiguredService({
    log,
    groupMore: `ownerPsk: '${ownerPsk}', psk: [{ identity: thermostat, key: '${psk}' }]`,
  });
  const { service, folder, pki } = running;
  const portOf = (endpoint: string | undefined): number => Number(/:(\d+)$/.exec(endpoint ?? '')?.[1]);
  const port = portOf(service.endpoints.udp);
  const secrets = new Map<string, string>();
  const tokens: string[] = [];

  // A good one over each transport.
  for (const [index, transport] of [[0, 'udp'] as const, [1, 'tcp'] as const]) {
    const device = await running.device(index, transport);
    await device.provision();
    await device.close();
  }
  // A stranger, one with garbage for a request, one with the wrong pre-shared key.
  const strangers = createDevelopmentPki({ devices: 1 });
  const [stranger] = strangers.devices;
  if (!stranger) throw new Error('a stranger is needed');
  const strange = await RawSession.open({ transport: 'udp', port, identity: stranger });
  await strange.ended().catch(() => undefined);
  strange.cut();
  const [, , third] = pki.devices;
  if (!third) throw new Error('a third device is needed');
  const rude = await (await RawSession.open({ transport: 'udp', port, identity: third })).established();
  await askDatagram(rude, deviceRequest(paths.credentials, new Uint8Array([0xff, 0x00])));
  rude.close();
  const wrong = { identity: new TextEncoder().encode('thermostat'), key: new Uint8Array(16) };
  const guess = await RawSession.open({ transport: 'tcp', port: portOf(service.endpoints.tcp), psk: wrong });
  await guess.ended().catch(() => undefined);
  guess.cut();
  // The API: signed in with a cookie, and refused.
  const signedIn = await fetch(`${service.apiUrl}/api/v1/session`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'sec-fetch-site': 'same-origin' },
    body: JSON.stringify({ token: service.adminToken }),
  });
  tokens.push(service.adminToken ?? '', signedIn.headers.get('set-cookie')?.split(/[=;]/)[1] ?? '');
  await fetch(`${service.apiUrl}/api/v1/devices`, { headers: { authorization: 'Bearer fb_wrong_token' } });
  await running.get('/api/v1/devices');
  await service.provisioner.sweep(Date.now());
  await service.close();

  const all = lines();
  const about = all.filter(({ attemptId, keyId, stage, peer }) => attemptId ?? keyId ?? stage ?? peer);
  expect(about.length).toBeGreaterThan(20);
  for (const line of about) expect(line).toMatchObject({ attemptId: expect.stringMatching(/^[0-9a-f-]{36}$/) });
  const ended = all.filter(({ msg }) => msg === 'an attempt ended');
  expect(ended.filter(({ verdict }) => verdict === 'provisioned')).toHaveLength(2);
  expect(ended.filter(({ code }) => code !== undefined).length).toBeGreaterThanOrEqual(2);
  expect(new Set(ended.map(({ attemptId }) => attemptId)).size).toBe(ended.length);
  for (const line of ended)
    expect(line).toMatchObject({ ms: expect.any(Number), verdict: expect.any(String), level: 30 });

  for (const file of await pemsIn(folder)) {
    for (const [, body = ''] of (await readFile(file, 'utf8')).matchAll(/PRIVATE KEY-----\n([^-]+)-----END/g)) {
      secrets.set(file, body.replaceAll('\n', ''));
    }
  }
  expect(secrets.size).toBeGreaterThan(5);
  const bytes = [...secrets.values()].map((base64) => Buffer.from(base64, 'base64'));
  const keys = [...bytes, Buffer.from(ownerPsk, 'hex'), Buffer.from(psk, 'hex')];
  const forms = keys.flatMap((key) => [
    key.toString('hex'),
    key.toString('base64'),
    key.toString('base64url'),
    key.toString('base64').slice(40, 80),
  ]);
  const logged = text().toLowerCase();
  for (const form of [...forms.filter((one) => one.length > 16), ...tokens, 'PRIVATE KEY', 'eyJ']) {
    expect(form.length).toBeGreaterThan(2);
    expect(logged.includes(form.toLowerCase()), `a secret is in the log: ${form.slice(0, 12)}…`).toBe(false);
  }
  await running.close();
});

async function pemsIn(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder, { recursive: true });
  return names.filter((name) => name.endsWith('.pem')).map((name) => join(folder, name));
}
