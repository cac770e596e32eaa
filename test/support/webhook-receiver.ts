import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { StoredEvent } from '../../src/store/model.ts';

/** What the receiver does with one request: answer with a status, redirect, hang, or cut the connection. */
export type Mood = number | 'hang' | 'reset' | { readonly redirect: string };

export interface Receiver {
  readonly url: string;
  /** Ids of the events that it has answered with 2xx, in order, repetitions included. */
  readonly taken: readonly string[];
  /** Every request that came, also those that were not answered well. */
  readonly asked: readonly { readonly id: string; readonly body: StoredEvent }[];
  /** Requests without a signature that fits. */
  readonly forged: number;
  /** Requests that are never answered, whose senders have not given up yet. */
  readonly hanging: number;
  /** Requests under way at a time, at most. */
  readonly most: number;
  mood: (asked: number, id: string) => Mood;
  /** As its sender gave it: `whsec_` and base64. */
  secret: string;
  /** What timestamps are held against. */
  now: () => number;
  close(): Promise<void>;
}

/** A real HTTP server that takes webhooks, and checks them by the letter of Standard Webhooks 1.0. */
export async function startReceiver(): Promise<Receiver> {
  const taken: string[] = [];
  const asked: { id: string; body: StoredEvent }[] = [];
  let [forged, most, underWay, hanging] = [0, 0, 0, 0];
  const answer = (request: IncomingMessage, response: ServerResponse, text: string): void => {
    const id = String(request.headers['webhook-id']);
    if (!isSigned(receiver, request, text)) forged++;
    const body = JSON.parse(text) as StoredEvent;
    asked.push({ id, body });
    const mood = receiver.mood(asked.length, id);
    if (mood === 'hang') {
      hanging++;
      return void response.once('close', () => hanging--);
    }
    if (mood === 'reset') return void request.socket.resetAndDestroy();
    if (typeof mood === 'object') return void response.writeHead(307, { location: mood.redirect }).end();
    if (mood >= 200 && mood < 300) taken.push(id);
    response.writeHead(mood).end('an answer that nobody keeps');
  };
  const server = createServer((request, response) => {
    most = Math.max(most, ++underWay);
    response.once('close', () => underWay--);
    let text = '';
    request.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
    request.on('end', () => answer(request, response, text));
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const receiver: Receiver = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    taken,
    asked,
    get forged() {
      return forged;
    },
    get hanging() {
      return hanging;
    },
    get most() {
      return most;
    },
    mood: () => 204,
    secret: '',
    now: () => Date.now(),
    close: () => {
      server.closeAllConnections();
      return new Promise((closed) => server.close(() => closed()));
    },
  };
  return receiver;
}

function isSigned({ secret, now }: Receiver, { headers }: IncomingMessage, text: string): boolean {
  const { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures } = headers;
  if (typeof id !== 'string' || typeof timestamp !== 'string' || typeof signatures !== 'string') return false;
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  const expected = createHmac('sha256', key).update([id, timestamp, text].join('.')).digest();
  const fresh = Math.abs(now() / 1000 - Number(timestamp)) < 300;
  return signatures.split(' ').some((one) => {
    const [version, value = ''] = one.split(',');
    const given = Buffer.from(value, 'base64');
    return fresh && version === 'v1' && given.length === expected.length && timingSafeEqual(given, expected);
  });
}
