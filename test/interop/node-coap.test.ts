import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { Agent, type CoapRequestParams, request as coapRequest, type IncomingMessage } from 'coap';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { fromHex, toHex } from '../../src/core/bytes.ts';
import { type CleartextServer, type Handler, serveUdp } from '../support/cleartext.ts';
import { someBytes } from '../support/coap.ts';
import { until } from '../support/until.ts';

/** node-coap is a CoAP client that we did not write: over plain UDP sockets it tests the message layer alone. */

let server: CleartextServer;
let agent: Agent;
let handler: Handler;

beforeAll(async () => {
  server = await serveUdp((request) => handler(request));
  agent = new Agent({ type: 'udp4' });
});

afterAll(async () => {
  agent.close();
  await server.close();
});

beforeEach(() => {
  handler = () => ({ code: 205, payload: someBytes(20), contentFormat: 60 });
});

async function ask(params: CoapRequestParams, payload?: Uint8Array, block1?: number): Promise<IncomingMessage> {
  const request = coapRequest({ host: '127.0.0.1', port: server.port, agent, ...params });
  if (block1 !== undefined) request.setOption('Block1', Buffer.of(block1));
  const answered = once(request, 'response');
  request.end(payload === undefined ? undefined : Buffer.from(payload));
  const [response] = (await answered) as [IncomingMessage];
  return response;
}

describe('node-coap', () => {
  it('gets a piggybacked answer to a GET', async () => {
    const from = server.served.length;
    const response = await ask({ pathname: '/x.plgd.dev/time', query: 'a=1&b', accept: 'application/cbor' });
    expect(response.code).toBe('2.05');
    expect(response.headers['Content-Format']).toBe('application/cbor');
    expect(new Uint8Array(response.payload)).toEqual(someBytes(20));
    expect(server.served.slice(from)).toMatchObject([
      { method: 'GET', path: ['x.plgd.dev', 'time'], query: ['a=1', 'b'], accept: 60, confirmable: true },
    ]);
  });

  it('gets a separate answer when the handler takes longer than the ACK may wait', async () => {
    handler = () => ({ code: 205, payload: someBytes(5), delay: 1500 });
    const from = server.served.length;
    const response = await ask({ pathname: '/slow' });
    expect(new Uint8Array(response.payload)).toEqual(someBytes(5));
    expect(server.served).toHaveLength(from + 1);
  });

  it('gets a NON to its NON', async () => {
    const response = await ask({ pathname: '/a', confirmable: false });
    expect(response.code).toBe('2.05');
    expect(server.served.at(-1)?.confirmable).toBe(false);
  });

  it('uploads 5,000 bytes in blocks, and the handler sees them once', async () => {
    handler = () => ({ code: 204 });
    const from = server.served.length;
    // 0x06: blocks of 1024 bytes.
    const response = await ask({ pathname: '/upload', method: 'PUT' }, someBytes(5000), 0x06);
    expect(response.code).toBe('2.04');
    expect(server.served.slice(from).map(({ method, payload }) => [method, payload])).toEqual([
      ['PUT', someBytes(5000)],
    ]);
  });

  it('downloads 5,000 bytes in blocks from one run of the handler', async () => {
    handler = () => ({ code: 205, payload: someBytes(5000) });
    const from = server.served.length;
    const response = await ask({ pathname: '/large' });
    expect(new Uint8Array(response.payload)).toEqual(someBytes(5000));
    expect(server.served).toHaveLength(from + 1);
  });

  it('is told 4.02 about a critical option that is not known', async () => {
    const from = server.served.length;
    const response = await ask({ pathname: '/a', options: { 'If-Match': Buffer.of(1) } });
    expect(response.code).toBe('4.02');
    expect(server.served).toHaveLength(from);
  });
});

describe('a bare socket', () => {
  /** Sends datagrams, those of a lot together and each lot when the one before is answered, and collects what comes back. */
  async function exchange(...lots: readonly (readonly string[])[]): Promise<string[]> {
    const socket = createSocket('udp4');
    const got: string[] = [];
    socket.on('message', (bytes) => got.push(toHex(bytes)));
    for (const lot of lots) {
      const before = got.length;
      for (const hex of lot) socket.send(fromHex(hex), server.port, '127.0.0.1');
      await until(() => got.length > before);
    }
    socket.close();
    return got;
  }

  it('that pings is reset', async () => {
    expect(await exchange(['40001234'])).toEqual(['70001234']);
  });

  it('that sends a request three times gets the same answer three times from one run of the handler', async () => {
    handler = () => ({ code: 205, payload: someBytes(3) });
    const from = server.served.length;
    const request = '41017d3520bb74656d7065726174757265';
    const answers = await exchange([request], [request], [request]);
    expect(answers).toEqual(new Array(3).fill(`61457d3520ff${toHex(someBytes(3))}`));
    expect(server.served).toHaveLength(from + 1);
  });

  it('that sends a request again while the handler works gets one answer', async () => {
    handler = () => ({ code: 205, delay: 60 });
    const from = server.served.length;
    const request = '41017d3620b161';
    // A ping behind them: what else is to come has come when that is answered.
    expect(await exchange([request, request], ['40001234'])).toEqual(['61457d3620', '70001234']);
    expect(server.served).toHaveLength(from + 1);
  });
});
