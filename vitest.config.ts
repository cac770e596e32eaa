import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Two cores: more workers only make the timers of neighbouring tests late.
    maxWorkers: 2,
    // Hung, not slow: no test is decided by how long it takes.
    testTimeout: 240_000,
    hookTimeout: 240_000,
    // What is waited for comes late on a busy machine; one second, the default, is no proof that it does not come.
    expect: { poll: { timeout: 200_000 } },
  },
});
