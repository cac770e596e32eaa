import { lookup } from 'node:dns/promises';
import type { IncomingMessage } from 'node:http';
import { createServer as createHttps } from 'node:https';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Millis } from '../core/clock.ts';
import { FirstbootError, failure } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { plgdUrl } from './plgd/paths.ts';

/** PEM. */
export interface ApiTls {
  /** The server's certificate, then its intermediates. */
  readonly chain: string;
  readonly key: string;
  /** Authorities of the certificates that clients may sign in with; undefined: none is asked for. */
  readonly clientCas?: string | undefined;
}

/** How long the server waits for a peer. */
export interface ApiPatience {
  /** For all headers of a request, and for all of a request. */
  readonly headers: Millis;
  readonly request: Millis;
  /** On a connection on which nothing moves. */
  readonly idle: Millis;
  /** For what is missing of a request of nobody known, or of one that is answered. */
  readonly body: Millis;
}

export interface ListenOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly tls?: ApiTls | undefined;
  /** Takes tokens in the clear from other machines: something in front speaks TLS. */
  readonly insecure?: boolean | undefined;
  /** Default: limits.api. */
  readonly patience?: ApiPatience | undefined;
}

/** A server that does not listen yet. @throws FirstbootError service.config */
export function createServer(
  options: ListenOptions,
  {
    requestId,
    badUrl,
  }: {
    readonly requestId: () => string;
    /** Answers a request whose path cannot be read, which no route and no hook hears of. */
    readonly badUrl: (error: unknown, request: FastifyRequest, reply: FastifyReply) => void;
  },
): FastifyInstance {
  requireProtected(options);
  const { tls } = options;
  const patience = options.patience ?? limits.api;
  const http = {
    handshakeTimeout: patience.headers,
    headersTimeout: patience.headers,
    requestTimeout: patience.request,
    connectionsCheckingInterval: Math.min(patience.headers, 5000),
    maxHeaderSize: 32 * 1024,
  };
  const common = {
    logger: false,
    bodyLimit: limits.api.requestBytes,
    connectionTimeout: patience.idle,
    keepAliveTimeout: patience.idle,
    requestTimeout: patience.request,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: limits.api.parameter },
    genReqId: requestId,
    frameworkErrors: badUrl,
    rewriteUrl: ({ url = '/', headers }: IncomingMessage) => plgdUrl(url, headers.accept) ?? url,
  } as const;
  try {
    return tls
      ? (Fastify({ ...common, https: { ...http, ...secureContext(tls) } }) as unknown as FastifyInstance)
      : Fastify({ ...common, http });
  } catch (error) {
    throw badTls(error);
  }
}

/**
 * Judges what connections are to be served with.
 * @returns serves those from now on with it. @throws FirstbootError service.config
 */
export function prepareTls(server: FastifyInstance, tls: ApiTls): () => void {
  const { server: listening } = server;
  if (!('setSecureContext' in listening) || typeof listening.setSecureContext !== 'function') {
    throw failure('service.config', { key: 'api.tls' }, 'start the service again to switch TLS on');
  }
  const { requestCert = false, ...context } = secureContext(tls);
  const renew = listening.setSecureContext.bind(listening);
  try {
    // One that never listens, to judge by.
    createHttps(context);
  } catch (error) {
    throw badTls(error);
  }
  return () => {
    renew(context);
    // No part of a secure context. Left on without authorities, those that the system trusts would vouch for clients.
    Object.assign(listening, { requestCert, rejectUnauthorized: false });
  };
}

/** @returns its URL. @throws FirstbootError service.address-in-use, service.config */
export async function listen(server: FastifyInstance, { host, port }: ListenOptions): Promise<string> {
  try {
    // For this name fastify makes a second server, of which nothing here knows: not bounded, and never with another certificate.
    const address = host === 'localhost' ? (await lookup(host)).address : host;
    return await server.listen({ host: address, port });
  } catch (error) {
    await server.close();
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
    throw code === 'EADDRINUSE'
      ? failure(
          'service.address-in-use',
          { host, port },
          'stop the other program, or choose another port with --api-port',
          error,
        )
      : failure(
          'service.config',
          { host, port, code },
          'give the API an address it can have: api.host, --api-port',
          error,
        );
  }
}

/** TLS 1.2 at least; who shows a certificate of somebody else is told so in an answer, not by a broken handshake. */
const secureContext = ({ chain, key, clientCas }: ApiTls) => ({
  cert: chain,
  key,
  minVersion: 'TLSv1.2' as const,
  ...(clientCas !== undefined && { ca: clientCas, requestCert: true, rejectUnauthorized: false }),
});

/** Tokens do not go over a network in the clear. */
function requireProtected({ host, tls, insecure }: ListenOptions): void {
  if (tls || insecure || isLoopback(host)) return;
  const fix =
    'give it a certificate with api.tls, let it listen on 127.0.0.1, or say api.insecure: true when a proxy in front of it speaks TLS';
  throw failure('service.config', { key: 'api.host', host }, fix);
}

const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(host);

const badTls = (error: unknown): FirstbootError =>
  error instanceof FirstbootError
    ? error
    : failure(
        'service.config',
        { key: 'api.tls' },
        'chain, key and clientCas are PEM, and the key is that of the certificate',
        error,
      );
