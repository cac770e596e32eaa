import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Two cores: more workers only make the timers of neighbouring tests late.
    maxWorkers: 2,
    testTimeout: 30_000,
  },
});
