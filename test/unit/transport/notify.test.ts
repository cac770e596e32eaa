import { beforeEach, describe, expect, it } from 'vitest';
import type { CoapEndpoint, OutgoingResponse } from '../../../src/coap/endpoint.ts';
import { encodeFrame } from '../../../src/coap/framing.ts';
import { findOption, optionNumber, uintOption } from '../../../src/coap/options.ts';
import { createStreamEndpoint } from '../../../src/coap/stream.ts';
import { sortOptions } from '../../../src/coap/wire.ts';
import { fromUtf8, utf8 } from '../../../src/core/bytes.ts';
import { seededRandom } from '../../../src/core/random.ts';
import type { Association, AssociationEvent } from '../../../src/secure/association.ts';
import { Connection, type ConnectionEvent } from '../../../src/transport/connection.ts';
import { message, pathOptions, sentMessage } from '../../support/coap.ts';

/** A secure association without its security: what goes in comes out. */
class PlainAssociation implements Association {
  readonly role = 'server';
  readonly backlog = 0;
  readonly busy = false;
  readonly retransmissions = 0;
  onProgress: (() => void) | undefined;
  private output: Uint8Array[] = [];
  private events: AssociationEvent[] = [
    {
      type: 'established',
      session: { version: 'TLSv1.2', cipherSuite: 'none', peer: undefined, pskIdentity: undefined },
    },
  ];
  receive(bytes: Uint8Array): void {
    this.events.push({ type: 'message', bytes });
  }
  send(bytes: Uint8Array): void {
    this.output.push(bytes);
  }
  takeOutput(): Uint8Array[] {
    const { output } = this;
    this.output = [];
    return output;
  }
  takeEvents(): AssociationEvent[] {
    const { events } = this;
    this.events = [];
    return events;
  }
  providePsk(): void {}
  close(): void {}
  abort(): void {}
  nextTimeout(): undefined {}
  handleTimeout(): void {}
}

const state = (text: string): OutgoingResponse => ({ code: 205, payload: utf8(text), observe: true });

let connection: Connection;
let wire: Uint8Array[];
let events: ConnectionEvent[];
/** Ids of requests, in order. */
let ids: number[];
beforeEach(() => {
  wire = [];
  events = [];
  ids = [];
  connection = new Connection(new PlainAssociation(), {
    clock: { now: () => 0 },
    createEndpoint: (): CoapEndpoint => createStreamEndpoint({ random: seededRandom(1) }),
    transmit: (bytes) => wire.push(bytes),
    onEvent: (event) => {
      events.push(event);
      if (event.type !== 'request') return;
      ids.push(event.id);
      connection.respond(event.id, state('first'), 0);
    },
    idle: undefined,
  });
  connection.start(0);
  for (const token of [1, 2]) ask(token, 0);
  wire = [];
});

function ask(token: number, observe: number): void {
  const options = sortOptions([...pathOptions('light'), uintOption(optionNumber.observe, observe)]);
  connection.receive(encodeFrame(message(1, { token: Uint8Array.of(token), options })), 0);
}

const sent = () =>
  wire.splice(0).map((bytes) => {
    const { token, payload } = sentMessage(bytes);
    return `${token[0]} ${fromUtf8(payload)}`;
  });

describe('notifications of a connection', () => {
  it('go out as they come', () => {
    const [one = 0, two = 0] = ids;
    connection.notify(one, state('a'), 0);
    connection.notify(two, state('b'), 0);
    connection.notify(one, state('c'), 0);
    expect(sent()).toEqual(['1 a', '2 b', '1 c']);
  });

  it('wait while the peer does not read, the newest of each observation, and go out when it reads on', () => {
    const [one = 0, two = 0] = ids;
    connection.stall();
    for (let n = 0; n < 1000; n++) connection.notify(one, state(`${n}`), 0);
    connection.notify(two, state('b'), 0);
    expect(sent()).toEqual([]);
    connection.resume(0);
    expect(sent()).toEqual(['1 999', '2 b']);
    connection.stall();
    connection.resume(0);
    expect(sent()).toEqual([]);
  });

  it('end with the observation, which its owner is told, and with the connection', () => {
    const [one = 0, two = 0] = ids;
    ask(1, 1);
    expect(events.find(({ type }) => type === 'unobserved')).toEqual({ type: 'unobserved', id: one });
    expect(findOption(sentMessage(wire[0]).options, optionNumber.observe)).toBeUndefined();
    wire = [];
    connection.notify(one, state('a'), 0);
    connection.close(0);
    wire = [];
    connection.notify(two, state('b'), 0);
    expect(wire).toEqual([]);
  });

  it('that were made before a goodbye go out before it', () => {
    const [one = 0] = ids;
    connection.notify(one, state('last'), 0);
    connection.close(0);
    expect(sent()[0]).toBe('1 last');
  });
});
