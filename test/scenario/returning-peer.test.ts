import { beforeEach, describe, expect, test } from 'vitest';
import { createDatagramEndpoint } from '../../src/coap/exchange.ts';
import { ManualTimers, minutes, seconds } from '../../src/core/clock.ts';
import { limits } from '../../src/core/limits.ts';
import { seededRandom } from '../../src/core/random.ts';
import { createDevelopmentPki } from '../../src/development.ts';
import { createSecureContext } from '../../src/secure/engine.ts';
import type { ConnectionEvent } from '../../src/transport/connection.ts';
import { DatagramServer } from '../../src/transport/datagram-server.ts';
import { LiveSession } from '../../src/transport/session.ts';

// A device that reboots comes back from the address and port of its old session (RFC 6347 §4.2.8).

const address = '192.0.2.7:5683';
const start = Date.UTC(2026, 5, 1);
const random = seededRandom(3);
const pki = createDevelopmentPki({ now: start });

let timers: ManualTimers;
let server: DatagramServer;
let served: { readonly events: ConnectionEvent[] }[];
let deliver: (datagram: Uint8Array, peer: string) => unknown;

beforeEach(() => {
  timers = new ManualTimers(start);
  served = [];
  const context = createSecureContext({
    transport: 'datagram',
    role: 'server',
    identity: pki.service,
    trust: {
      anchors: [pki.manufacturer.root.certificate.der],
      intermediates: [pki.manufacturer.intermediate.certificate.der],
      purpose: 'client',
    },
    clock: 'simulated',
  });
  server = new DatagramServer({
    context: () => context,
    owner: (session) => {
      const record = { events: [] as ConnectionEvent[] };
      served.push(record);
      return (event) => {
        record.events.push(event);
        if (event.type === 'request') session.respond(event.id, { code: 205 });
      };
    },
    timers,
    random,
    idle: minutes(2),
    transmit: (datagram, peer) => later(() => deliver(datagram, peer)),
  });
});

const later = (work: () => void): void => void timers.schedule(timers.now() + 1, work);
const pass = (ms = seconds(1)): void => timers.advanceTo(timers.now() + ms);

/** A device at the address: from now on it is the one that the server's datagrams reach. */
function device(): { readonly session: LiveSession; readonly events: ConnectionEvent[] } {
  const events: ConnectionEvent[] = [];
  const context = createSecureContext({
    transport: 'datagram',
    role: 'client',
    identity: pki.devices[0],
    trust: { anchors: pki.devices[0].serviceCa, purpose: 'server' },
    clock: 'simulated',
  });
  const session = new LiveSession({
    transport: 'coaps',
    peer: 'service',
    association: context.connect(timers.now()),
    createEndpoint: () => createDatagramEndpoint({ random }),
    transmit: (bytes) => later(() => server.receive(Buffer.from(bytes), address)),
    timers,
    idle: undefined,
    owner: () => (event) => events.push(event),
    onClosed: () => undefined,
  });
  deliver = (datagram, peer) => peer === address && session.receive(datagram);
  session.start();
  return { session, events };
}

const types = (events: readonly ConnectionEvent[]): string[] => events.map(({ type }) => type);

function answered({ session, events }: ReturnType<typeof device>): boolean {
  const before = events.length;
  session.request({ method: 'GET', path: ['x'] });
  pass();
  return events.slice(before).some(({ type }) => type === 'response');
}

describe('a ClientHello from the address of an established session', () => {
  test('leaves the session alone while nothing but the hello comes', () => {
    const first = device();
    pass();
    expect(answered(first)).toBe(true);
    const stranger = device();
    stranger.session.abort({ reason: 'local' });
    deliver = (datagram) => first.session.receive(datagram);
    pass();
    expect(answered(first)).toBe(true);
    expect(served).toHaveLength(1);
  });

  test('replaces it once the new handshake is through, and not before', () => {
    const first = device();
    pass();
    const rebooted = device();
    pass();
    expect(types(rebooted.events)).toContain('established');
    expect(served.map(({ events }) => types(events))).toEqual([
      ['client-hello', 'established', 'closed'],
      ['client-hello', 'established'],
    ]);
    expect(served[0]?.events.at(-1)).toMatchObject({ end: { reason: 'replaced' } });
    expect(answered(rebooted)).toBe(true);
    expect(server.sessions).toBe(1);
    first.session.abort({ reason: 'local' });
  });

  test('that is a late copy of its own opens nothing', () => {
    const sent: Uint8Array[] = [];
    const first = device();
    const { receive } = server;
    server.receive = (datagram, peer) => {
      sent.push(new Uint8Array(datagram));
      receive.call(server, datagram, peer);
    };
    pass();
    for (const copy of sent.slice(0, 2)) receive.call(server, Buffer.from(copy), address);
    pass();
    expect(served).toHaveLength(1);
    expect(answered(first)).toBe(true);
  });
});

test('a session without traffic is closed after its idle time, and its memory is given back', () => {
  device();
  pass();
  expect(server.sessions).toBe(1);
  pass(minutes(3));
  expect(server.sessions).toBe(0);
  expect(served[0]?.events.at(-1)).toMatchObject({ type: 'closed', end: { reason: 'idle' } });
});

test('handshakes that nobody finishes are bounded: the oldest gives way, and none outlives its time', () => {
  const context = createSecureContext({ transport: 'datagram', role: 'client', clock: 'simulated' });
  /** Goes as far as the cookie and is never seen again; whether the server said anything. */
  const contact = (n: number): boolean => {
    const address = `198.51.100.${n >> 8}:${1024 + (n & 255)}`;
    const client = context.connect(timers.now());
    const send = (): void => {
      for (const hello of client.takeOutput()) server.receive(Buffer.from(hello), address);
      pass(1);
    };
    let answered = false;
    deliver = (datagram, peer) => {
      if (peer !== address) return;
      answered = true;
      client.receive(datagram, timers.now());
    };
    send();
    send();
    client.abort();
    deliver = () => undefined;
    return answered;
  };
  for (let n = 0; n < limits.secure.halfOpen; n++) expect(contact(n)).toBe(true);
  expect(server.sessions).toBe(limits.secure.halfOpen);
  expect(contact(limits.secure.halfOpen)).toBe(true);
  expect(server.sessions).toBe(limits.secure.halfOpen);
  expect(served[0]?.events.at(-1)).toMatchObject({ end: { reason: 'evicted' } });

  const honest = device();
  pass();
  expect(answered(honest)).toBe(true);
  pass(limits.secure.handshake + seconds(1));
  expect(server.sessions).toBe(1);
  expect(served[1]?.events.at(-1)).toMatchObject({ end: { reason: 'evicted' } });
  expect(served[2]?.events.at(-1)).toMatchObject({ end: { reason: 'handshake-timeout' } });
});
