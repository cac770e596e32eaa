import { writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { createAllocationWebhook } from '../../../src/cloud/allocation-webhook.ts';
import { minutes, systemTimers } from '../../../src/core/clock.ts';
import { FirstbootError } from '../../../src/core/errors.ts';
import { limits } from '../../../src/core/limits.ts';
import type { Device, EnrollmentGroup, HubAllocation } from '../../../src/store/model.ts';
import { someDevice, someGroup, someUuid } from '../../support/store-records.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let server: Server;
let url: string;
let answer: (request: IncomingMessage, response: ServerResponse, body: string) => void;
const asked: { readonly authorization: string | undefined; readonly body: unknown }[] = [];

beforeAll(async () => {
  folder = await temporaryFolder();
  server = createServer((request, response) => {
    let body = '';
    request.on('data', (part: Buffer) => {
      body += part.toString();
    });
    request.on('end', () => {
      asked.push({ authorization: request.headers.authorization, body: JSON.parse(body) });
      answer(request, response, body);
    });
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hub`;
});

afterEach(() => {
  asked.length = 0;
});

afterAll(async () => {
  server.closeAllConnections();
  await new Promise((closed) => server.close(closed));
  await folder.remove();
});

const hub = someUuid(7);
const device: Device = someDevice(1, {
  deviceId: someUuid(2),
  manufacturer: { subject: 'CN=lamp', serial: '1f', certificate: undefined },
});
const groupWith = (changes: Partial<Extract<HubAllocation, { type: 'webhook' }>> = {}): EnrollmentGroup =>
  someGroup(3, {
    hubs: [hub],
    allocation: { type: 'webhook', url, timeout: minutes(1), secretFile: undefined, ...changes },
  });
const source = createAllocationWebhook({ timers: systemTimers });
const says = (status: number, text: string) => (_: IncomingMessage, response: ServerResponse) => {
  response.writeHead(status, { 'content-type': 'application/json' }).end(text);
};
const refusal = async (group: EnrollmentGroup): Promise<string> => {
  try {
    return `hub ${await source.hubFor({ group, device }, Date.now())}`;
  } catch (error) {
    if (!(error instanceof FirstbootError)) throw error;
    const { reason, status, answer: said, file } = error.evidence;
    return `${error.code} ${reason ?? status ?? said ?? (file === undefined ? '' : 'file')}`;
  }
};

test('it is told who asks and where it may go, with the secret, and its answer is the hub', async () => {
  answer = says(200, JSON.stringify({ hub: hub.toUpperCase() }));
  const secretFile = join(folder.path, 'secret');
  await writeFile(secretFile, 's3cret\n');
  const group = groupWith({ secretFile });
  expect(await source.hubFor({ group, device }, Date.now())).toBe(hub);
  expect(asked).toEqual([
    {
      authorization: 'Bearer s3cret',
      body: {
        device: { keyId: device.keyId, deviceId: device.deviceId, subject: 'CN=lamp', serial: '1f' },
        group: { id: group.id, name: group.name },
        hubs: [hub],
      },
    },
  ]);
});

test.each([
  ['another status', says(500, '{}'), 'configure.allocation 500'],
  ['a redirect', says(302, ''), 'configure.allocation redirect'],
  ['no JSON', says(200, 'hub'), 'configure.allocation no JSON'],
  [
    'no UTF-8',
    (_: IncomingMessage, response: ServerResponse) => response.end(Buffer.of(0xff)),
    'configure.allocation no JSON',
  ],
  ['no hub', says(200, '{"hub": 5}'), 'configure.allocation no hub id'],
  ['a list', says(200, '[]'), 'configure.allocation no hub id'],
  ['null', says(200, 'null'), 'configure.allocation no hub id'],
  ['too much', says(200, ' '.repeat(limits.cloud.allocationBytes + 1)), 'configure.allocation too-large'],
] as const)('%s makes the device come again', async (_, behaviour, code) => {
  answer = behaviour;
  expect(await refusal(groupWith())).toBe(code);
});

test('no answer in time makes the device come again', async () => {
  answer = () => undefined;
  expect(await refusal(groupWith({ timeout: 200 }))).toBe('configure.allocation timeout');
});

test('nobody there, or no secret in the file, makes the device come again', async () => {
  expect(await refusal(groupWith({ url: 'http://127.0.0.1:1/' }))).toBe('configure.allocation unreachable');
  expect(await refusal(groupWith({ secretFile: join(folder.path, 'none') }))).toBe('configure.allocation file');
  const empty = join(folder.path, 'empty');
  await writeFile(empty, '\n');
  expect(await refusal(groupWith({ secretFile: empty }))).toBe('configure.allocation file');
  expect(asked).toEqual([]);
});

test('more questions than it may have at a time are answered busy', async () => {
  const open: ServerResponse[] = [];
  answer = (_, response) => {
    open.push(response);
    if (open.length === limits.cloud.allocationsInFlight) for (const each of open) each.end(JSON.stringify({ hub }));
  };
  const questions = Array.from({ length: limits.cloud.allocationsInFlight }, () => refusal(groupWith()));
  expect(await refusal(groupWith())).toBe('service.busy ');
  expect(new Set(await Promise.all(questions))).toEqual(new Set([`hub ${hub}`]));
});
