import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { encodePem } from '../codec/pem.ts';
import type { Millis } from '../core/clock.ts';
import { failure } from '../core/errors.ts';
import type { PublishedCrl, Revocations } from '../provision/revocations.ts';

/**
 * Our revocation lists over HTTP (RFC 5280 §4.2.1.13, RFC 2585 §4.2): `/crl` is that of the present issuing authority,
 * `/crl/<key id>.crl` that of any one, both DER; `/crl.pem` holds all of them, for who checks against all.
 */
export function revocationRoutes(server: FastifyInstance, revocations: () => Revocations, now: () => Millis): void {
  const single = async (request: FastifyRequest, reply: FastifyReply, issuerKeyId?: string) => {
    const list = await revocations().current(now(), issuerKeyId);
    if (!list) throw failure('request.unknown-path', { issuerKeyId: issuerKeyId ?? '' }, '');
    return answer([list], 'application/pkix-crl', request, reply, now());
  };
  server.get('/crl', (request, reply) => single(request, reply));
  server.get<{ Params: { file: string } }>('/crl/:file', (request, reply) =>
    single(request, reply, /^([0-9a-f]+)\.crl$/.exec(request.params.file)?.[1] ?? 'none'),
  );
  server.get('/crl.pem', async (request, reply) =>
    answer(await revocations().all(now()), 'application/x-pem-file', request, reply, now()),
  );
}

/** Caches may keep a list until it is signed again, never beyond its nextUpdate; who has it already is told so. */
function answer(
  lists: readonly PublishedCrl[],
  type: 'application/pkix-crl' | 'application/x-pem-file',
  request: FastifyRequest,
  reply: FastifyReply,
  now: Millis,
): FastifyReply {
  const etag = `"${lists.map(({ issuerKeyId, number }) => `${issuerKeyId.slice(0, 16)}-${number}`).join('.')}"`;
  const fresh = Math.min(...lists.map(({ renewedAt, nextUpdate }) => Math.min(renewedAt, nextUpdate)));
  reply.headers({
    etag,
    'last-modified': httpDate(Math.max(...lists.map(({ thisUpdate }) => thisUpdate))),
    'cache-control': `public, max-age=${Math.max(0, Math.floor((fresh - now) / 1000))}`,
    expires: httpDate(Math.min(...lists.map(({ nextUpdate }) => nextUpdate))),
  });
  if (request.headers['if-none-match'] === etag) return reply.code(304).send();
  const [first] = lists;
  const der = type === 'application/pkix-crl' ? first?.der : undefined;
  return reply.type(type).send(der ? Buffer.from(der.buffer, der.byteOffset, der.length) : lists.map(pemOf).join(''));
}

/** A list may be some megabytes: written once, however many ask for it. */
const pems = new WeakMap<PublishedCrl, string>();

function pemOf(list: PublishedCrl): string {
  const pem = pems.get(list) ?? encodePem('X509 CRL', list.der);
  pems.set(list, pem);
  return pem;
}

const httpDate = (at: Millis): string => new Date(at).toUTCString();
