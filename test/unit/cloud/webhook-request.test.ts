import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { NetworkInterfaceInfo } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { publicLookup } from '../../../src/cloud/public-request.ts';
import { type Told, tellReceiver } from '../../../src/cloud/webhook-request.ts';
import { systemTimers } from '../../../src/core/clock.ts';
import { isPublicAddress } from '../../../src/transport/public-address.ts';

/** Webhooks of owners reach the public Internet, and nothing that this machine alone reaches. */

let server: Server;
let port: number;
let asked = 0;
beforeAll(async () => {
  server = createServer((_, response) => {
    asked++;
    response.writeHead(204).end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  ({ port } = server.address() as AddressInfo);
});
afterAll(() => {
  server.close();
});

const tell = (url: string, reachPrivate: boolean): Promise<Told> =>
  tellReceiver(
    { url, secret: 'AAAA' },
    { id: '1-1', at: 0, type: 'test', ownerId: undefined, data: {} },
    { timers: systemTimers, fetch, reachPrivate, stop: new AbortController().signal },
  );

describe('an address', () => {
  it.each(['8.8.8.8', '192.0.1.1', '172.32.0.1', '100.128.0.1', '223.255.255.255', '2606:4700::1111', '2a00::1'])(
    '%s is public',
    (address) => expect(isPublicAddress(address)).toBe(true),
  );

  it.each([
    '0.0.0.0',
    '10.1.2.3',
    '100.64.0.1',
    '127.0.0.1',
    '127.255.255.254',
    '168.63.129.16',
    '169.254.169.254',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '198.18.0.1',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::127.0.0.1',
    '::ffff:127.0.0.1',
    '::ffff:8.8.8.8',
    '64:ff9b::7f00:1',
    '2001::1',
    '2002:7f00:1::',
    'fc00::1',
    'fd12::1',
    'fe80::1',
    'ff02::1',
    'localhost',
    '',
  ])('%s is not', (address) => expect(isPublicAddress(address)).toBe(false));
});

it('an address that this machine has is none, however public it is for others', () => {
  const own = (address: string) => () => ({ eth0: [{ address } as NetworkInterfaceInfo] });
  for (const address of ['8.8.8.8', '2a00::1']) {
    expect(isPublicAddress(address, own(address))).toBe(false);
    expect(isPublicAddress(address, own('9.9.9.9'))).toBe(true);
  }
});

describe('a name', () => {
  const found = (addresses: readonly string[], all: boolean): Promise<unknown> =>
    new Promise((resolve) => {
      const answers = addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
      publicLookup((_, __, done) => done(null, answers))('a.example', { all }, (error, ...rest) =>
        resolve(error === null ? rest : error.message),
      );
    });

  it('leads to its public addresses alone', async () => {
    const mixed = ['127.0.0.1', '8.8.8.8', 'fd00::1', '2a00::1'];
    expect(await found(mixed, true)).toEqual([
      [
        { address: '8.8.8.8', family: 4 },
        { address: '2a00::1', family: 6 },
      ],
    ]);
    expect(await found(mixed, false)).toEqual(['8.8.8.8', 4]);
  });

  it('leads nowhere when it has none', async () => {
    for (const all of [true, false]) expect(await found(['127.0.0.1', '::1'], all)).toBe('no public address');
  });
});

describe('a webhook', () => {
  it('of the service reaches what this machine reaches', async () => {
    expect(await tell(`http://127.0.0.1:${port}/`, true)).toEqual({ kind: 'told' });
    expect(asked).toBe(1);
  });

  it('of an owner reaches nothing private, however it is written, and learns nothing of what is there', async () => {
    asked = 0;
    const hosts = ['127.0.0.1', 'localhost', '127.1', '0x7f.1', '2130706433', '0.0.0.0', '[::1]', '[::ffff:127.0.0.1]'];
    const urls = [
      ...hosts.map((host) => `http://${host}:${port}/`),
      'http://127.0.0.1:1/',
      `https://localhost:${port}/`,
    ];
    const told = await Promise.all(urls.map((url) => tell(url, false)));
    const error = 'no connection: it cannot be reached, or is not on the public Internet';
    expect(told).toEqual(urls.map(() => ({ kind: 'failed', error })));
    expect(asked).toBe(0);
  });
});
