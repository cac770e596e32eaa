import { lookup } from 'node:dns';
import { type IncomingMessage, type RequestOptions, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { isPublicAddress } from '../transport/public-address.ts';

export interface PublicRequest {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
  readonly signal: AbortSignal;
}

type Lookup = NonNullable<RequestOptions['lookup']>;

/**
 * Asks a server of the public Internet, for somebody who must not reach what this machine reaches. The address that was judged
 * is the one that is connected to: a name that leads elsewhere a moment later changes nothing. Redirects are not followed.
 * @returns the answer, whose body is still to be read or destroyed
 * @throws Error the server cannot be reached, or is none of the public Internet
 */
export function requestPublic(url: string, { method, headers, body, signal }: PublicRequest): Promise<IncomingMessage> {
  const target = new URL(url);
  // Addresses are not looked up.
  const literal = target.hostname.replace(/^\[|\]$/g, '');
  const isLiteral = literal.includes(':') || /^[\d.]+$/.test(literal);
  if (isLiteral && !isPublicAddress(literal)) return Promise.reject(new Error('not a public address'));
  const send = target.protocol === 'https:' ? requestHttps : requestHttp;
  return new Promise((resolve, reject) => {
    const request = send(target, { method, headers, signal, agent: false, lookup: publicLookup(lookup) }, resolve);
    request.on('error', reject);
    request.end(body);
  });
}

/** Finds the public addresses of a name; those that are not are as good as not there. */
export const publicLookup =
  (resolve: (hostname: string, options: { readonly all: true }, done: AllFound) => void): Lookup =>
  (hostname, options, done) =>
    resolve(hostname, { ...options, all: true }, (error, found) => {
      const reached = (found ?? []).filter(({ address }) => isPublicAddress(address));
      const [first] = reached;
      if (error || !first) done(error ?? new Error('no public address'), '', 0);
      else if (options.all === true) done(null, reached);
      else done(null, first.address, first.family);
    });

type AllFound = (
  error: NodeJS.ErrnoException | null,
  found: readonly { readonly address: string; readonly family: number }[] | undefined,
) => void;
