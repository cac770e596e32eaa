import type { OutgoingHttpHeaders } from 'node:http';
import { Agent, request } from 'node:https';
import { TLSSocket } from 'node:tls';
import type { ApiTls } from '../../src/api/listening.ts';
import { encodeCertificates } from '../../src/codec/pem.ts';
import { days, type Millis } from '../../src/core/clock.ts';
import { systemRandom } from '../../src/core/random.ts';
import { createEndEntity, loopbackNames } from '../../src/pki/end-entity.ts';
import type { KeyedChain } from '../../src/pki/issuer.ts';
import { profiles } from '../../src/pki/profile.ts';
import { endEntity } from './forge.ts';
import type { makeIdentities } from './identities.ts';

/** PKCS #8, PEM. */
export const pemKey = ({ privateKey }: Pick<KeyedChain, 'privateKey'>): string =>
  privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

/** Servers on loopback and their clients, of one authority. */
export function httpsPeers({ intermediate, anchors }: ReturnType<typeof makeIdentities>, now: Millis) {
  return {
    serverIdentity: (commonName = 'api'): KeyedChain =>
      createEndEntity({
        issuer: intermediate,
        profile: profiles.service,
        subject: { organization: 'Acme', commonName },
        altNames: loopbackNames,
        now: now - days(1),
        random: systemRandom,
      }),
    /** Clients of the same authority are let in. */
    tlsOf: (identity: KeyedChain): ApiTls => ({
      chain: encodeCertificates([...identity.chain, intermediate.certificate.der]),
      key: pemKey(identity),
      clientCas: encodeCertificates(anchors),
    }),
    client: (commonName: string, until?: Millis): KeyedChain => {
      const subject = { organization: 'Acme', commonName };
      const leaf = endEntity(intermediate, 'Acme', now, { subject, ...(until && { until }) });
      return { chain: [leaf.der, intermediate.certificate.der], privateKey: leaf.privateKey };
    },
  };
}

export interface Asked {
  /** Of the server. */
  readonly authorities: readonly Uint8Array[];
  readonly method?: string;
  readonly headers?: OutgoingHttpHeaders;
  /** Default: a connection of its own. */
  readonly agent?: Agent;
  readonly send?: string;
}

export interface HttpsAnswer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: tests say what they expect of it
  readonly body: any;
  readonly setCookie: string;
  /** Common name of the server. */
  readonly subject: string;
}

/** One request, with a client certificate or without. */
export function askHttps(
  url: string,
  identity: KeyedChain | undefined,
  { authorities, headers = {}, agent = new Agent({ maxCachedSessions: 0 }), send, ...rest }: Asked,
): Promise<HttpsAnswer> {
  const { method = send === undefined ? 'GET' : 'POST' } = rest;
  return new Promise((resolve, reject) => {
    const call = request(
      url,
      {
        method,
        ca: encodeCertificates(authorities),
        agent,
        headers: { ...headers, ...(send !== undefined && { 'content-type': 'application/json' }) },
        ...(identity && { cert: encodeCertificates(identity.chain), key: pemKey(identity) }),
      },
      (response) => {
        const { socket } = response;
        response.on('error', reject);
        // A resumed session has none to show.
        const subject = socket instanceof TLSSocket ? socket.getPeerCertificate().subject?.CN : '';
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (piece: string) => {
          text += piece;
        });
        response.on('end', () => {
          const setCookie = response.headers['set-cookie']?.[0] ?? '';
          const body = text === '' ? undefined : JSON.parse(text);
          resolve({ status: response.statusCode ?? 0, body, setCookie, subject: String(subject) });
        });
      },
    );
    call.on('error', reject);
    call.end(send);
  });
}
