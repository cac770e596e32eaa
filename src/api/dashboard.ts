import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { extname, join, relative, sep } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { failure } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { noneMatchHas } from './conditional.ts';

/** Answers what a browser asks for; undefined: this path is not the dashboard's. */
export interface DashboardPaths {
  answer(path: string, request: FastifyRequest, reply: FastifyReply): FastifyReply | Promise<FastifyReply> | undefined;
}

interface Asset {
  readonly type: string;
  readonly bytes: Buffer;
  /** Its bytes made smaller, at the first request that takes them so; undefined: that makes them no smaller. */
  readonly zipped: () => Promise<Buffer | undefined>;
  readonly etag: string;
  /** Its name holds a hash of what is in it: it never changes. */
  readonly hashed: boolean;
}

/** No script, style or connection but our own, no inline ones, no frame around it. */
const contentPolicy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
  "font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/**
 * The built dashboard, read into memory: its files by name, and index.html for every other path, since the browser knows which
 * page is meant.
 * @param folder undefined, or without index.html: a page says how to build it
 * @throws FirstbootError service.config when the folder holds more than a dashboard
 */
export async function dashboardPaths(folder: string | undefined): Promise<DashboardPaths> {
  const assets = folder === undefined ? new Map<string, Asset>() : await readAssets(folder);
  const index = assets.get('/index.html');
  return {
    answer(path, request, reply) {
      if ((request.method !== 'GET' && request.method !== 'HEAD') || isTaken(path)) return undefined;
      reply.header('content-security-policy', contentPolicy);
      const asset = assets.get(path);
      if (asset) return send(asset, request, reply);
      // A file that is not there must not be taken for a page.
      if (extname(path) !== '' || !index) return missing(reply, index !== undefined);
      return send(index, request, reply);
    },
  };
}

async function send(
  { type, bytes, zipped, etag, hashed }: Asset,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  reply.headers({
    'cache-control': hashed ? 'public, max-age=31536000, immutable' : 'no-cache',
    etag,
    vary: 'accept-encoding',
  });
  if (noneMatchHas(request.headers['if-none-match'], etag)) return reply.code(304).send();
  const smaller = /\bgzip\b/.test(request.headers['accept-encoding'] ?? '') ? await zipped() : undefined;
  if (smaller) reply.header('content-encoding', 'gzip');
  return reply
    .code(200)
    .header('content-type', type)
    .send(smaller ?? bytes);
}

const missing = (reply: FastifyReply, built: boolean): FastifyReply =>
  reply
    .code(404)
    .header('content-type', 'text/html; charset=utf-8')
    .send(
      `<!doctype html><html lang="en"><title>firstboot</title><h1>${built ? 'There is no such file' : 'The dashboard is not built'}</h1>` +
        (built ? '' : '<p>Run <code>npm run build</code> and start the service again. The API is there: ') +
        (built ? '' : '<a href="/api/v1/openapi.json">/api/v1/openapi.json</a> describes it.</p>') +
        '</html>',
    );

const isTaken = (path: string): boolean =>
  /^\/(api|health|metrics|device-provisioning-service|\.well-known)(\/|$)/.test(path);

async function readAssets(folder: string): Promise<Map<string, Asset>> {
  const assets = new Map<string, Asset>();
  let left = limits.api.dashboardBytes;
  for (const name of await filesIn(folder)) {
    const file = join(folder, name);
    left -= (await stat(file)).size;
    if (left < 0 || assets.size >= limits.api.dashboardFiles) {
      throw failure('service.config', { folder }, 'this is more than a dashboard: run npm run build');
    }
    assets.set(`/${name.split(sep).join('/')}`, assetOf(name, await readFile(file)));
  }
  return assets;
}

async function filesIn(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = entries.filter((entry) => entry.isFile());
  return files.map((entry) => relative(folder, join(entry.parentPath, entry.name)));
}

function assetOf(name: string, bytes: Buffer): Asset {
  const type = types[extname(name)] ?? 'application/octet-stream';
  let zipping: Promise<Buffer | undefined> | undefined;
  return {
    type,
    bytes,
    zipped: () => {
      zipping ??= isText(type) ? smallerOf(bytes) : Promise.resolve(undefined);
      return zipping;
    },
    etag: `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`,
    hashed: /[-.][A-Za-z0-9_]{8,}\.[a-z0-9]+$/.test(name) && !name.endsWith('.html'),
  };
}

/** Who asks while it is made waits for the same; without it the bytes go as they are. */
async function smallerOf(bytes: Buffer): Promise<Buffer | undefined> {
  const zipped = await zip(bytes, { level: 9 }).catch(() => undefined);
  return zipped && zipped.length < bytes.length ? zipped : undefined;
}

const zip = promisify(gzip);

const isText = (type: string): boolean => /^(text\/|application\/(json|manifest|javascript)|image\/svg)/.test(type);

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.webmanifest': 'application/manifest+json; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.txt': 'text/plain; charset=utf-8',
};
