import type { IncomingResponse, OutgoingRequest } from '../../src/coap/endpoint.ts';
import { type CborValue, decodeCbor, encodeCbor } from '../../src/codec/cbor.ts';
import { systemTimers } from '../../src/core/clock.ts';
import { systemRandom } from '../../src/core/random.ts';
import type { SecureContextOptions } from '../../src/secure/association.ts';
import { createSecureContext } from '../../src/secure/engine.ts';
import { dial } from '../../src/transport/client.ts';
import type { ConnectionEnd } from '../../src/transport/connection.ts';
import type { Session } from '../../src/transport/session.ts';
import { until } from './until.ts';

/** Who is not let in may hear nothing: `handshakeTimeout` is how long that is waited for. */
export type LocalCredentials = Pick<SecureContextOptions, 'identity' | 'psk' | 'ciphers' | 'handshakeTimeout'>;

/** Somebody on the device's network, with a DTLS session to its port. It believes any device. */
export class LocalPeer {
  /** How the session ended. */
  end: ConnectionEnd | undefined;
  private readonly session: Session;
  private readonly waiting = new Map<number, (response: IncomingResponse | string) => void>();
  private established = false;

  private constructor(port: number, credentials: LocalCredentials) {
    this.session = dial({
      uri: { scheme: 'coaps', host: '127.0.0.1', port },
      context: createSecureContext({ transport: 'datagram', role: 'client', ...credentials }),
      timers: systemTimers,
      random: systemRandom,
      owner: () => (event) => {
        if (event.type === 'established') this.established = true;
        if (event.type === 'response') this.waiting.get(event.id)?.(event.response);
        if (event.type === 'failed') this.waiting.get(event.id)?.(event.reason);
        if (event.type === 'closed') {
          this.end = event.end;
          for (const wake of this.waiting.values()) wake(event.end.reason);
        }
      },
    });
  }

  /** @throws when the device does not let it in. */
  static async open(port: number, credentials: LocalCredentials): Promise<LocalPeer> {
    const peer = new LocalPeer(port, credentials);
    await until(() => peer.established || peer.end !== undefined);
    if (peer.established) return peer;
    throw new Error(`refused: ${peer.end?.reason}`);
  }

  /** @throws with the reason when there is no answer. */
  async ask(request: OutgoingRequest): Promise<IncomingResponse> {
    const id = this.session.request(request);
    if (id === undefined) throw new Error('there is no session');
    const outcome = await new Promise<IncomingResponse | string>((resolve) => this.waiting.set(id, resolve));
    if (typeof outcome === 'string') throw new Error(outcome);
    return outcome;
  }

  get(uri: string): Promise<IncomingResponse> {
    return this.ask(requestTo('GET', uri));
  }

  post(uri: string, body: CborValue): Promise<IncomingResponse> {
    return this.ask(requestTo('POST', uri, body));
  }

  close(): void {
    this.session.close();
  }
}

/** `/path?query` as a request. */
export function requestTo(method: 'GET' | 'POST', uri: string, body?: CborValue): OutgoingRequest {
  const [path = '', query] = uri.split('?');
  return {
    method,
    path: path.split('/').slice(1),
    query: query?.split('&') ?? [],
    ...(body !== undefined && { payload: encodeCbor(body), contentFormat: 10_000 }),
  };
}

export const contentOf = ({ payload }: IncomingResponse): CborValue => decodeCbor(payload);
