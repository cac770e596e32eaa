import { afterEach, expect, it, vi } from 'vitest';

afterEach(() => vi.unstubAllEnvs());

it('without the addon the engine says how to build it', async () => {
  vi.stubEnv('FIRSTBOOT_SECURE_ENGINE', '/nonexistent/firstboot_secure.node');
  const { engineStatistics } = await import('../../../src/secure/engine.ts');
  expect(engineStatistics).toThrow(
    expect.objectContaining({ code: 'service.engine', fix: expect.stringContaining('npm run build') }),
  );
});
