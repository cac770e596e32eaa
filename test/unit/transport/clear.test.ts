import { createSocket } from 'node:dgram';
import { afterEach, describe, expect, it } from 'vitest';
import { encodeEmpty } from '../../../src/coap/datagram.ts';
import type { OutgoingResponse } from '../../../src/coap/endpoint.ts';
import { optionNumber, uintOf, uintOption } from '../../../src/coap/options.ts';
import { sortOptions } from '../../../src/coap/wire.ts';
import { utf8 } from '../../../src/core/bytes.ts';
import { systemTimers } from '../../../src/core/clock.ts';
import { systemRandom } from '../../../src/core/random.ts';
import { type ClearSession, listenClearUdp } from '../../../src/transport/clear.ts';
import type { CoapServer } from '../../../src/transport/session.ts';
import { type CleartextClient, dialUdp } from '../../support/cleartext.ts';
import { datagram, message, pathOptions, sentDatagram } from '../../support/coap.ts';
import { until } from '../../support/until.ts';

let server: CoapServer | undefined;
const clients: CleartextClient[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await server?.close();
});

interface Served {
  readonly closed: string[];
  readonly unobserved: number[];
  readonly sessions: ClearSession[];
}

async function listen(peers: number): Promise<Served> {
  const served: Served = { closed: [], unobserved: [], sessions: [] };
  server = await listenClearUdp({
    host: '127.0.0.1',
    port: 0,
    peers,
    timers: systemTimers,
    random: systemRandom,
    owner: (session) => {
      served.sessions.push(session);
      return (event) => {
        const answer: OutgoingResponse = { code: 205, payload: utf8(session.peer), observe: true };
        if (event.type === 'request') session.respond(event.id, answer);
        if (event.type === 'unobserved') served.unobserved.push(event.id);
        if (event.type === 'closed') served.closed.push(session.peer);
      };
    },
  });
  return served;
}

async function newClient(): Promise<CleartextClient> {
  const client = await dialUdp(server?.port ?? 0);
  clients.push(client);
  return client;
}

/** A socket without CoAP behind it. */
async function rawSocket() {
  const socket = createSocket('udp4');
  const waiting: Buffer[] = [];
  socket.on('message', (bytes) => waiting.push(bytes));
  clients.push({ close: () => socket.close(), ask: () => Promise.reject(), ping: () => Promise.reject() });
  return {
    send: (bytes: Uint8Array) => socket.send(bytes, server?.port ?? 0, '127.0.0.1'),
    async receive(): Promise<Uint8Array> {
      await until(() => waiting.length > 0);
      return new Uint8Array(waiting.shift() ?? []);
    },
  };
}

const get = { method: 'GET', path: ['light'] } as const;
const observe = { ...get, options: [uintOption(optionNumber.observe, 0)] };

describe('a cleartext server', () => {
  it('answers each address for itself, and remembers it', async () => {
    const served = await listen(8);
    const [one, two] = [await newClient(), await newClient()];
    const [first, second] = await Promise.all([one.ask(get), two.ask(get)]);
    await one.ask(get);
    expect(new Set([first, second].map(({ payload }) => Buffer.from(payload).toString())).size).toBe(2);
    expect(server?.sessions).toBe(2);
    expect(served.sessions.map(({ transport }) => transport)).toEqual(['coap', 'coap']);
  });

  it('forgets the address that has been silent longest when a new one finds the table full', async () => {
    const served = await listen(2);
    const [one, two, three] = [await newClient(), await newClient(), await newClient()];
    await one.ask(get);
    await two.ask(get);
    await one.ask(get);
    await three.ask(get);
    expect(server?.sessions).toBe(2);
    expect(served.closed).toEqual([served.sessions[1]?.peer]);
  });

  it('forgets one that observes nothing before one that observes, however long that has been silent', async () => {
    const served = await listen(2);
    const [one, two, three, four] = await Promise.all([newClient(), newClient(), newClient(), newClient()]);
    const first = await one.ask(observe);
    expect(uintOf(first.options, optionNumber.observe)).toBeDefined();
    await two.ask(get);
    await three.ask(get);
    await four.ask(observe);
    expect(served.closed).toEqual([served.sessions[1]?.peer, served.sessions[2]?.peer]);
    // All of them observe: the one that has been silent longest goes.
    await two.ask(get);
    expect(served.closed.at(-1)).toBe(served.sessions[0]?.peer);
  });

  it('takes no harm from datagrams that are no CoAP', async () => {
    await listen(2);
    const socket = createSocket('udp4');
    for (const bytes of [
      Uint8Array.of(),
      Uint8Array.of(0xff),
      new Uint8Array(200).fill(0x16),
      Uint8Array.of(0x40, 1),
    ]) {
      await new Promise((resolve) => socket.send(bytes, server?.port ?? 0, '127.0.0.1', resolve));
    }
    socket.close();
    expect((await (await newClient()).ask(get)).code).toBe(205);
  });

  it('gives large answers in small blocks: a forged sender gets little for a short request', async () => {
    const large = utf8('large '.repeat(300));
    server = await listenClearUdp({
      host: '127.0.0.1',
      port: 0,
      timers: systemTimers,
      random: systemRandom,
      owner: (session) => (event) => {
        if (event.type === 'request') session.respond(event.id, { code: 205, payload: large });
      },
    });
    const { receive, send } = await rawSocket();
    send(datagram('NON', 7, message(1, { options: pathOptions('light') })));
    expect((await receive()).length).toBeLessThan(256 + 32);
    expect((await (await newClient()).ask(get)).payload).toEqual(large);
  });

  it('does not put together what strangers upload at length', async () => {
    server = await listenClearUdp({
      host: '127.0.0.1',
      port: 0,
      timers: systemTimers,
      random: systemRandom,
      owner: (session) => (event) => {
        if (event.type === 'request') session.respond(event.id, { code: event.request.fault?.code ?? 204 });
      },
    });
    const upload = { method: 'POST', path: ['light'], payload: new Uint8Array(8192) } as const;
    expect((await (await newClient()).ask(upload)).code).toBe(413);
  });

  it('sends one notification to an observer, and no more until it is acknowledged', async () => {
    const served = await listen(2);
    const { receive, send } = await rawSocket();
    const options = sortOptions([...pathOptions('light'), uintOption(optionNumber.observe, 0)]);
    send(datagram('NON', 7, message(1, { token: Uint8Array.of(1), options })));
    await receive();
    const [session] = served.sessions;
    const notify = (text: string) => session?.notify(1, { code: 205, payload: utf8(text) });
    notify('one');
    const first = sentDatagram(await receive());
    expect({ type: first.type, text: Buffer.from(first.message.payload).toString() }).toEqual({
      type: 'CON',
      text: 'one',
    });
    notify('two');
    notify('three');
    // What has not been acknowledged comes again when this takes long.
    const next = async () => {
      for (;;) {
        const datagram = sentDatagram(await receive());
        if (datagram.messageId !== first.messageId) return datagram;
      }
    };
    send(encodeEmpty('CON', 99));
    expect(await next()).toMatchObject({ type: 'RST', messageId: 99 });
    send(encodeEmpty('ACK', first.messageId));
    expect(Buffer.from((await next()).message.payload).toString()).toBe('three');
  });

  it('tells every session when it closes', async () => {
    const served = await listen(4);
    await (await newClient()).ask(observe);
    await server?.close();
    server = undefined;
    expect(served.closed).toEqual(served.sessions.map(({ peer }) => peer));
  });

  it('names the port that is taken', async () => {
    await listen(1);
    const again = listenClearUdp({
      host: '127.0.0.1',
      port: server?.port ?? 0,
      timers: systemTimers,
      random: systemRandom,
      owner: () => () => undefined,
    });
    await expect(again).rejects.toMatchObject({ code: 'service.address-in-use' });
  });
});
