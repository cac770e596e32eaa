import { expect, test } from 'vitest';
import { createDevelopmentPki } from '../../../src/development.ts';
import { createSecureContext } from '../../../src/secure/engine.ts';

const now = Date.UTC(2026, 5, 1, 12);
const pki = createDevelopmentPki({ now });
const [device] = pki.devices;

function client() {
  return createSecureContext({
    transport: 'datagram',
    role: 'client',
    identity: device,
    trust: { anchors: device.serviceCa, purpose: 'server' },
    clock: 'simulated',
    handshakeTimeout: 4 * 3_600_000,
  }).connect(now);
}

function server() {
  return createSecureContext({
    transport: 'datagram',
    role: 'server',
    // Its flight comes in pieces.
    mtu: 300,
    identity: pki.service,
    trust: { anchors: [pki.manufacturer.root.certificate.der], purpose: 'client' },
    clock: 'simulated',
    handshakeTimeout: 3_600_000,
  });
}

test('in simulated time a flight is sent again when its time has come', () => {
  const association = client();
  const [hello] = association.takeOutput();
  let at = now;
  for (let n = 1; n <= 200; n++) {
    at = association.nextTimeout() ?? 0;
    association.handleTimeout(at - 1);
    expect(association.takeOutput()).toEqual([]);
    association.handleTimeout(at);
    const [again, ...others] = association.takeOutput();
    expect(others).toEqual([]);
    expect(again?.length).toBe(hello?.length);
    expect(association.retransmissions).toBe(n);
  }
  // 1, 2, 4 .. 32 s, then a minute each.
  expect(at - now).toBe(63_000 + 194 * 60_000);
  association.abort();
});

test('in simulated time nothing is sent again before its time, however often and however late in reality something arrives', async () => {
  const association = client();
  const [hello = new Uint8Array(0)] = association.takeOutput();
  const context = server();
  const verify = context.listen('peer', hello, now);
  if (verify.type !== 'reply') throw new Error('no cookie was asked for');
  association.receive(verify.datagram, now);
  const [second = new Uint8Array(0)] = association.takeOutput();
  const accepted = context.listen('peer', second, now);
  if (accepted.type !== 'accepted') throw new Error('the cookie was not taken');
  const flight = accepted.association.takeOutput();
  await new Promise((resolve) => setTimeout(resolve, 40));
  // The first piece of the flight over and over: OpenSSL reads in vain each time.
  for (let n = 0; n < 50; n++) {
    association.receive(flight[0] ?? second, now);
    expect(association.takeOutput()).toEqual([]);
  }
  expect(association.takeEvents().filter(({ type }) => type === 'closed')).toEqual([]);
  expect(association.retransmissions).toBe(0);
  for (const datagram of flight) association.receive(datagram, now);
  expect(association.takeOutput()).not.toEqual([]);
  for (const end of [association, accepted.association]) end.abort();
});
