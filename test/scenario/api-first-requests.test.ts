import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzip } from 'node:zlib';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { openApiDocument } from '../../src/api/openapi.ts';
import { serviceRoutes } from '../../src/api/routes/service.ts';
import { startTestApi } from '../support/api.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

vi.mock(import('node:zlib'), async (original) => {
  const real = await original();
  return { ...real, gzip: vi.fn(real.gzip) as unknown as typeof real.gzip };
});
vi.mock(import('../../src/api/openapi.ts'), async (original) => {
  const real = await original();
  return { openApiDocument: vi.fn(real.openApiDocument) };
});

/** What costs tens of milliseconds is made for the first request that needs it, and once. */

describe('what the first request makes', () => {
  beforeEach(() => {
    vi.clearAllMocks();
  });

  it('is the document of the API', async () => {
    const api = await startTestApi({ routes: serviceRoutes });
    try {
      await api.as(undefined).get('//health/live');
      expect(openApiDocument).not.toHaveBeenCalled();
      const [one, other] = await Promise.all([1, 2].map(() => api.as(undefined).get('/openapi.json')));
      expect(openApiDocument).toHaveBeenCalledTimes(1);
      expect(one?.body).toMatchObject({ openapi: '3.1.0' });
      expect(other?.text).toBe(one?.text);
    } finally {
      await api.close();
    }
  });

  it('is each file of the dashboard made smaller, for who takes it so', async () => {
    const folder = await temporaryFolder();
    const page = `<!doctype html>${' '.repeat(1000)}<title>firstboot</title>`;
    await writeFile(join(folder.path, 'index.html'), page);
    await writeFile(join(folder.path, 'tiny.js'), '1');
    await writeFile(join(folder.path, 'logo.png'), Buffer.alloc(1000));
    const api = await startTestApi({ routes: serviceRoutes, web: folder.path });
    const get = (path: string, headers: Readonly<Record<string, string>> = {}) =>
      api.as(undefined).get(path, { headers });
    try {
      const plain = await get('//', { 'accept-encoding': 'identity' });
      expect([plain.text, plain.headers.get('content-encoding')]).toEqual([page, null]);
      const etag = plain.headers.get('etag') ?? '';
      expect((await get('//', { 'if-none-match': etag })).status).toBe(304);
      expect((await get('//logo.png')).headers.get('content-encoding')).toBeNull();
      expect(gzip).not.toHaveBeenCalled();

      for (const { text, headers } of await Promise.all([get('//'), get('//devices'), get('//index.html')])) {
        expect([text, headers.get('content-encoding'), headers.get('etag')]).toEqual([page, 'gzip', etag]);
      }
      expect(gzip).toHaveBeenCalledTimes(1);
      // What does not become smaller goes as it is, and that too is found out once.
      for (const { text, headers } of [await get('//tiny.js'), await get('//tiny.js')]) {
        expect([text, headers.get('content-encoding')]).toEqual(['1', null]);
      }
      expect(gzip).toHaveBeenCalledTimes(2);
    } finally {
      await api.close();
      await folder.remove();
    }
  });
});
