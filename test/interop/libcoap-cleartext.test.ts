import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { uintOf } from '../../src/coap/options.ts';
import { fromUtf8 } from '../../src/core/bytes.ts';
import { freePort } from '../../src/transport/free-port.ts';
import {
  type CleartextClient,
  type CleartextServer,
  dialTcp,
  dialUdp,
  type Handler,
  serveTcp,
  serveUdp,
} from '../support/cleartext.ts';
import { blocksText, someBytes } from '../support/coap.ts';
import { findPeer } from '../support/peers.ts';

/** libcoap's client in the clear tests the message layers alone, over UDP and over TCP. */
const client = findPeer('coap-client-notls');

const run = promisify(execFile);

describe.skipIf(client.missing).each(['udp', 'tcp'] as const)(`${client.title} over %s`, (transport) => {
  let server: CleartextServer;
  let handler: Handler;
  let folder: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'firstboot-libcoap-'));
    const serve = transport === 'udp' ? serveUdp : serveTcp;
    server = await serve((request) => handler(request));
  });

  afterAll(async () => {
    await server.close();
    rmSync(folder, { recursive: true });
  });

  beforeEach(() => {
    handler = () => ({ code: 205, payload: someBytes(20), contentFormat: 60 });
  });

  /** Runs the client; returns the payload it wrote, and what it said. */
  async function ask(path: string, ...args: readonly string[]): Promise<{ payload: Uint8Array; said: string }> {
    const output = join(folder, 'output');
    writeFileSync(output, '');
    const scheme = transport === 'udp' ? 'coap' : 'coap+tcp';
    const uri = `${scheme}://127.0.0.1:${server.port}/${path}`;
    const { stdout, stderr } = await run(client.program, ['-B', '60', '-o', output, ...args, uri], {
      timeout: 100_000,
    });
    return { payload: new Uint8Array(readFileSync(output)), said: stdout + stderr };
  }

  const file = (bytes: Uint8Array): string => {
    const path = join(folder, 'input');
    writeFileSync(path, bytes);
    return path;
  };

  it('gets an answer to a GET', async () => {
    const { payload } = await ask('x.plgd.dev/time?a=1', '-A', '60');
    expect(payload).toEqual(someBytes(20));
    expect(server.served.at(-1)).toMatchObject({
      method: 'GET',
      path: ['x.plgd.dev', 'time'],
      query: ['a=1'],
      accept: 60,
    });
    expect(server.events).toEqual([]);
  });

  it('gets an answer that takes time', async () => {
    handler = () => ({ code: 205, payload: someBytes(5), delay: 1300 });
    const from = server.served.length;
    expect((await ask('slow')).payload).toEqual(someBytes(5));
    expect(server.served).toHaveLength(from + 1);
  });

  it('downloads 5,000 bytes from one run of the handler', async () => {
    handler = () => ({ code: 205, payload: someBytes(5000) });
    const from = server.served.length;
    expect((await ask('large')).payload).toEqual(someBytes(5000));
    expect(server.served).toHaveLength(from + 1);
  });

  it('downloads 20,000 bytes, more than one message of ours may be', async () => {
    handler = () => ({ code: 205, payload: someBytes(20_000) });
    expect((await ask('large')).payload).toEqual(someBytes(20_000));
  });

  for (const size of [16, 256, 1024]) {
    it(`downloads 5,000 bytes in blocks of ${size}, which it asks for`, async () => {
      handler = () => ({ code: 205, payload: someBytes(5000) });
      const from = server.served.length;
      const { payload } = await ask('large', '-b', String(size));
      expect(payload).toEqual(someBytes(5000));
      expect(server.served).toHaveLength(from + 1);
      expect(blocksText(server.served.at(-1)?.options ?? [])).toBe(`2:0/0/${size}`);
      expect(server.received.length).toBeGreaterThan(5000 / size);
    });
  }

  it('uploads 5,000 bytes', async () => {
    handler = () => ({ code: 204 });
    const from = server.served.length;
    await ask('upload', '-m', 'put', '-t', '60', '-f', file(someBytes(5000)));
    const served = server.served.slice(from);
    expect(served.map(({ method, payload, contentFormat }) => ({ method, payload, contentFormat }))).toEqual([
      { method: 'PUT', payload: someBytes(5000), contentFormat: 60 },
    ]);
  });

  it('uploads 20,000 bytes', async () => {
    handler = () => ({ code: 204 });
    const from = server.served.length;
    await ask('upload', '-m', 'put', '-f', file(someBytes(20_000)));
    expect(server.served.slice(from).map(({ payload }) => payload)).toEqual([someBytes(20_000)]);
  });

  it('uploads 5,000 bytes in blocks of 64', async () => {
    handler = () => ({ code: 204 });
    const from = server.served.length;
    await ask('upload', '-m', 'put', '-b', '64', '-f', file(someBytes(5000)));
    expect(server.served.slice(from).map(({ payload }) => payload)).toEqual([someBytes(5000)]);
  });

  it('posts 5,000 bytes and gets 5,000 back', async () => {
    handler = ({ payload }) => ({ code: 204, payload: payload.slice().reverse() });
    const from = server.served.length;
    const { payload } = await ask('soap', '-m', 'post', '-f', file(someBytes(5000)));
    expect(payload).toEqual(someBytes(5000).reverse());
    expect(server.served).toHaveLength(from + 1);
  });

  it('is told about errors in words', async () => {
    handler = () => ({ code: 404, payload: Buffer.from('unknown path') });
    expect((await ask('nowhere')).said).toContain('4.04 unknown path');
  });

  it('is told 4.02 about a critical option that is not known', async () => {
    const from = server.served.length;
    expect((await ask('a', '-O', '65001,0x01')).said).toContain('4.02');
    expect(server.served).toHaveLength(from);
  });

  it('may send the options of the reference device', async () => {
    await ask('a', '-O', '2049,0x0800', '-O', '2053,0x0800');
    expect(uintOf(server.served.at(-1)?.options ?? [], 2049)).toBe(2048);
  });

  if (transport === 'udp') {
    it('gets through losing a part of its datagrams', async () => {
      handler = () => ({ code: 204 });
      const from = server.served.length;
      await ask('upload', '-m', 'put', '-l', '2,4', '-f', file(someBytes(3000)));
      expect(server.served.slice(from).map(({ payload }) => payload)).toEqual([someBytes(3000)]);
    });
  }
});

const coapServer = findPeer('coap-server-notls');

describe.skipIf(coapServer.missing).each(['udp', 'tcp'] as const)(
  `our client to ${coapServer.title} over %s`,
  (transport) => {
    let child: ChildProcess;
    let client: CleartextClient;

    beforeAll(async () => {
      const port = await freePort();
      child = spawn(coapServer.program, ['-A', '127.0.0.1', '-p', String(port), '-d', '10'], { stdio: 'ignore' });
      client = await dial(transport, port);
    });

    afterAll(() => {
      client.close();
      child.kill();
    });

    it('is answered, with and without delay', async () => {
      const root = await client.ask({ method: 'GET', path: [] });
      expect({ code: root.code, text: fromUtf8(root.payload) }).toMatchObject({
        code: 205,
        text: expect.stringContaining('libcoap'),
      });
      // A separate response after one second.
      expect((await client.ask({ method: 'GET', path: ['async'], query: ['1'] })).code).toBe(205);
      expect((await client.ask({ method: 'GET', path: ['nowhere'] })).code).toBe(404);
    });

    it('is answered its ping', async () => {
      await client.ping();
    });

    it('uploads and downloads 5,000 bytes', async () => {
      const path = ['example_data'];
      const put = await client.ask({ method: 'PUT', path, payload: someBytes(5000), contentFormat: 42 });
      expect([201, 204]).toContain(put.code);
      const got = await client.ask({ method: 'GET', path });
      expect(got).toMatchObject({ code: 205, contentFormat: 42, payload: someBytes(5000) });
    });
  },
);

/** Tries until the server is up. */
async function dial(transport: 'udp' | 'tcp', port: number): Promise<CleartextClient> {
  for (let tries = 0; ; tries++) {
    try {
      const client = await (transport === 'udp' ? dialUdp(port) : dialTcp(port));
      await client.ask({ method: 'GET', path: [] });
      return client;
    } catch (error) {
      if (tries > 1000) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
